"""Runs of the command that stop and go on: folders, resuming, divergence, Ctrl-C, bars and pipes."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

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
    flags = ("--hidden", "128x2", "--epochs", "6", "--output", "run")
    shown = show("train", "digits", *flags, cwd=tmp_path, columns=80)
    text = without_codes(shown)
    bar = r"epoch \d/6 ━+[╸╺]?━* loss \d\.\d{4}  accuracy [01]\.\d{4} "
    assert re.search(bar, text), text
    assert re.search(r"epoch 1/6 ━+ decorrelating  loss \d\.\d{4} ", text), text
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
    assert re.search(r"epoch [01]/2 ━+ decorrelating", without_codes(trained))
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
