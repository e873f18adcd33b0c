"""What a plan of runs shows while it goes on: a live bar in a terminal, a line an epoch elsewhere."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from pycopi.cli.progress import print_parts
from pycopi.experiments.plan import Run
from pycopi.experiments.runner import Watcher, epochs_done
from pycopi.training.progress import Report, fitting, is_terminal, name_epoch

COST = {"digits": 0.01, "mnist": 1.0, "cifar10": 3.0}
"""About how long an epoch of COPI takes on each data set, in units of one on MNIST."""

_BAR = 12
_RIGHT = _BAR + len("  2 h 30 min")  # columns of the bar and the time left


class _Lines(Watcher):
    """A line an epoch, with the time left as far as the epochs so far tell."""

    def __init__(self, console: Console, runs: Sequence[Run], output: Path) -> None:
        self.console = console
        self.total = sum(_cost(run, run.epochs) for run in runs)
        self.before = sum(_cost(run, min(run.epochs, epochs_done(run, output))) for run in runs)
        self.done, self.began = self.before, time.monotonic()

    def epoch(self, run: Run, entry: dict[str, Any], seconds: float) -> None:
        """Print what an epoch came to."""
        self.done += _cost(run, 1)
        self.print(f"{describe_epoch(run, entry, seconds)}  left {self.left()}")

    def end(self, run: Run, failure: dict[str, Any] | None) -> None:
        """Print how a run failed; the rest goes on."""
        if failure is not None:
            self.done += _cost(run, run.epochs - failure["epoch"] + 1)
            what = f"{failure['kind']} in epoch {failure['epoch']}: {failure['reason']}"
            self.print(f"{run.data} {run.name}: {what}")

    def print(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)

    def left(self) -> str:
        """Return the time left as a text."""
        made = self.done - self.before
        spent = time.monotonic() - self.began
        rest = max(0.0, self.total - self.done)
        return as_duration(spent * rest / made) if made > 0 else "unknown"


class _Bar(_Lines):
    """The same lines above a live bar over the whole plan."""

    def __init__(self, console: Console, runs: Sequence[Run], output: Path) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        super().__init__(console, runs, output)
        columns = (TextColumn("{task.description}"), BarColumn(_BAR), TextColumn("{task.fields[left]}"))
        self.progress = Progress(*columns, console=console)
        self.task = self.progress.add_task("", total=self.total, left="")
        self.progress.update(self.task, completed=self.done)

    def step(self, run: Run, report: Report) -> None:
        """Move the bar within an epoch."""
        share = _cost(run, 1) * report.step / (report.steps or report.step)
        waiting = "  decorrelating" if report.decorrelating else ""
        text = f"{run.data} {run.name}  {name_epoch(report.epoch, run.epochs)}{waiting}"
        text = fitting(text, self.console.width - _RIGHT)
        self.progress.update(self.task, description=text, completed=self.done + share, left=self.left())

    def print(self, text: str) -> None:
        """Print a line above the bar."""
        print_parts(self.console, text)


@contextmanager
def watch_plan(runs: Sequence[Run], output: Path, *, quiet: bool) -> Iterator[Watcher]:
    """Show the progress of a plan until the block ends."""
    console = Console(highlight=False)
    if quiet:
        yield Watcher()
    elif is_terminal(sys.stdout) and not console.is_dumb_terminal:
        bar = _Bar(console, runs, output)
        with bar.progress:
            yield bar
    else:
        yield _Lines(console, runs, output)


def describe_epoch(run: Run, entry: dict[str, Any], seconds: float) -> str:
    """Return what an epoch came to; no accuracies where only the decorrelating matrices learned."""
    results = f"training {entry['train_accuracy']:.2%}  test {entry['test_accuracy']:.2%}"
    if entry["weight_rate"] == 0 and entry["decorrelation_rate"] > 0 and run.preset.decorrelated:
        results = "decorrelating"
    return f"{run.data} {run.name}  {name_epoch(entry['epoch'], run.epochs)}  {results}  {seconds:.1f} s"


def as_duration(seconds: float) -> str:
    """Return a time as a short text.

    Examples
    --------
    >>> as_duration(42.4), as_duration(200), as_duration(9000)
    ('42 s', '3 min', '2 h 30 min')
    """
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _cost(run: Run, epochs: int) -> float:
    return COST[run.data] * run.preset.cost * epochs
