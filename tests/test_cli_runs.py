"""Runs of the command that stop and go on: folders, resuming, divergence, Ctrl-C, bars and pipes."""

import errno
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command import (
    FILES,
    SMALL,
    assert_error,
    assert_same_parameters,
    call,
    read_history,
    save_set,
    show,
    start,
    without_codes,
)

import pycopi


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
    assert call(*train, "--resume").partition("┌")[2] == text.partition("┌")[2]
    assert read_history(tmp_path) == before
    (tmp_path / "best.safetensors").unlink()
    call(*train, "--resume", "--quiet")  # as a run of an older version
    assert read_history(tmp_path) == before


def test_patience_keeps_the_best_model_through_a_resumption(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x, t = (rng.normal(size=(60, 8)).astype("f4") for _ in range(2))
    weights = rng.normal(size=8) / 3
    y = x @ weights + rng.normal(size=60)
    path = save_set(tmp_path / "noise.npz", x=x, y=y, x_test=t, y_test=t @ weights)
    flags = ("train", path, "--patience", 3, "--rate", 0.01, "--batch-size", 20)
    call(*flags, "--quiet", "--output", tmp_path / "whole", "--epochs", 30)
    losses = [record["validation_loss"] for record in read_history(tmp_path / "whole")["history"]]
    best = 1 + losses.index(min(losses[1:]))
    assert 2 < best < len(losses) < 30
    for epochs, going_on in ((2, ()), (best + 1, ("--resume",)), (30, ("--resume",))):
        call(*flags, "--quiet", "--output", tmp_path / "parts", "--epochs", epochs, *going_on)
    for name in ("model", "best"):
        assert_same_parameters(*(tmp_path / place / f"{name}.safetensors" for place in ("whole", "parts")))
    found = json.loads(call("evaluate", tmp_path / "parts", path, "--json"))
    assert found["loss"] == pytest.approx(losses[best - 1], rel=1e-6)


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
    wrong = {
        ".* a model without the history of a run, .*": {},
        ".* this model was not made by pycopi train, .*": {"history": []},
        r".* the run in this file cannot be read \(its settings .*\); start anew .*": {
            "settings": {"later": 1},
            "history": [],
        },
        r".* the history in this file cannot be read \(expected the fields of EpochRecord .*\); start .*": {
            "settings": {},
            "history": [1],
        },
    }
    for message, details in wrong.items():
        pycopi.save(model, saved.network, saved.parameters, details=details)
        assert_error(message, *resume)
    model.write_bytes((run / "model.safetensors").read_bytes()[:-100])
    assert_error(".* not a whole safetensors file .*", *resume)


def test_divergence_keeps_the_last_good_parameters(tmp_path: Path) -> None:
    text = call("train", "digits", "--gain", 1e9, "--quiet", "--output", tmp_path / "run", status=2)
    assert re.fullmatch(
        r"error: training diverged in layer \d, epoch 2, step \d+: .*; "
        r"the last good parameters are in .*/run/last-good.safetensors\n",
        text,
    )
    last, complete = (pycopi.load(tmp_path / "run" / f"{n}.safetensors") for n in ("last-good", "model"))
    assert len(complete.details["history"]) == 1
    for saved in (last, complete):
        assert all(np.all(np.isfinite(own.weight)) for own in saved.parameters)
    assert "accuracy" in call("evaluate", tmp_path / "run" / "last-good.safetensors", "digits")


def test_ctrl_c_and_resume_are_as_if_nothing_had_happened(tmp_path: Path) -> None:
    flags = ("train", "digits", "--hidden", "128x3", "--epochs", 12, "--verbose", "--output")
    process = start(*flags, "cut short", cwd=tmp_path)
    for _ in range(2):
        process.stdout.readline()
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 130
    found = re.fullmatch(
        r"interrupted: (\d+) of 12 epochs are saved in cut short; go on with: pycopi (.*)\n", error
    )
    assert found, error
    assert 2 <= int(found[1]) < 12
    saved = pycopi.load(tmp_path / "cut short" / "model.safetensors")
    assert len(saved.details["history"]) == int(found[1])
    process = start(*shlex.split(found[2]), "--verbose", cwd=tmp_path)
    output, error = process.communicate(timeout=300)
    assert (process.returncode, error) == (0, "")
    assert output.startswith(f"epoch {int(found[1]) + 1:>2}/12")
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


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("flag", [(), ("--resume",), ("--overwrite",)], ids=str)
def test_a_second_process_is_told_at_once(flag: tuple[str, ...], tmp_path: Path) -> None:
    process = start("train", "digits", "--hidden", "128x3", "--epochs", 100, "--output", "run", cwd=tmp_path)
    try:
        process.stdout.readline()
        place = re.escape(str(tmp_path / "run"))
        message = f"another run is at work in {place}; wait until it ends, or name another folder with --output"
        assert_error(message, "train", "digits", "--output", tmp_path / "run", *flag)
    finally:
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=300)
    assert error.startswith("interrupted: ")
    assert not (tmp_path / "run" / ".lock").exists()


