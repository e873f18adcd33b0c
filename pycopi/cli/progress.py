"""What a run shows: some lines, in a terminal above a live bar, and a short table at its end."""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pycopi.cli.folder import PICTURE
from pycopi.state import EpochRecord, State
from pycopi.training.progress import (
    Report,
    Reporter,
    describe,
    fitting,
    is_terminal,
    name_epoch,
    write_loss,
)

Shown = tuple[Reporter | Literal[False], Callable[[State], None]]
"""What `pycopi.fit` is to call: during an epoch, and after it."""


def is_live(console: Console) -> bool:
    """Return whether a line can be drawn anew."""
    return is_terminal(sys.stdout) and not console.is_dumb_terminal


@contextmanager
def show_progress(
    console: Console, epochs: int, history: tuple[EpochRecord, ...], *, quiet: bool, verbose: bool = False
) -> Iterator[Shown]:
    """Show the progress of a run until the block ends: about ten lines, or one an epoch if ``verbose``."""

    live = is_live(console)

    def after(state: State) -> None:
        if verbose or has_a_line(state.history[-1].epoch, epochs):
            print_line(console, describe_epoch(state.history[-1], epochs), live=live, spare=1)

    if quiet:
        yield False, lambda state: None
    elif live:
        with _live_bar(console, epochs, history) as during:
            yield during, after
    else:
        yield False, after


@contextmanager
def _live_bar(console: Console, epochs: int, history: tuple[EpochRecord, ...]) -> Iterator[Reporter]:
    bar = 12 if console.width >= _WIDE else 4
    columns = (TextColumn("{task.description}"), BarColumn(bar), TextColumn("{task.fields[means]}"))
    with Progress(*columns, TimeRemainingColumn(compact=True), console=console) as progress:
        text = name_epoch(len(history), epochs)
        task = progress.add_task(text, total=epochs, completed=len(history), means="")

        def during(report: Report) -> None:
            done = report.epoch - 1 + report.step / (report.steps or report.step)
            text = name_epoch(report.epoch, report.epochs)
            means = fitting(describe(report), console.width - len(f"{text} {bar * ' '} {_TIME}"))
            progress.update(task, description=text, completed=done, means=means)

        yield during


def has_a_line(epoch: int, epochs: int) -> bool:
    """Return whether an epoch is among the about ten that are shown: the first, the last, some between."""
    return epoch in (1, epochs) or epoch % -(-epochs // 10) == 0


_WIDE = 70  # columns from which on the bar is long
_TIME = " 00:00"  # that is left


def print_line(console: Console, text: str, *, live: bool, spare: int = 0) -> None:
    """Print parts with two spaces between: one line in a file, as many as they need in a live terminal.

    ``spare`` of the last parts are left out there, one by one, if the line is too long with them.
    """
    if not live:
        print(text, flush=True)
        return
    first, *parts = text.split("  ")
    while spare and len("  ".join([first, *parts])) > console.width:
        parts, spare = parts[:-1], spare - 1
    lines = [first]
    for part in parts:
        if len(longer := f"{lines[-1]}  {part}") > console.width:
            lines.append(f"  {part}")
        else:
            lines[-1] = longer
    console.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)


def describe_epoch(record: EpochRecord, epochs: int) -> str:
    """Return what an epoch came to as one line of at most 80 columns: loss and share of right answers.

    While only the decorrelating matrices learn, shares are left out: those of weights that wait mean nothing.
    """
    waiting = record.weight_rate == 0 and record.decorrelation_rate > 0
    parts = [name_epoch(record.epoch, epochs), *(["decorrelating"] if waiting else [])]
    parts.append(_result("loss", record.loss, None if waiting else record.accuracy))
    if record.validation_loss is not None:
        share = None if waiting else record.validation_accuracy
        parts.append(_result("test loss", record.validation_loss, share))
    return "  ".join([*parts, f"{record.seconds:.2f} s"])


def _result(name: str, loss: float, accuracy: float | None) -> str:
    share = "" if accuracy is None else f" {accuracy:.1%}"
    return f"{name} {write_loss(loss)}{share}"


def print_table(console: Console, rows: Sequence[tuple[str, str]]) -> None:
    """Print names and values in two columns; long values are folded, never cut."""
    table = Table(show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        known = value.encode(console.encoding, "backslashreplace").decode(console.encoding)
        table.add_row(Text(name), Text(known))  # escapes have their places in the table, too
    console.print(table)


def summary_rows(
    state: State,
    folder: Path,
    files: Sequence[str],
    *,
    selected: bool,
) -> list[tuple[str, str]]:
    """Return what a run came to, as rows for `print_table`.

    ``selected`` says that the test loss has decided when the run ended. Results are those of the epoch that the
    parameters of the state are from.
    """
    history = state.history
    last, seconds = history[-1], sum(record.seconds for record in history)
    kept = history[(state.selected or len(history)) - 1]
    measured = [
        ("test accuracy", kept.validation_accuracy, ".2%"),
        ("test loss", kept.validation_loss, ".4f"),
        ("training accuracy", kept.accuracy, ".2%"),
        ("training loss", kept.loss, ".4f"),
    ]
    best = "" if kept is last else f"; the results are those of epoch {kept.epoch}, the best"
    floor = f" (floor {last.correlation_floor:.3f})" if last.correlation_floor else ""
    arrays = [array for own in state.parameters for array in (own.weight, own.decorrelator, own.bias)]
    learned = sum(math.prod(array.shape) for array in arrays if array is not None)
    first, final = (sum(r.correlation) / len(r.correlation) for r in (history[0], last))
    return [
        *((name, format(value, form)) for name, value, form in measured if value is not None),
        *_role_of_test(last, selected),
        ("epochs", f"{last.epoch}{best}"),
        ("training time", f"{seconds:.1f} s ({seconds / len(history):.2f} s an epoch)"),
        ("parameters", f"{learned:,}"),
        ("correlation left", f"{first:.3f} after epoch 1, {final:.3f} after epoch {last.epoch}{floor}"),
        ("output", f"{folder}: {', '.join(name for name in files if name != PICTURE)}"),
        *([("picture", str(folder / PICTURE))] if PICTURE in files else []),
    ]


def _role_of_test(last: EpochRecord, selected: bool) -> list[tuple[str, str]]:
    """Return what the test set was used for, or how to have one."""
    if last.validation_loss is None:
        return [("test set", "none; --test-share 0.2 keeps a fifth of the rows for one")]
    end = "its loss ended the run (--patience)" if selected else "shown only, nothing chosen by it"
    return [("test set", f"evaluated after each epoch; {end}")]
