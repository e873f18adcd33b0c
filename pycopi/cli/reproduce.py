"""``pycopi reproduce``: the experiments of the paper, and what is shown while they go on."""

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from pycopi.cli import flags as f
from pycopi.cli.progress import has_a_line, is_live, print_line
from pycopi.cli.splits import source_of
from pycopi.experiments.plan import ALL, EXPERIMENTS, FULL, QUICK, Run, Size
from pycopi.experiments.results import Clock
from pycopi.experiments.runner import Watcher, run_plan
from pycopi.experiments.store import Entry, RunFolder
from pycopi.presets import METHODS
from pycopi.training.progress import Report, fitting, name_epoch

COST = {"digits": 0.01, "mnist": 1.0, "cifar10": 3.0}
"""About how long an epoch of COPI takes on each data set, in units of one on MNIST."""

ADAM = 0.3
"""The same of Adam, in units of one of COPI."""

_BAR = 12
_RIGHT = _BAR + len("  2 h 30 min")  # columns of the bar and the time left

FLAGS = (
    f.Flag(
        "",
        "what",
        f.some_of("WHAT", *EXPERIMENTS, "all"),
        "mnist, cifar10, learning-rates, analyses, or some, as mnist,analyses; all; digits.",
    ),
    f.Flag(f.COURSE, "seeds", f.whole(), "Runs of each method, from seed 0 up.", "3; cifar10: 1"),
    f.Flag(f.COURSE, "epochs", f.whole(), "Epochs of each run.", "20; Adam on cifar10: 30, as published: 60"),
    f.Flag(
        f.COURSE,
        "methods",
        f.some_of("NAMES", *METHODS),
        f"Which methods, in this order: {','.join(METHODS)}.",
        "all",
    ),
    f.Flag(f.COURSE, "quick", None, "One seed and a few epochs: minutes."),
    f.Flag(f.COURSE, "full", None, "The paper's 5 seeds and 100 epochs: days."),
    f.Flag(f.COURSE, "report_only", None, "Train nothing; report what is on disk."),
    f.Flag(
        f.COURSE, "processor_time", None, "Report processor time instead of the clock's: for a busy machine."
    ),
    f.Flag(f.FILES, "note", f.Kind("TEXT"), "A text to keep with the timings of each run."),
    f.output("Folder for runs, results, pictures and report.", "runs/paper"),
    f.QUIET,
    f.VERBOSE,
    *f.PLACES,
)

CLOCKS: tuple[Clock, Clock] = ("clock", "processor")

_PLACES = ("output", "data_dir", "no_download", "report_only", "quiet", "verbose")
"""Flags that decide no result."""


def reproduce(given: f.Given) -> None:
    """Run experiments of the paper, and report them beside the published figures.

    WHAT is mnist, cifar10, learning-rates or analyses, several with commas
    between, or all; digits is a first look in seconds. Every epoch is kept: the
    same command goes on where it was interrupted, and repeats nothing. The
    output folder gets results, pictures and report.html.
    """
    from pycopi.experiments.report import Request, write_report  # which loads much

    if "quick" in given and "full" in given:
        msg = "--quick and --full exclude each other; give one of them"
        raise ValueError(msg)
    what, output = given["what"], given.get("output", Path("runs", "paper"))
    names = ALL if "all" in what else what
    experiments = [(EXPERIMENTS[name], _size(given)) for name in names]
    name, clock = "-".join(what), CLOCKS["processor_time" in given]
    request = Request(name, experiments, output, _command(given, *_PLACES), clock)
    source, quiet = source_of(given), "quiet" in given
    try:
        if "report_only" not in given:
            verbose = "verbose" in given
            with watch_plan(request.runs, output, quiet=quiet, verbose=verbose) as watcher:
                run_plan(request.runs, output, source, watcher, given.get("note", ""))
        page = write_report(request, source)
    except KeyboardInterrupt:
        msg = f"every complete epoch is kept in {output}; go on with: {_command(given)}"
        raise KeyboardInterrupt(msg) from None
    if not quiet:
        Console(highlight=False).print(f"report: {page}", soft_wrap=True)


def _size(given: f.Given) -> Size:
    """Return how much of an experiment to run: flags come first, then --quick or --full, then defaults."""
    usual = QUICK if "quick" in given else FULL if "full" in given else Size()
    return usual._replace(**{name: given[name] for name in Size._fields if name in given})


