"""What ends a run of the command early: Ctrl-C, divergence, another process."""

import re
import shlex
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from command import (
    SMALL,
    assert_error,
    assert_same_parameters,
    call,
    interrupt,
    read_history,
    start,
)

import pycopi


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


FLAGS = ((), ("--resume",), ("--overwrite",))


def test_a_second_process_is_told_at_once(tmp_path: Path) -> None:
    flags = ("--hidden", "16", "--epochs", 100_000, "--verbose", "--output", "run")
    process = start("train", "digits", *flags, cwd=tmp_path)
    try:
        process.stdout.readline()
        place = re.escape(str(tmp_path / "run"))
        message = f"another run is at work in {place}; wait until it ends, or name another folder with --output"
        for flag in FLAGS:
            assert_error(message, "train", "digits", "--output", tmp_path / "run", *flag)
    finally:
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=300)
    assert error.startswith("interrupted: ")
    assert not (tmp_path / "run" / ".lock").exists()


def test_a_second_process_comes_before_there_is_anything_to_read(tmp_path: Path) -> None:
    with pycopi.Checkpoint(tmp_path / "run"):
        for flag in FLAGS:
            assert_error(
                "another run is at work in .*", "train", "nothing", "--output", tmp_path / "run", *flag
            )
    assert not (tmp_path / "run").exists()
