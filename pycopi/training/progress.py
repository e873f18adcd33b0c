"""What a run says while it goes on."""

import sys
import time
from collections.abc import Callable
from typing import NamedTuple, TextIO

_WIDTH = 24


class Report(NamedTuple):
    """Where a run is: epoch and step, counted from 1, and means over the epoch so far.

    ``steps`` is None until the end of an epoch whose number of batches is not known, ``accuracy`` None for
    real-valued targets.
    """

    epoch: int
    epochs: int
    step: int
    steps: int | None
    loss: float
    accuracy: float | None


Reporter = Callable[[Report], object]


def describe(report: Report) -> str:
    """Return loss and accuracy of a report as a short text."""
    right = "" if report.accuracy is None else f"  accuracy {report.accuracy:.4f}"
    return f"loss {report.loss:.4f}{right}"


class ProgressLine:
    """A progress bar of one line, written to a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __call__(self, report: Report) -> None:
        """Draw the line anew; the last step of an epoch ends it."""
        steps = report.steps or report.step
        done = _WIDTH * report.step // steps
        bar = "#" * done + "." * (_WIDTH - done)
        end = "\n" if report.step == report.steps else ""
        epoch = f"epoch {report.epoch:>{len(str(report.epochs))}}/{report.epochs}"
        self.stream.write(f"\r{epoch} [{bar}] {describe(report)}{end}")
        self.stream.flush()


def choose_reporter(progress: bool | Reporter | None) -> Reporter | None:
    """Return what reports: None asks for a line, but only in a terminal; True for a line; False nothing."""
    if callable(progress):
        return progress
    if sys.stderr is None:  # a process without a terminal or a log
        return None
    shown = sys.stderr.isatty() if progress is None else progress
    return ProgressLine(sys.stderr) if shown else None


class Clock:
    """Says when the next report is due, so that reporting costs nothing in short steps."""

    def __init__(self, every: float = 0.1) -> None:
        self.every, self.last = every, 0.0

    def due(self) -> bool:
        """Return whether ``every`` seconds have passed since the last time that it was."""
        now = time.monotonic()
        if now - self.last < self.every:
            return False
        self.last = now
        return True