def test_a_second_process_comes_before_there_is_anything_to_read(tmp_path: Path) -> None:
    with pycopi.Checkpoint(tmp_path / "run"):
        for flag in ((), ("--resume",), ("--overwrite",)):
            assert_error(
                "another run is at work in .*", "train", "nothing", "--output", tmp_path / "run", *flag
            )
    assert not (tmp_path / "run").exists()


@pytest.fixture
def old(run: Path, tmp_path: Path) -> Path:
    """A copy of a run, with a file of last good parameters, that a test may put at risk."""
    folder = tmp_path / "old"
    shutil.copytree(run, folder)
    shutil.copy(folder / "model.safetensors", folder / "last-good.safetensors")
    return folder


def assert_whole(folder: Path, before: dict[str, bytes]) -> None:
    """Raise unless a run is as it was, and can go on."""
    assert contents(folder) == before
    call("train", "digits", "--resume", "--epochs", 4, "--quiet", "--output", folder)
    assert len(read_history(folder)["history"]) == 4


def fill_the_disk(*_: object, **__: object) -> None:
    """Stand in for what writes a file."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_overwriting_with_a_run_that_diverges_at_once_costs_nothing(old: Path) -> None:
    before = contents(old)
    wild = ("--gain", 1e9, "--decorrelation-epochs", 0, "--quiet")
    message = r"training diverged in layer \d, epoch 1, .*; .*/old still holds the run from before"
    assert_error(message, "train", "digits", *wild, "--overwrite", "--output", old)
    assert_whole(old, before)


def test_overwriting_on_a_full_disk_costs_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(old)
    with monkeypatch.context() as patch:
        patch.setattr("pycopi.storage.write_tensors", fill_the_disk)
        message = r".*/old/model.safetensors: the file cannot be written .*"
        assert_error(message, "train", "digits", "--overwrite", "--quiet", "--output", old)
    assert_whole(old, before)


def interrupt_training(network: pycopi.Network, parameters: Any, *_: object, **__: object) -> None:
    """Stand in for fit while Ctrl-C is pressed in the first epoch."""
    raise pycopi.TrainingInterrupted(pycopi.State(parameters))


def test_ctrl_c_in_the_first_epoch_of_overwriting_costs_nothing(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(old)
    with monkeypatch.context() as patch:
        patch.setattr("pycopi.cli.job.fit", interrupt_training)
        text = call("train", "digits", "--overwrite", "--quiet", "--output", old, status=130)
    assert text == f"interrupted: no epoch is complete yet, so {old} still holds the run from before\n"
    assert_whole(old, before)


KILLED = """
import os, signal, sys
from pycopi.cli import job, main
job.fit = lambda *arguments, **keywords: os.kill(os.getpid(), signal.SIGKILL)
sys.argv[1:] = ["train", "digits", "--overwrite", "--output", sys.argv[1]]
main()
"""


def test_a_kill_in_the_first_epoch_of_overwriting_costs_nothing(old: Path) -> None:
    before = contents(old)
    process = subprocess.run([sys.executable, "-c", KILLED, str(old)], check=False)
    assert process.returncode == -signal.SIGKILL
    (old / ".lock").unlink(missing_ok=True)  # it locks nothing any more
    assert_whole(old, before)


def test_overwriting_is_done_with_the_first_epoch(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pycopi.cli.progress.describe_epoch", interrupt)
    flags = ("--hidden", 8, "--epochs", 3, "--overwrite", "--output", old)
    text = call("train", "digits", *flags, status=130)
    assert text.startswith("interrupted: 1 of 3 epochs are saved in ")
    assert set(contents(old)) == {"model.safetensors", "history.json"}
    assert read_history(old)["settings"]["hidden"] == [8]


@pytest.mark.parametrize("name", ["x", "y", "x_test", "y_test"])
def test_resume_refuses_other_data_of_the_same_shape(name: str, tmp_path: Path) -> None:
    path, folder = save_set(tmp_path / "set.npz"), tmp_path / "run"
    call("train", path, "--epochs", 1, "--output", folder, "--quiet")
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, name: arrays[name] + np.eye(*arrays[name].shape)})
    array = name if "test" in name else f"{name}_train"
    message = (
        f"{path} is not what the run in {folder} was trained on: {array} has other values; "
        f"resume it with the same data, or start anew with --overwrite"
    )
    resume = ("train", path, "--resume", "--epochs", 2, "--output", folder, "--quiet")
    assert_error(re.escape(message), *resume)
    np.savez(path, **arrays)
    call(*resume)
    assert len(read_history(folder)["history"]) == 2


def rewrite_details(folder: Path, **changes: object) -> None:
    """Change the details of the model of a run."""
    network, parameters, details = pycopi.load(folder / "model.safetensors")
    pycopi.save(folder / "model.safetensors", network, parameters, details={**details, **changes})


def test_a_run_of_an_older_version_has_no_fingerprint_and_goes_on(old: Path) -> None:
    rewrite_details(old, fingerprint=None)
    resume = ("train", "digits", "--resume", "--quiet", "--output", old)
    call(*resume, "--epochs", 4)
    assert (
        pycopi.load(old / "model.safetensors").details["fingerprint"]["x_train"].startswith("float32 (1437, ")
    )
    assert len(read_history(old)["history"]) == 4


RAW = ("--no-standardize", "--loss", "squared-error", "--quiet")
"""Flags with which nothing is done about values that are far out."""


@pytest.fixture
def spike(tmp_path: Path) -> Path:
    """A data set with one value in the test set at which the loss overflows."""
    rng = np.random.default_rng(0)
    x, y = rng.random((400, 6), "f4"), rng.integers(0, 3, 400)
    test = x[:60].copy()
    test[7, 3] = 1e30
    np.savez(tmp_path / "spike.npz", x=x, y=y, x_test=test, y_test=y[:60])
    return tmp_path / "spike.npz"


@pytest.mark.parametrize("saved", ["now", "by an older version"])
def test_a_run_whose_test_loss_was_infinite_goes_on(saved: str, spike: Path) -> None:
    folder = spike.with_name("run")
    train = ("train", spike, "--patience", 2, *RAW, "--output")
    call(*train, folder, "--epochs", 3)
    losses = [record["validation_loss"] for record in read_history(folder)["history"]]
    assert losses == ["inf"] * 3
    if saved != "now":
        history = pycopi.load(folder / "model.safetensors").details["history"]
        null = {"validation_loss": None, "validation_accuracy": None}  # of a regression: it has no accuracy
        rewrite_details(folder, history=[{**record, **null} for record in history])
    call("train", spike, "--resume", "--epochs", 9, "--quiet", "--output", folder)
    whole = spike.with_name("whole")
    call(*train, whole, "--epochs", 9)
    assert_same_parameters(folder / "model.safetensors", whole / "model.safetensors")
    assert len(read_history(folder)["history"]) == len(read_history(whole)["history"])


def test_evaluate_says_inf_in_json(spike: Path) -> None:
    folder = spike.with_name("run")
    call("train", spike, "--epochs", 1, *RAW, "--output", folder)
    text = call("evaluate", folder, spike, "--json")
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["loss"] == "inf"
    assert call("evaluate", folder, spike).startswith("loss      inf\n")


def test_live_bar_in_a_terminal(tmp_path: Path) -> None:
    flags = ("--hidden", "128x2", "--epochs", "6", "--output", "run")
    shown = show("train", "digits", *flags, cwd=tmp_path, columns=80)
    text = without_codes(shown)
    bar = r"epoch \d/6 ━+[╸╺]?━* loss \d\.\d{4}  accuracy [01]\.\d{4} "
    assert re.search(bar, text), text
    assert re.search(r"epoch 1/6 ━*[╸╺]?━* decorrelating  loss \d\.\d{4} ", text), text
    assert len(re.findall(r"epoch 1/6  decorrelating  loss [^\r\n]* s", text)) == 1
    for epoch in range(2, 7):
        assert len(re.findall(rf"epoch {epoch}/6  loss [^\r\n]* s", text)) == 1
    assert "training time" in text
    assert "\x1b[?25h" in shown  # the cursor is back


@pytest.mark.parametrize("columns", [60, 40, 120])
def test_nothing_is_wider_than_the_terminal(columns: int, run: Path, tmp_path: Path) -> None:
    """A line that is too long would be cut within a word, and a bar could not be drawn over."""
    trained = show("train", "digits", "--epochs", "2", "--output", "run", cwd=tmp_path, columns=columns)
    plan = ("reproduce", "digits", "--methods", "copi-bp", "--seeds", "1", "--epochs", "2", "--output", "p")
    reproduced = show(*plan, cwd=tmp_path, columns=columns).partition("report: ")[0]
    for text in map(without_codes, (trained, reproduced, show("info", cwd=tmp_path, columns=columns))):
        assert max(map(len, re.split(r"[\r\n]+", text))) <= columns, text
    assert re.search(r"epoch [01]/2 (━*[╸╺]?━*)? decorrelating", without_codes(trained))
    assert "decorrelating" in without_codes(reproduced)


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
                shown[0](Report(2, 3, 2, None, 0.125, None))
                shown[1](pycopi.State((), history=history))
    text = (tmp_path / "shown").read_text(encoding="utf-8")
    assert "loss 0.1250" in text
    assert "epoch 1/3  loss 0.5000  test loss 0.2500" in text
    assert "accuracy" not in text


def test_not_a_terminal_no_escape_codes_and_broken_pipe(tmp_path: Path) -> None:
    process = start("train", "digits", *SMALL, "--output", "run", cwd=tmp_path)
    output, error = process.communicate(timeout=300)
    assert (process.returncode, error) == (0, "")
    assert "\x1b" not in output
    reading, writing = os.pipe()
    os.close(reading)
    process = start("info", cwd=tmp_path, stdout=writing)
    os.close(writing)
    _, error = process.communicate(timeout=300)
    assert (process.returncode, error) == (0, "")


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