def _command(given: f.Given, *without: str) -> str:
    """Return the command that was given, as it is typed, but for some flags."""
    words = ["pycopi", "reproduce", f.shown(given["what"])]
    for one in FLAGS:
        if one.panel and one.name in given and one.name not in without:
            words += [f.flag(one.name), *([] if one.kind is None else [f.shown(given[one.name])])]
    return shlex.join(words)


class _Shown(Watcher):
    """About ten lines a run, with the time left as the epochs so far tell; above a live bar in a terminal."""

    def __init__(
        self, console: Console, runs: Sequence[Run], output: Path, bar: Progress | None, *, verbose: bool
    ) -> None:
        self.console, self.bar, self.verbose = console, bar, verbose
        self.total = sum(_cost(run, run.epochs) for run in runs)
        records = [RunFolder.of(output, run).record() or {"epochs": ()} for run in runs]
        done = [min(run.epochs, len(record["epochs"])) for run, record in zip(runs, records, strict=True)]
        self.before = sum(map(_cost, runs, done))
        self.done, self.began = self.before, time.monotonic()
        if bar is not None:
            self.task = bar.add_task("", total=self.total, left="")
            bar.update(self.task, completed=self.done)

    def step(self, run: Run, report: Report) -> None:
        """Move the bar within an epoch."""
        if self.bar is None:
            return
        share = _cost(run, 1) * report.step / (report.steps or report.step)
        waiting = "  decorrelating" if report.decorrelating else ""
        text = f"{run.data} {run.name}  {name_epoch(report.epoch, run.epochs)}{waiting}"
        text = fitting(text, self.console.width - _RIGHT)
        self.bar.update(self.task, description=text, completed=self.done + share, left=self.left())

    def epoch(self, run: Run, entry: Entry, seconds: float) -> None:
        """Print what an epoch came to."""
        self.done += _cost(run, 1)
        if self.verbose or has_a_line(entry["epoch"], run.epochs):
            text = f"{describe_epoch(run, entry, seconds)}  left {self.left()}"
            self.print(text, spare=text.count("  ") - 2)  # name, epoch and result are always there

    def end(self, run: Run, failure: dict[str, Any] | None) -> None:
        """Print how a run failed; the rest goes on."""
        if failure is not None:
            self.done += _cost(run, run.epochs - failure["epoch"] + 1)
            what = f"{failure['kind']} in epoch {failure['epoch']}: {failure['reason']}"
            self.print(f"{run.data} {run.name}: {what}")

    def print(self, text: str, spare: int = 0) -> None:
        """Print a line, in a narrow terminal without as many of its last parts as may be spared."""
        print_line(self.console, text, live=self.bar is not None, spare=spare)

    def left(self) -> str:
        """Return the time left as a text."""
        made = self.done - self.before
        spent = time.monotonic() - self.began
        rest = max(0.0, self.total - self.done)
        return as_duration(spent * rest / made) if made > 0 else "unknown"


@contextmanager
def watch_plan(runs: Sequence[Run], output: Path, *, quiet: bool, verbose: bool = False) -> Iterator[Watcher]:
    """Show the progress of a plan until the block ends."""
    console = Console(highlight=False)
    if quiet:
        yield Watcher()
    elif is_live(console):
        columns = (TextColumn("{task.description}"), BarColumn(_BAR), TextColumn("{task.fields[left]}"))
        with Progress(*columns, console=console) as bar:
            yield _Shown(console, runs, output, bar, verbose=verbose)
    else:
        yield _Shown(console, runs, output, None, verbose=verbose)


def describe_epoch(run: Run, entry: Entry, seconds: float) -> str:
    """Return what an epoch came to; no accuracies where only the decorrelating matrices learned."""
    results = f"test {entry['test_accuracy']:.2%}  training {entry['train_accuracy']:.2%}"
    if entry["weight_rate"] == 0 and entry["decorrelation_rate"] > 0 and run.preset.decorrelated:
        results = "decorrelating"
    return f"{run.data} {run.name}  {name_epoch(entry['epoch'], run.epochs)}  {results}  {seconds:.1f} s"


def as_duration(seconds: float) -> str:
    """Return a time as a short text."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _cost(run: Run, epochs: int) -> float:
    return COST[run.data] * (ADAM if run.preset.settings.rule == "adam" else 1.0) * epochs
