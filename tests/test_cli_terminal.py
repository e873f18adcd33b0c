"""Progress in terminals of any width, in pipes and without streams."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from command import (
    FILES,
    SMALL,
    show,
    start,
    without_codes,
)

import pycopi


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


@pytest.mark.parametrize("columns", [40, 120])
def test_nothing_is_wider_than_the_terminal(columns: int, run: Path, tmp_path: Path) -> None:
    """A line that is too long would be cut within a word, and a bar could not be drawn over."""
    trained = show("train", "digits", "--epochs", "2", "--output", "run", cwd=tmp_path, columns=columns)
    plan = ("reproduce", "digits", "--methods", "copi-bp", "--seeds", "1", "--epochs", "2", "--output", "p")
    reproduced = show(*plan, cwd=tmp_path, columns=columns).partition("report: ")[0]
    for text in map(without_codes, (trained, reproduced, show("info", cwd=tmp_path, columns=columns))):
        assert max(map(len, re.split(r"[\r\n]+", text))) <= columns, text
    assert re.search(r"epoch [01]/2 (━*[╸╺]?━*)? decorrelating", without_codes(trained))
    assert "decorrelating" in without_codes(reproduced)


@pytest.mark.parametrize(("columns", "seconds"), [(60, ""), (120, r"  \d+\.\d\d s")])
def test_an_epoch_is_one_line_with_what_fits(columns: int, seconds: str, tmp_path: Path) -> None:
    flags = ("--hidden", "16", "--epochs", "10", "--output", "run")
    text = without_codes(show("train", "digits", *flags, cwd=tmp_path, columns=columns))
    result = r"loss \d\.\d{4}( \d+\.\d%)?  test loss \d\.\d{4}( \d+\.\d%)?"
    lines = [line for line in re.split(r"[\r\n]+", text) if "test loss" in line and "│" not in line]
    assert len(lines) == 10
    assert not re.search(r"[\r\n]+ +\d", text), text  # the rest of a line
    for line in lines:
        assert re.fullmatch(rf"epoch [ \d]\d/10  (decorrelating  )?{result}{seconds} *", line), line


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
