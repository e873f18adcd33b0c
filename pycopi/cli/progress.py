"""What a run shows while it goes on: a live bar in a terminal, a line an epoch elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from rich.console import Console

from pycopi.state import EpochRecord, State
from pycopi.training.progress import Report, Reporter, describe, fitting, is_terminal, name_epoch


class Shown(NamedTuple):
    """What `pycopi.fit` is to call: during an epoch, and after it."""

    during: Reporter | Literal[False]
    after: Callable[[State], None]


@contextmanager
def show_progress(
    console: Console, epochs: int, history: tuple[EpochRecord, ...], *, quiet: bool
) -> Iterator[Shown]:
    """Show the progress of a run until the block ends."""
    if quiet:
        yield Shown(False, lambda state: None)
    elif is_terminal(sys.stdout) and not console.is_dumb_terminal:
        with _live_bar(console, epochs, history) as shown:
            yield shown
    else:
        yield Shown(False, lambda state: print(describe_epoch(state.history[-1], epochs), flush=True))


@contextmanager
def _live_bar(console: Console, epochs: int, history: tuple[EpochRecord, ...]) -> Iterator[Shown]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

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

        def after(state: State) -> None:
            print_parts(console, describe_epoch(state.history[-1], epochs))

        yield Shown(during, after)


_WIDE = 70  # columns from which on the bar is long
_TIME = " 00:00"  # that is left


def print_parts(console: Console, text: str) -> None:
    """Print parts with two spaces between; a part that the terminal has no room for gets a new line."""
    lines = [""]
    for part in text.split("  "):
        longer = f"{lines[-1]}  {part}" if lines[-1] else part
        if lines[-1] and len(longer) > console.width:
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
    return f"{name} {loss:.4f}{share}"
