"""The errors of the command: one line, which says what to do."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from command import FILES, SMALL, assert_error, call, save_set
from typer.testing import CliRunner

import pycopi.cli
from pycopi.cli import backends
from pycopi.cli.app import app, describe


@pytest.mark.parametrize(
    ("backend", "install"),
    [("torch", 'pip install "pycopi[torch]"'), ("array-api-strict", "pip install array-api-strict")],
)
def test_backend_that_is_not_installed(
    backend: str, install: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        msg = f"No module named {name!r}"
        raise ModuleNotFoundError(msg, name=name)

    monkeypatch.setattr(backends, "import_module", missing)
    expected = f"--backend {backend} is not installed; install it with: {install}"
    assert_error(re.escape(expected), "train", "digits", "--backend", backend, "--output", tmp_path)
    monkeypatch.setattr(backends, "import_module", lambda name: missing("something"))
    assert_error("No module named 'something'", "train", "digits", "--backend", backend)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("nothing",), "'nothing': expected digits, mnist, cifar10, or .*"),
        (("nowhere.npz",), "nowhere.npz: there is no such file; .*"),
        (("digits", "--hidden", "5y"), "--hidden is '5y'; expected sizes of layers such as .*"),
        (("digits", "--hidden", "0"), "--hidden is '0'; expected sizes of layers such as .*"),
        (("digits", "--hidden", ""), "--hidden is ''; expected sizes of layers such as .*"),
        (("digits", "--backend", "numpie"), "--backend is 'numpie'; expected one of numpy, .*"),
        (("digits", "--credit", "none"), "--credit is 'none'; expected one of backpropagation, .*"),
        (("digits", "--device", "cuda"), r"--device is 'cuda', which numpy cannot use \(.*\); .*"),
        (("digits", "--rate", "nan"), "--rate is nan; expected a finite number of at least 0"),
        (("digits", "--gain", "inf"), "--gain is inf; expected a finite number of at least 0"),
        (("digits", "--epochs", "0"), "--epochs is 0; expected a finite number of at least 1"),
        (("digits", "--whitening", "2"), "--whitening is 2.0; expected a finite number from 0 to 1"),
    ],
    ids=str,
)
def test_errors_are_one_line(arguments: Sequence[str], expected: str, tmp_path: Path) -> None:
    assert_error(expected, "train", *arguments, "--output", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_too_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(*_: object) -> None:
        msg = "Unable to allocate 7.28 TiB"
        raise MemoryError(msg)

    monkeypatch.setattr("pycopi.cli.job.open_data", allocate)
    assert_error("Unable to allocate 7.28 TiB", "train", "digits", "--output", tmp_path / "run")


def test_errors_of_files(tmp_path: Path, run: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    assert_error(".*file is a file; expected a folder", "train", "digits", "--output", file)
    assert_error(".*: Not a directory", "train", "digits", "--output", file / "run")
    labels = save_set(tmp_path / "big.npz", y=np.full(60, 10**9))
    assert_error("big has the label 1000000000 alone; expected two classes or more", "train", labels)
    counts = save_set(tmp_path / "counts.npz", y=np.arange(60))
    assert_error("counts has 60 different labels on 60 samples; .*y.astype.'float64'.* for .*", "train", counts)
    one = save_set(tmp_path / "one.npz", y=np.ones(60))
    flags = ("--loss", "cross_entropy", "--output", tmp_path / "run")
    assert_error("--loss cross_entropy needs two classes or more, .*", "train", one, *flags)
    assert_error(".*there is no such file.*", "evaluate", tmp_path / "nothing", "digits")
    assert_error(".*not a whole safetensors file.*", "evaluate", file, "digits")
    assert_error("--split is 'rest'; .*", "evaluate", run, "digits", "--split", "rest")
    assert_error(".*the network takes 64 features.*", "evaluate", run, one)
    empty = tmp_path / "empty"
    empty.mkdir()
    missing = ("train", "mnist", "--no-download", "--data-dir", empty, "--output", tmp_path / "m")
    env = {"PYCOPI_DATA": "", "XDG_CACHE_HOME": str(empty)}
    text = call(*missing, status=2, env=env)
    assert text.startswith("error: MNIST was not found: ")
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("train",), "missing argument 'DATA' .*"),
        (("train", "digits", "--rate", "x"), "invalid value for '--rate': 'x' is not a number .*"),
        (("train", "digits", "--epochs", "x"), "invalid value for '--epochs': 'x' is not a whole number .*"),
        (("train", "digits", "--nope"), "no such option.*--nope.*"),
        (("tarin-digits",), "no such command 'tarin-digits'.*"),
    ],
    ids=str,
)
def test_usage_errors_are_one_line(arguments: Sequence[str], expected: str) -> None:
    assert_error(expected, *arguments)


def test_describe_makes_one_line() -> None:
    assert describe(ValueError("one\n  two")) == "one two"
    assert describe(RuntimeError()) == "RuntimeError"
    assert describe(OSError(28, "No space left on device")) == "No space left on device"
    assert describe(OSError(28, "No space", "/a/b")) == "/a/b: No space"


def test_traceback_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYCOPI_TRACEBACK", "1")
    result = CliRunner().invoke(app, ["train", "nothing"])
    assert isinstance(result.exception, ValueError)


def test_no_picture_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    text = call("train", "digits", *SMALL, "--output", tmp_path / "run")
    assert "no learning curve: pictures need Matplotlib" in text
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES - {"learning-curve.png"}


def test_without_typer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(pycopi.cli, "leave_at_once", lambda: None)  # the tests' own answer to Ctrl-C stays
    monkeypatch.delitem(sys.modules, "pycopi.cli.app")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "typer", None)
        with pytest.raises(SystemExit, match=r"^2$"):
            pycopi.cli.main()
    assert capsys.readouterr().err == (
        'error: the command needs typer, which is not installed; install it with: pip install "pycopi[cli]"\n'
    )
    monkeypatch.setitem(sys.modules, "pycopi.cli.info", None)
    with pytest.raises(ModuleNotFoundError, match=r"pycopi\.cli\.info"):
        pycopi.cli.main()
