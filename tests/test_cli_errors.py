"""The errors of the command: one line, which says what to do."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from command import FILES, SMALL, assert_error, call, save_set

from pycopi.cli import backends
from pycopi.cli.app import describe, run


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
        (("digits", "--rate", "nan"), "--rate is 'nan'; expected a finite number of at least 0"),
        (("digits", "--gain", "inf"), "--gain is 'inf'; expected a finite number of at least 0"),
        (("digits", "--epochs", "0"), "--epochs is '0'; expected a whole number of at least 1"),
        (("digits", "--whitening", "2"), "--whitening is '2'; expected a finite number from 0 to 1"),
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
        (("train",), r"the following arguments are required: DATA \(see pycopi train --help\)"),
        (("train", "digits", "--rate"), r"argument --rate: expected one argument \(see pycopi train --help\)"),
        (("train", "digits", "--rate", "x"), "--rate is 'x'; expected a finite number of at least 0"),
        (("train", "digits", "--epochs", "x"), "--epochs is 'x'; expected a whole number of at least 1"),
        (("train", "digits", "--epochs", "1.5"), "--epochs is '1.5'; expected a whole number of at least 1"),
        (("train", "digits", "--ephocs=3"), r"no such option: --ephocs; did you mean --epochs\? .*"),
        (("train", "digits", "--ep", "3"), r"no such option: --ep; did you mean .*"),
        (("train", "digits", "mnist"), r"no such argument: mnist \(see pycopi train --help\)"),
        (("tarin", "digits"), r"no such command: tarin; did you mean train\? \(see pycopi --help\)"),
        (("--quiet", "train"), r"no such option: --quiet \(see pycopi --help\)"),
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
    with pytest.raises(ValueError, match="'nothing': expected digits, mnist, cifar10"):
        run(["train", "nothing"])


def test_no_picture_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    text = call("train", "digits", *SMALL, "--output", tmp_path / "run", draws=True)
    assert "no learning curve: pictures need Matplotlib" in text
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES - {"learning-curve.png"}


@pytest.mark.parametrize(("missing", "status"), [("rich", 2), ("rich.console", 2), ("pycopi.cli.train", 1)])
def test_without_rich(missing: str, status: int) -> None:
    """Only what the extra brings is said to be missing; anything else is a fault, with its traceback."""
    code = f"import sys; sys.modules[{missing!r}] = None; from pycopi.cli import main; main()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == status
    message = (
        'error: the command needs rich, which is not installed; install it with: pip install "pycopi[cli]"\n'
    )
    assert (found.stderr == message) == (status == 2)
    assert ("Traceback" in found.stderr) == (status == 1)
