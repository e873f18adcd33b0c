"""The command itself: its help, what it says of itself, how it starts and completes."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from command import SMALL, assert_error, assert_same_parameters, call

import pycopi
import pycopi.cli
from pycopi.cli import backends
from pycopi.cli.app import COMMANDS
from pycopi.cli.flags import read_hidden
from pycopi.cli.plan import new_plan


def test_assertions_fail_when_they_should(run: Path, tmp_path: Path) -> None:
    call("train", "digits", *SMALL, "--seed", 1, "--output", tmp_path, "--quiet")
    with pytest.raises(AssertionError, match="weight of layer 1 differs"):
        assert_same_parameters(run / "model.safetensors", tmp_path / "model.safetensors")
    with pytest.raises(AssertionError):
        assert_error("something else", "train", "nothing")
    with pytest.raises(AssertionError):
        call("info", status=1)


def test_version_and_help() -> None:
    assert call("--version") == f"pycopi {pycopi.__version__}\n"
    for command in ("train", "evaluate", "info"):
        assert command in call("--help")
    text = call("train", "--help", env={"COLUMNS": "100"})
    for words in ("--hidden", "--freeze-decorrelation-after", "mnist: 500x6", "Decorrelation"):
        assert words in text
    assert "no-" not in call("info", "--help")


def test_info_shows_the_configuration() -> None:
    text = call("info")
    for words in ("engine", "backend numpy", "threads", np.__version__):
        assert words in text


@pytest.mark.parametrize(
    ("text", "sizes"),
    [("500x6", (500,) * 6), ("128,64", (128, 64)), ("8x2, 4", (8, 8, 4)), ("none", ())],
)
def test_hidden(text: str, sizes: tuple[int, ...]) -> None:
    assert read_hidden(text) == sizes


@pytest.mark.parametrize("shares", [0.2, (1.0, 0.2, 0.1)])
def test_each_layer_gets_its_share_of_a_batch(shares):
    settings = new_plan("digits", {"decorrelation_fraction": shares}).recipe.settings
    found = tuple(how.fraction for how in settings.decorrelations)
    assert found == (shares if isinstance(shares, tuple) else (shares,))


def test_presets_of_named_sets() -> None:
    digits, mnist, cifar10 = (new_plan(name, {}) for name in ("digits", "mnist", "cifar10"))
    assert digits.hidden == (128, 128)
    assert (mnist.hidden, mnist.batch_size, mnist.epochs) == ((500,) * 6, 50, 20)
    assert (cifar10.hidden, cifar10.gain, cifar10.rate) == ((1000,) * 4, 1000.0, 1e-3)
    assert mnist.recipe.settings == pycopi.presets.PAPER


@pytest.mark.parametrize(("samples", "size"), [(5, 16), (105, 21), (1000, 64)])
def test_few_samples_of_a_file_are_several_steps(samples: int, size: int) -> None:
    waiting = new_plan("own.npz", {})
    assert waiting.recipe.settings.loss == "cross_entropy"
    known = waiting.for_data(classes=False, outputs=1, samples=samples)
    assert (known.batch_size, known.loss, known.recipe.batch_size) == (size, "squared_error", size)
    given = new_plan("own.npz", {"batch_size": 8}).for_data(classes=True, outputs=3, samples=samples)
    assert (given.batch_size, given.loss) == (8, "cross_entropy")


class FakeModule(SimpleNamespace):
    """A library that only remembers what it was asked for."""

    float64 = "float64"

    def empty(self, *arguments: object, **keywords: object) -> tuple[object, object]:
        return arguments, keywords


def test_devices_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[object] = []
    device = SimpleNamespace(use=lambda: None)
    fakes = {
        "torch": FakeModule(),
        "cupy": FakeModule(cuda=SimpleNamespace(Device=lambda number: used.append(number) or device)),
        "jax": FakeModule(
            numpy=FakeModule(),
            config=SimpleNamespace(update=lambda *pair: used.append(pair)),
            devices=lambda kind: [f"{kind} 0", f"{kind} 1"],
            device_put=lambda array, place: place,
        ),
    }
    monkeypatch.setattr(backends, "import_module", fakes.__getitem__)
    make = backends.reference_array
    assert make("torch", "cuda:1", "float64") == ((0,), {"dtype": "float64", "device": "cuda:1"})
    assert make("jax", "cuda:1", "float32") == "cuda 1"
    assert make("jax", None, "float64") == ((0, "float64"), {})
    assert used == [("jax_enable_x64", True)]
    with pytest.raises(ValueError, match=r"jax cannot use \(there are 2 of that kind\)"):
        make("jax", "cuda:2", "float32")
    for name in (None, "cuda", "cuda:2", "3"):
        make("cupy", name, "float32")
    assert used[1:] == [0, 0, 2, 3]


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_is_as_wide_as_the_terminal(name) -> None:
    words = ("--help",) if name is None else (name, "--help")
    lines = call(*words, env={"COLUMNS": "60"}).splitlines()
    assert not [line for line in lines if len(line) > 60 and "pycopi completion" not in line]


def test_help_shows_values_only_where_they_are_taken() -> None:
    text = call("train", "--help", env={"COLUMNS": "120"})
    assert re.search(r"--epsilon FLOAT", text)
    for switch in ("--bias, --no-bias", "--resume", "--no-download"):
        assert re.search(rf"^  {switch}(  |$)", text, re.M), switch


def test_main_in_this_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["pycopi", "--version"])
    monkeypatch.setattr(pycopi.cli, "leave_at_once", lambda: None)  # the tests' own answer to Ctrl-C stays
    with pytest.raises(SystemExit, match=r"^0$"):
        pycopi.cli.main()
    assert capsys.readouterr().out == f"pycopi {pycopi.__version__}\n"


@pytest.mark.libraries
def test_start_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, pycopi.cli\n"
        "assert 'rich' not in sys.modules\n"
        "import pycopi.cli.app\n"
        "heavy = {'matplotlib', 'torch', 'jax', 'cupy', 'pooch', 'safetensors'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)


def test_no_command_shows_what_to_do_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = call()
    commands = re.findall(r"^  pycopi (.*?)(?:   .*)?$", text, re.M)
    assert [words.split()[0] for words in commands] == ["train", "train", "evaluate", "analyse"]
    monkeypatch.chdir(tmp_path)
    for words in commands:
        if "FILE" not in words:  # every line of the others works as it is shown
            call(*words.split(), *(SMALL if words.startswith("train") else ()))
    assert max(map(len, text.splitlines())) <= 60


def test_info_as_json() -> None:
    assert json.loads(call("info", "--json"))["pycopi"] == pycopi.__version__


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["pycopi", "tr"], ["train"]),
        (["pycopi", "train", "--res"], ["--resume"]),
        (["pycopi", "info", "--"], ["--json"]),
        (["pycopi", "train", "dig"], []),  # where bash names files
    ],
)
def test_bash_completes_commands_and_flags(words: list[str], found: list[str]) -> None:
    typed = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}"
    ask = f'{call("completion", "bash")}\n{typed}; _pycopi pycopi "{words[-1]}"; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == (found, "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_learn_every_flag(shell: str) -> None:
    text = call("completion", shell)
    for word in ("train", "completion", "patience", "split"):
        assert word in text
