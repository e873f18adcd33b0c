"""What a run says while it goes on."""

import math
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, TextIO

_BAR, _LEAST_BAR = 24, 6  # columns of the bar at most, and those below which there is none
_WIDTH = 80  # columns of a terminal that does not say how many it has


class Report(NamedTuple):
    """Where a run is: epoch and step, counted from 1, and means over the epoch so far.

    ``steps`` is None until the end of an epoch whose number of batches is not known, ``accuracy`` None for
    real-valued targets. ``decorrelating`` says that only the decorrelating matrices learn in this epoch, so
    that loss and accuracy are those of weights which wait.
    """

    epoch: int
    epochs: int
    step: int
    steps: int | None
    loss: float
    accuracy: float | None
    decorrelating: bool = False


Reporter = Callable[[Report], object]


def describe(report: Report) -> str:
    """Return loss and accuracy of a report as a short text; no accuracy while the weights wait."""
    if report.decorrelating:
        return f"decorrelating  loss {write_loss(report.loss)}"
    right = "" if report.accuracy is None else f"  accuracy {report.accuracy:.4f}"
    return f"loss {write_loss(report.loss)}{right}"


def write_loss(loss: float) -> str:
    """Return a loss with four decimals, or in powers of ten where it is far from 1."""
    far = math.isfinite(loss) and loss != 0.0 and not 1e-3 <= abs(loss) < 1e6
    return f"{loss:.3e}" if far else f"{loss:.4f}"


def name_epoch(epoch: int, epochs: int) -> str:
    """Return which epoch it is as a text of the same length for each."""
    return f"epoch {epoch:>{len(str(epochs))}}/{epochs}"


class ProgressLine:
    """A line that tells how far a run is, drawn anew on a terminal or in a notebook.

    Elsewhere, such as in a file, it is a line at the end of each epoch. When its stream goes away, because
    the terminal was closed or the reader of a pipe has ended, it falls silent.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.drawn_anew = is_terminal(stream) or is_notebook(stream)
        self.shown = 0  # columns of the line that is there now
        self.gone = False

    def __call__(self, report: Report) -> None:
        """Draw the line anew; the last step of an epoch ends it."""
        last = report.step == report.steps
        if self.gone or not (last or self.drawn_anew):
            return
        text = self._drawn_over(report) if self.drawn_anew else _line(report)
        try:
            self.stream.write(f"{text}\n" if last else text)
            self.stream.flush()
        except (OSError, ValueError):  # the terminal or the reader has gone, or the stream was closed
            self.gone = True
        self.shown = 0 if last else self.shown

    def _drawn_over(self, report: Report) -> str:
        """Return what replaces the line that is there, which may be longer."""
        columns = columns_of(self.stream) - 1  # some terminals go to the next line after the last column
        text = _line(report, columns)
        rest = min(self.shown, columns) - len(text)
        self.shown = len(text)
        return f"\r{text}{' ' * rest}"


def _line(report: Report, columns: int | None = None) -> str:
    """Return a report as a line; one of so many columns has a bar, and less where there is less room."""
    steps = "" if report.steps else f" step {report.step}"
    parts = [name_epoch(report.epoch, report.epochs) + steps, *describe(report).split("  ")]
    if columns is None:
        return "  ".join(parts)
    width = min(_BAR, columns - len("  ".join([*parts, "["])))
    if report.steps and width >= _LEAST_BAR:
        done = width * report.step // report.steps
        parts[:2] = [f"{parts[0]} [{'#' * done}{'.' * (width - done)}] {parts[1]}"]
    return fitting("  ".join(parts), columns)[:columns]


def fitting(text: str, columns: int) -> str:
    """Return as many parts of a text, with two spaces between, as fit; at least the first."""
    while len(text) > columns and "  " in text:
        text = text.rpartition("  ")[0]
    return text


def is_terminal(stream: Any) -> bool:
    """Return whether a stream is a terminal; one that is closed, or has no answer, is none."""
    try:
        return bool(stream.isatty())
    except (AttributeError, OSError, ValueError):
        return False


def is_notebook(stream: Any) -> bool:
    """Return whether a stream goes to a Jupyter notebook, where a line can be drawn anew as on a terminal."""
    return any(kind.__module__.partition(".")[0] == "ipykernel" for kind in type(stream).__mro__)


def columns_of(stream: Any) -> int:
    """Return the width of a terminal: COLUMNS if it is set, else that of the stream, else 80."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH
    except (AttributeError, OSError, ValueError):
        return _WIDTH


def choose_reporter(progress: bool | Reporter | None) -> Reporter | None:
    """Return what reports: a line if ``progress`` is True, or None and there is a terminal or a notebook."""
    if callable(progress):
        return progress
    stream = sys.stderr  # None in a process without a terminal or a log
    if stream is None or progress is False:
        return None
    return ProgressLine(stream) if progress or is_terminal(stream) or is_notebook(stream) else None
