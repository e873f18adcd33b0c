"""The command: what it prints and what it leaves behind."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from backends import BACKENDS, Backend
from command import FILES, SMALL, assert_error, assert_same_parameters, call, read_history, save_set

import pycopi
import pycopi.cli
from pycopi.cli import backends
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


def test_train_leaves_model_history_and_picture(run: Path) -> None:
    assert {path.name for path in run.iterdir()} == FILES
    content = json.loads((run / "history.json").read_text())
    assert set(content) == {"pycopi", "data", "settings", "history", "test"}
    assert content["pycopi"] == pycopi.__version__
    assert content["data"] == "digits"
    assert content["settings"]["hidden"] == [16]
    assert [record["epoch"] for record in content["history"]] == [1, 2, 3]
    assert content["history"][0]["weight_rate"] == 0
    assert content["test"]["accuracy"] == content["history"][-1]["validation_accuracy"] > 0.8


def test_train_is_what_the_library_does(run: Path) -> None:
    data = pycopi.data.load_dataset("digits")
    network = pycopi.mlp([64, 16, 10])
    decorrelation = pycopi.Decorrelation(rate=1e-2)
    state = pycopi.fit(
        network,
        network.init(0),
        data.x_train,
        data.y_train,
        epochs=3,
        batch_size=20,
        settings=pycopi.Settings(rate=1e-2, gain=100.0, decorrelation=decorrelation),
    )
    saved = pycopi.load(run / "model.safetensors").parameters
    for own, other in zip(state.parameters, saved, strict=True):
        assert np.array_equal(own.weight, other.weight)
        assert np.array_equal(own.decorrelator, other.decorrelator)


def test_train_prints_a_line_an_epoch_and_a_table(tmp_path: Path) -> None:
    text = call("train", "digits", *SMALL, "--output", tmp_path / "run")
    lines = text.splitlines()
    assert re.fullmatch(
        r"epoch 1/3  decorrelating  loss 0\.\d{4}  test loss 0\.\d{4}  \d+\.\d\d s",
        lines[0],
    )
    assert re.fullmatch(
        r"epoch 3/3  loss 0\.\d{4} \d+\.\d%  test loss 0\.\d{4} \d+\.\d%  \d+\.\d\d s", lines[2]
    )
    for words in ("test accuracy", "test loss", "training time", "5,536", "correlation left"):
        assert words in text
    assert "nothing chosen by it" in " ".join(text.replace("│", "").split())
    assert "\x1b" not in text


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    assert call("train", "digits", *SMALL, "--output", tmp_path / "run", "--quiet") == ""


def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call("train", save_set(tmp_path / "mine.npz"), "--epochs", 1, "--quiet")
    assert {path.name for path in (tmp_path / "runs" / "mine").iterdir()} == FILES


def test_every_flag_reaches_the_run(tmp_path: Path) -> None:
    flags = {
        "--hidden": "8x2,4",
        "--activation": "tanh",
        "--credit": "feedback-alignment",
        "--rule": "gradient",
        "--loss": "cross-entropy",
        "--rate": 0.02,
        "--gain": 2,
        "--batch-size": 32,
        "--decorrelation-rate": 0.003,
        "--decorrelation-rule": "local",
        "--whitening": 0.25,
        "--epsilon": 0.003,
        "--freeze-decorrelation-after": 3,
        "--decorrelation-fraction": 0.75,
        "--decorrelation-every": 2,
        "--decorrelation-bound": 0.5,
        "--step-bound": 100,
        "--epochs": 4,
        "--decorrelation-epochs": 0,
        "--warm-up": 2,
        "--rate-decay": 0.5,
        "--patience": 9,
        "--seed": 7,
        "--dtype": "float64",
        "--device": "cpu",
    }
    words = [word for pair in flags.items() for word in pair]
    switches = ("--bias", "--variance-scaled", "--no-download", "--quiet")
    call("train", "digits", *words, *switches, "--output", tmp_path / "run")
    content = json.loads((tmp_path / "run" / "history.json").read_text())
    stored = content["settings"]
    for flag, value in flags.items():
        name = flag[2:].replace("-", "_")
        if isinstance(value, str) and name != "hidden":
            value = value.replace("-", "_")
        assert stored[name] == ([8, 8, 4] if name == "hidden" else value), name
    assert stored["bias"] is True
    assert stored["variance_scaled"] is True
    rates = [(r["weight_rate"], r["decorrelation_rate"]) for r in content["history"]]
    assert rates == [(0.01, 0.003), (0.02, 0.003), (0.01, 0.003), (0.005, 0.0)]
    saved = pycopi.load(tmp_path / "run" / "model.safetensors")
    assert saved.parameters[0].weight.dtype == np.float64
    assert saved.network.layers[0].activation == pycopi.activations.Tanh()


def test_the_preset_that_does_less(tmp_path: Path) -> None:
    call("train", "digits", "--preset", "fast", "--epochs", 6, "--quiet", "--output", tmp_path / "run")
    content = json.loads((tmp_path / "run" / "history.json").read_text())
    stored = content["settings"]
    assert (stored["preset"], stored["decorrelation_every"], stored["decorrelation_rate"]) == ("fast", 5, 0.05)
    assert stored["freeze_decorrelation_after"] is None
    mnist = new_plan("mnist", {"preset": "fast"})
    assert (mnist.freeze_decorrelation_after, mnist.decorrelation_epochs, mnist.rate_decay) == (
        (2, None),
        0,
        0.75,
    )
    assert content["test"]["accuracy"] > 0.95
    more = ("--epochs", 7, "--quiet")
    call("train", "digits", "--resume", *more, "--output", tmp_path / "run")
    other = ("--decorrelation-fraction", "1,0.2", "--quiet", "--resume", "--output", tmp_path / "run")
    message = (
        f"--decorrelation-fraction is 1.0,0.2 but the run in {tmp_path / 'run'} has 1.0; "
        f"leave the flag out, or start anew with --overwrite"
    )
    assert_error(message, "train", "digits", *other)


def test_without_decorrelation_and_hidden_layers(tmp_path: Path) -> None:
    flags = ("--hidden", "none", "--decorrelation-rate", 0, "--gain", 10, "--epochs", 2, "--quiet")
    call("train", "digits", *flags, "--output", tmp_path / "run")
    saved = pycopi.load(tmp_path / "run" / "model.safetensors")
    assert len(saved.network.layers) == 1
    assert saved.parameters[0].decorrelator is None
    assert saved.details["history"][0]["weight_rate"] > 0  # nothing to decorrelate alone


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
    assert mnist.recipe.settings == pycopi.Settings()


@pytest.mark.parametrize("columns", [0, 1, 3])
def test_regression_says_nothing_of_accuracy(tmp_path: Path, columns: int) -> None:
    x = np.random.default_rng(1).normal(size=(60, 4))
    y = x @ np.ones((4, columns)) if columns else x[:, 0]
    path = save_set(tmp_path / "line.npz", x=x, y=y)
    text = call("train", path, "--epochs", 3, "--output", tmp_path / "run")
    text += call("evaluate", tmp_path / "run", path)
    assert "test loss" in text
    assert "accuracy" not in text
    content = json.loads((tmp_path / "run" / "history.json").read_text())
    assert content["test"]["accuracy"] is None
    assert pycopi.load(tmp_path / "run" / "model.safetensors").network.outputs == max(1, columns)


def test_file_without_test_arrays(tmp_path: Path) -> None:
    path = save_set(tmp_path / "two.npz", y=np.arange(60) % 3, test=False)
    text = call("train", path, "--epochs", 2, "--output", tmp_path / "run")
    assert "training accuracy" in text
    for words in ("test accuracy", "test loss", "test set"):
        assert words not in text
    content = json.loads((tmp_path / "run" / "history.json").read_text())
    assert content["test"] == {"loss": None, "accuracy": None}
    assert "samples   60" in call("evaluate", tmp_path / "run", path, "--split", "train")
    no_test = r"two has no test samples .*; take all its rows with --split train"
    assert_error(no_test, "evaluate", tmp_path / "run", path)
    no_loss = r"--patience watches the test loss, but .*two.npz has no test samples; .*"
    assert_error(no_loss, "train", path, "--patience", 2, "--output", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_evaluate(run: Path) -> None:
    saved = pycopi.load(run / "model.safetensors")
    wanted = saved.details["history"][-1]
    text = call("evaluate", run, "digits")
    loss, accuracy = wanted["validation_loss"], wanted["validation_accuracy"]
    assert text == f"loss      {loss:.4f}\naccuracy  {accuracy:.4f}\nsamples   360\n"
    model = run / "model.safetensors"
    found = json.loads(call("evaluate", model, "digits", "--json"))
    assert found == {
        "model": str(model),
        "data": "digits",
        "split": "test",
        "loss": loss,
        "accuracy": accuracy,
        "samples": 360,
    }
    found = json.loads(call("evaluate", run, "digits", "--json", "--split", "train"))
    assert found["samples"] == 1437
    other = json.loads(call("evaluate", run, "digits", "--json", "--loss", "cross-entropy"))
    assert other["loss"] != loss


@pytest.mark.parametrize(
    "backend",
    [b for b in BACKENDS if b.name in ("array-api-strict:device1", "torch", "jax", "cupy")],
    ids=str,
)
def test_other_array_libraries(backend: Backend, run: Path, tmp_path: Path) -> None:
    backend.require()
    where = ["--backend", backend.library]
    if backend.device:
        where += ["--device", backend.device]
    call("train", "digits", *SMALL, *where, "--output", tmp_path / "run", "--quiet")
    mine, other = (read_history(folder)["history"] for folder in (tmp_path / "run", run))
    assert mine[-1]["loss"] == pytest.approx(other[-1]["loss"], rel=1e-4)
    found = json.loads(call("evaluate", run, "digits", "--json", *where))
    assert found["loss"] == pytest.approx(other[-1]["validation_loss"], rel=1e-5)
    resume = ("train", "digits", "--resume", "--output", tmp_path / "run", "--quiet")
    call(*resume, "--backend", "numpy", "--epochs", 4, *(["--device", "cpu"] if backend.device else []))
    assert len(read_history(tmp_path / "run")["history"]) == 4


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


def test_help_shows_values_only_where_they_are_taken() -> None:
    text = call("train", "--help", env={"COLUMNS": "120"})
    assert re.search(r"--epsilon FLOAT", text)
    for switch in ("--bias, --no-bias", "--resume", "--no-download"):
        assert re.search(rf"^  {switch}(  |$)", text, re.M), switch


def test_presets_of_digits_reach_98_percent(tmp_path: Path) -> None:
    call("train", "digits", "--quiet", "--output", tmp_path)
    assert read_history(tmp_path)["test"]["accuracy"] >= 0.98


VARIANTS = [
    ("--variance-scaled",),
    ("--whitening", "0.5"),
    ("--whitening", "1"),
    ("--decorrelation-rate", "0"),
    ("--decorrelation-rate", "0", "--variance-scaled"),
]


@pytest.mark.parametrize("flags", VARIANTS, ids=" ".join)
def test_presets_of_variants(flags: Sequence[str], tmp_path: Path) -> None:
    call("train", "digits", *flags, "--quiet", "--output", tmp_path)
    assert read_history(tmp_path)["test"]["accuracy"] >= 0.95


def test_a_test_loss_that_overflows_is_inf(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    y = np.arange(30) % 3
    np.savez(tmp_path / "set.npz", x=x, y=y, x_test=x * np.float32(1e25), y_test=y)
    raw = ("--no-standardize", "--loss", "squared-error", "--quiet")
    call("train", tmp_path / "set.npz", "--epochs", 2, *raw, "--output", tmp_path / "run")
    assert read_history(tmp_path / "run")["test"]["loss"] == "inf"


def test_main_in_this_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["pycopi", "--version"])
    monkeypatch.setattr(pycopi.cli, "leave_at_once", lambda: None)  # the tests' own answer to Ctrl-C stays
    with pytest.raises(SystemExit, match=r"^0$"):
        pycopi.cli.main()
    assert capsys.readouterr().out == f"pycopi {pycopi.__version__}\n"


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


def test_a_run_prints_about_ten_lines_or_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ("train", "digits", "--hidden", 8, "--epochs", 25, "--output", "run")
    text = call(*flags)
    shown = [int(epoch) for epoch in re.findall(r"^epoch +(\d+)/25 ", text, re.M)]
    assert shown == [1, 3, 6, 9, 12, 15, 18, 21, 24, 25]
    assert re.search(r"picture +│ run/learning-curve.png ", text)
    every = call(*flags, "--overwrite", "--verbose")
    assert re.findall(r"^epoch +(\d+)/25 ", every, re.M) == [str(epoch) for epoch in range(1, 26)]


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
