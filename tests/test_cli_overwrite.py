"""A folder that holds a run: it is kept, or replaced by --overwrite when the new run has an epoch."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command import (
    FILES,
    SMALL,
    assert_error,
    call,
    interrupt,
    read_history,
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


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ("table.csv", "--target", "speceis"),
            ".*no column of the name 'speceis' among width, species; .*",
        ),
        (("nowhere.csv",), ".*nowhere.csv: there is no such file; .*"),
        (("digits", "--target", "y"), "target is 'y', but digits is no CSV file, .*"),
        (("digits", "--device", "cuda"), "--device is 'cuda', which numpy cannot use .*"),
        (("digits", "--patience", "1", "--decorrelation-fraction", "2"), ".*fraction.*"),
    ],
    ids=str,
)
def test_what_was_typed_wrong_comes_before_a_run_that_is_in_the_way(
    words: tuple[str, ...], expected: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("width,species\n1,a\n2,a\n3,b\n4,b\n", encoding="utf-8")
    assert_error(expected, "train", *words, "--output", run)


def test_overwrite_replaces_the_run_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "last-good.safetensors").write_text("of an earlier run")
    (tmp_path / "notes.txt").write_text("mine")
    output = ("--output", tmp_path, "--quiet", "--overwrite")
    assert_error(".*expected one of.*", "train", "digits", "--rule", "none", *output)
    assert (tmp_path / "last-good.safetensors").exists()
    call("train", "digits", *SMALL, *output)
    assert {path.name for path in tmp_path.iterdir()} == FILES | {"notes.txt"}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


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
