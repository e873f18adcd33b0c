"""The command: what it prints, what it leaves behind, how it stops and goes on, and its errors."""

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from backends import BACKENDS, REQUIRED, Backend
from typer.testing import CliRunner

import pycopi
import pycopi.cli
from pycopi.cli import backends
from pycopi.cli.app import app, describe
from pycopi.cli.flags import read_hidden
from pycopi.cli.plan import new_plan

SMALL = ("--hidden", "16", "--epochs", "3")
FILES = {"model.safetensors", "history.json", "learning-curve.png"}
COMMAND = (sys.executable, "-W", "error", "-c", "from pycopi.cli import main; main()")


def call(*arguments: object, status: int = 0, env: Mapping[str, str] | None = None) -> str:
    """Return what the command prints; raise unless it ends with the status."""
    result = CliRunner().invoke(app, list(map(str, arguments)), env=env, prog_name="pycopi")
    assert result.exit_code == status, (result.output, result.exception)
    return result.output


def assert_error(expected: str, *arguments: object) -> None:
    """Raise unless the command fails with one line that matches the whole expression."""
    output = call(*arguments, status=2)
    assert re.fullmatch(f"error: {expected}\n", output), output


def start(*arguments: object, cwd: Path, **keywords: Any) -> subprocess.Popen[str]:
    """Start the command in a process of its own, in which warnings are errors."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **keywords}
    return subprocess.Popen([*COMMAND, *map(str, arguments)], cwd=cwd, text=True, **pipes)


def assert_same_parameters(one: Path, other: Path) -> None:
    """Raise unless two model files hold bit-identical parameters."""
    pairs = [pycopi.load(path).parameters for path in (one, other)]
    for index, (left, right) in enumerate(zip(*pairs, strict=True), 1):
        for name, a, b in zip(left._fields, left, right, strict=True):
            same = (a is None and b is None) or np.array_equal(a, b)
            assert same, f"{name} of layer {index} differs"


def read_history(folder: Path) -> dict[str, Any]:
    """Return the history file, without the times and the number of epochs."""
    content = json.loads((folder / "history.json").read_text())
    for record in content["history"]:
        assert record.pop("seconds") > 0
    del content["settings"]["epochs"]
    return content


def save_set(path: Path, *, test: bool = True, **arrays: np.ndarray) -> Path:
    """Write a small data set of the user's own."""
    x = np.random.default_rng(1).normal(size=(60, 4))
    given = {"x": x, "y": x @ np.ones((4, 2)), **arrays}
    if test:
        given |= {f"{name}_test": values[:20] for name, values in given.items()}
    np.savez(path, **given)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run on the digits, which is only read."""
    folder = tmp_path_factory.mktemp("runs") / "deep" / "digits"
    call("train", "digits", *SMALL, "--output", folder, "--quiet")
    return folder


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
    text = call("train", "--help", env={"COLUMNS": "100", "TERMINAL_WIDTH": "100"})
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
        r"epoch 1/3  loss 0\.\d{4} \d+\.\d%  test loss 0\.\d{4} \d+\.\d%  \d+\.\d\d s  decorrelating",
        lines[0],
    )
    assert lines[2].startswith("epoch 3/3")
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
    assert saved.parameters[0].feedback is not None
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


def test_presets_of_named_sets() -> None:
    from pycopi.cli.plan import new_plan

    digits, mnist, cifar10 = (new_plan(name, {}) for name in ("digits", "mnist", "cifar10"))
    assert digits.hidden == (128, 128)
    assert (mnist.hidden, mnist.batch_size, mnist.epochs) == ((500,) * 6, 50, 20)
    assert (cifar10.hidden, cifar10.gain, cifar10.rate) == ((1000,) * 4, 1000.0, 1e-3)
    assert mnist.settings == pycopi.Settings()


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
    no_test = r"two has no test arrays .*; add them to the file, or evaluate with --split train"
    assert_error(no_test, "evaluate", tmp_path / "run", path)
    no_loss = r"--patience watches the test loss, but .*two.npz has no x_test and y_test; .*"
    assert_error(no_loss, "train", path, "--patience", 2, "--output", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_folder_that_holds_a_run(run: Path) -> None:
    expected = (
        r".*digits holds a run already \(model.safetensors, history.json, learning-curve.png\); "
        r"go on with --resume, replace it with --overwrite, or name another folder with --output"
    )
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    assert_error(expected, "train", "digits", "--output", run)
    assert before == {path.name: path.read_bytes() for path in run.iterdir()}


def test_overwrite_replaces_the_run_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "last-good.safetensors").write_text("of an earlier run")
    (tmp_path / "notes.txt").write_text("mine")
    output = ("--output", tmp_path, "--quiet", "--overwrite")
    assert_error(".*expected one of.*", "train", "digits", "--rule", "none", *output)
    assert (tmp_path / "last-good.safetensors").exists()
    call("train", "digits", *SMALL, *output)
    assert {path.name for path in tmp_path.iterdir()} == FILES | {"notes.txt"}


@pytest.mark.parametrize("credit", ["backpropagation", "feedback_alignment"])
def test_resume_is_exact(tmp_path: Path, credit: str) -> None:
    flags = ("train", "digits", "--hidden", 16, "--credit", credit, "--quiet", "--output")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    call(*flags, whole, "--epochs", 4)
    call(*flags, parts, "--epochs", 2)
    call(*flags, parts, "--epochs", 4, "--resume")
    assert_same_parameters(whole / "model.safetensors", parts / "model.safetensors")
    assert read_history(whole) == read_history(parts)
    call("train", "digits", "--resume", "--output", parts)  # a complete run ends at once
    assert read_history(whole) == read_history(parts)


def test_resume_stops_where_patience_has_ended_the_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    noise = {f"x{end}": rng.normal(size=(60, 8)) for end in ("", "_test")}
    noise |= {f"y{end}": rng.normal(size=60) for end in ("", "_test")}
    np.savez(tmp_path / "noise.npz", **noise)
    train = ("train", tmp_path / "noise.npz", "--output", tmp_path)
    text = call(*train, "--epochs", 60, "--patience", 1)
    assert "its loss ended the run (--patience)" in " ".join(text.replace("│", "").split())
    before = read_history(tmp_path)
    assert len(before["history"]) < 60
    call(*train, "--resume", "--quiet")
    assert read_history(tmp_path) == before


def test_resume_refuses_other_settings(run: Path, tmp_path: Path) -> None:
    resume = ("train", "digits", "--resume", "--output", run)
    end = "; leave the flag out, or start anew with --overwrite"
    assert_error(f"--rule is gradient but the run in .* has copi{end}", *resume, "--rule", "gradient")
    assert_error(f"--hidden is none but the run in .* has 16{end}", *resume, "--hidden", "none")
    assert_error(f"--patience is 3 but the run in .* has not set{end}", *resume, "--patience", 3)
    assert_error(f"--bias is on but the run in .* has off{end}", *resume, "--bias")
    assert_error("--epochs is 2 but the run in .* has 3 epochs already; .*", *resume, "--epochs", 2)
    other = ("train", "mnist", "--resume", "--output", run)
    assert_error(".* holds a run on digits; expected digits to resume it with, got mnist", *other)
    assert_error("--resume and --overwrite exclude each other; .*", *resume, "--overwrite")
    nothing = ("train", "digits", "--resume", "--output", tmp_path)
    assert_error(".* holds no run to resume .*; leave --resume out to start one", *nothing)


def test_resume_refuses_other_data_and_other_models(run: Path, tmp_path: Path) -> None:
    path = save_set(tmp_path / "set.npz")
    resume = ("train", path, "--resume", "--output", tmp_path / "run")
    call("train", path, "--epochs", 1, "--output", tmp_path / "run", "--quiet")
    x = np.ones((30, 4))
    save_set(path, x=x, y=x)
    assert_error(".*set.npz has 30 training samples but the run was on 60; .*", *resume)
    saved = pycopi.load(run / "model.safetensors")
    model = tmp_path / "run" / "model.safetensors"
    pycopi.save(model, saved.network, saved.parameters)
    assert_error(".* this model was not made by pycopi train, .*", *resume)
    for details in ({"settings": {"later": 1}, "history": []}, {"settings": {}, "history": [1]}):
        pycopi.save(model, saved.network, saved.parameters, details=details)
        assert_error(".* the run in this file cannot be read .*; start anew .*", *resume)
    model.write_bytes((run / "model.safetensors").read_bytes()[:-100])
    assert_error(".* not a whole safetensors file .*", *resume)


def test_divergence_keeps_the_last_good_parameters(tmp_path: Path) -> None:
    text = call("train", "digits", "--gain", 1e9, "--quiet", "--output", tmp_path / "run", status=2)
    assert re.fullmatch(
        r"error: training diverged in layer \d, epoch 2, step \d+: .*; lower the gain or the rates, or let .*; "
        r"the last good parameters are in .*/run/last-good.safetensors\n",
        text,
    )
    last, complete = (pycopi.load(tmp_path / "run" / f"{n}.safetensors") for n in ("last-good", "model"))
    assert len(complete.details["history"]) == 1
    for saved in (last, complete):
        assert all(np.all(np.isfinite(own.weight)) for own in saved.parameters)
    assert "accuracy" in call("evaluate", tmp_path / "run" / "last-good.safetensors", "digits")


def test_ctrl_c_and_resume_are_as_if_nothing_had_happened(tmp_path: Path) -> None:
    flags = ("train", "digits", "--hidden", "128x3", "--epochs", 60, "--output")
    process = start(*flags, "cut short", cwd=tmp_path)
    for _ in range(2):
        process.stdout.readline()
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    found = re.fullmatch(
        r"interrupted: (\d+) of 60 epochs are saved in cut short; go on with: pycopi (.*)\n", error
    )
    assert found, error
    assert 2 <= int(found[1]) < 60
    saved = pycopi.load(tmp_path / "cut short" / "model.safetensors")
    assert len(saved.details["history"]) == int(found[1])
    process = start(*shlex.split(found[2]), cwd=tmp_path)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")
    assert output.startswith(f"epoch {int(found[1]) + 1:>2}/60")
    call(*flags, tmp_path / "whole", "--quiet")
    paths = [tmp_path / name for name in ("cut short", "whole")]
    assert_same_parameters(*(path / "model.safetensors" for path in paths))
    assert read_history(paths[0]) == read_history(paths[1])


def interrupt(*_: object, **__: object) -> None:
    """Stand in for a function during which Ctrl-C is pressed."""
    raise KeyboardInterrupt


def test_ctrl_c_outside_the_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("pycopi.cli.job.open_data", interrupt)
        assert call("train", "digits", "--output", tmp_path / "a", status=130) == "interrupted\n"
    monkeypatch.setattr("pycopi.plotting.learning_curve", interrupt)
    output = ("--output", tmp_path / "b", "--data-dir", "here", "--quiet")
    text = call("train", "digits", *SMALL, *output, status=130)
    assert text.startswith("interrupted: 3 of 3 epochs are saved in ")
    assert text.endswith("b --data-dir here\n")


def test_ctrl_c_while_an_epoch_is_being_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("pycopi.cli.progress.describe_epoch", interrupt)
        text = call("train", "digits", *SMALL, "--output", tmp_path, status=130)
    assert text.startswith("interrupted: 1 of 3 epochs are saved in ")
    assert len(read_history(tmp_path)["history"]) == 1


def test_live_bar_in_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    flags = ("--hidden", "128x2", "--epochs", "6", "--output", "run")
    process = start("train", "digits", *flags, cwd=tmp_path, stdout=theirs, env=env)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    bar = r"epoch \d/6 ━+[╸╺]?━* loss \d\.\d{4}  accuracy [01]\.\d{4} "
    assert re.search(bar, text), text
    for epoch in range(1, 7):
        assert len(re.findall(rf"epoch {epoch}/6  loss [^\r\n]* s", text)) == 1
    assert "training time" in text
    assert "\x1b[?25h" in shown.decode()  # the cursor is back


def test_bar_of_a_regression_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from pycopi.cli.progress import show_progress
    from pycopi.training.progress import Report

    monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda: True))
    with (tmp_path / "shown").open("w", encoding="utf-8") as file:
        console = Console(file=file, force_terminal=True, width=80)
        record = pycopi.EpochRecord(1, 0.5, None, 0.25, None, (0.1,), 1e-3, 1e-3, 4, 0.1)
        for history in ((record,), (record._replace(validation_loss=None),)):
            with show_progress(console, 3, history, quiet=False) as shown:
                shown.during(Report(2, 3, 2, None, 0.125, None))
                shown.after(pycopi.TrainingState((), history))
    text = (tmp_path / "shown").read_text(encoding="utf-8")
    assert "loss 0.1250" in text
    assert "epoch 1/3  loss 0.5000  test loss 0.2500" in text
    assert "accuracy" not in text


def test_not_a_terminal_no_escape_codes_and_broken_pipe(tmp_path: Path) -> None:
    process = start("train", "digits", *SMALL, "--output", "run", cwd=tmp_path)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")
    assert "\x1b" not in output
    reading, writing = os.pipe()
    os.close(reading)
    process = start("info", cwd=tmp_path, stdout=writing)
    os.close(writing)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (1, "")


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
    if not backend.installed:
        if backend.library in REQUIRED:
            pytest.fail(f"PYCOPI_TEST_BACKENDS names {backend.library}, which is not installed")
        pytest.skip(f"{backend.library} is not installed")
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
    assert_error("big: the largest class number is 1000000000 but there are 60 .*", "train", labels)
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


def test_help_shows_values_only_where_they_are_taken() -> None:
    for command in ("train", "evaluate", "info"):
        text = call(command, "--help", env={"COLUMNS": "120", "TERMINAL_WIDTH": "120"})
        assert not re.search(r"<\w+>|BOOLEAN", text), text
    assert re.search(r"--epsilon +FLOAT", call("train", "--help", env={"TERMINAL_WIDTH": "120"}))


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


def test_a_test_loss_that_overflows_is_null(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    y = np.arange(30) % 3
    np.savez(tmp_path / "set.npz", x=x, y=y, x_test=x * np.float32(1e25), y_test=y)
    call("train", tmp_path / "set.npz", "--epochs", 2, "--quiet", "--output", tmp_path / "run")
    assert read_history(tmp_path / "run")["test"]["loss"] is None


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_stream_is_no_error(closed: str, tmp_path: Path) -> None:
    code = f"import sys; sys.{closed} = None; from pycopi.cli import main; sys.argv[0] = 'pycopi'; main()"
    command = [
        sys.executable,
        "-c",
        code,
        "train",
        "digits",
        *map(str, SMALL),
        "--output",
        str(tmp_path / "run"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES


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


def test_main_in_this_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["pycopi", "--version"])
    with pytest.raises(SystemExit, match=r"^0$"):
        pycopi.cli.main()
    assert capsys.readouterr().out == f"pycopi {pycopi.__version__}\n"


def test_start_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, pycopi.cli\n"
        "assert 'typer' not in sys.modules\n"
        "import pycopi.cli.app\n"
        "heavy = {'matplotlib', 'torch', 'jax', 'cupy', 'pooch', 'safetensors'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)
