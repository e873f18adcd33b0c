"""What a run shows while it goes on: a live bar in a terminal, a line an epoch elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from rich.console import Console

from pycopi.training.history import EpochRecord, TrainingState
from pycopi.training.progress import Report, Reporter, describe


class Shown(NamedTuple):
    """What `pycopi.fit` is to call: during an epoch, and after it."""

    during: Reporter | Literal[False]
    after: Callable[[TrainingState], None]


@contextmanager
def show_progress(
    console: Console, epochs: int, history: tuple[EpochRecord, ...], *, quiet: bool
) -> Iterator[Shown]:
    """Show the progress of a run until the block ends."""
    if quiet:
        yield Shown(False, lambda state: None)
    elif sys.stdout.isatty() and not console.is_dumb_terminal:
        with _live_bar(console, epochs, history) as shown:
            yield shown
    else:
        yield Shown(False, lambda state: print(describe_epoch(state.history[-1], epochs), flush=True))


@contextmanager
def _live_bar(console: Console, epochs: int, history: tuple[EpochRecord, ...]) -> Iterator[Shown]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(12), TextColumn("{task.fields[means]}"))
    with Progress(*columns, TimeRemainingColumn(compact=True), console=console) as progress:
        task = progress.add_task(_epoch(len(history), epochs), total=epochs, completed=len(history), means="")

        def during(report: Report) -> None:
            done = report.epoch - 1 + report.step / (report.steps or report.step)
            text = _epoch(report.epoch, report.epochs)
            progress.update(task, description=text, completed=done, means=describe(report))

        def after(state: TrainingState) -> None:
            console.print(describe_epoch(state.history[-1], epochs), soft_wrap=True, highlight=False)

        yield Shown(during, after)


def describe_epoch(record: EpochRecord, epochs: int) -> str:
    """Return what an epoch came to as one line of at most 80 columns: loss and share of right answers."""
    parts = [_epoch(record.epoch, epochs), _result("loss", record.loss, record.accuracy)]
    if record.validation_loss is not None:
        parts.append(_result("test loss", record.validation_loss, record.validation_accuracy))
    parts.append(f"{record.seconds:.2f} s")
    if record.weight_rate == 0:
        parts.append("decorrelating")
    return "  ".join(parts)


def _result(name: str, loss: float, accuracy: float | None) -> str:
    share = "" if accuracy is None else f" {accuracy:.1%}"
    return f"{name} {loss:.4f}{share}"


def _epoch(epoch: int, epochs: int) -> str:
    return f"epoch {epoch:>{len(str(epochs))}}/{epochs}"
