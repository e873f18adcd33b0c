"""What is run, in which order, and what is chosen in between: by validation rows alone."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from benchmarks.tuned import pycopi_methods, torch_methods
from benchmarks.tuned.inputs import load, smoothed
from benchmarks.tuned.spaces import SETTINGS, SPACES, WIDENINGS, beyond, first, near
from benchmarks.tuned.store import keep, stored
from benchmarks.tuned.trial import SIZES, Entry, Row, Trial

SEARCH_SEEDS, SEARCH_EPOCHS = (0, 1), 2
FINAL_SEEDS, FINAL_EPOCHS = (100, 101, 102, 103, 104), (1, 2, 4, 8)

Runner = Callable[[Trial], Row]


class Chosen(NamedTuple):
    """The setting with the best mean validation accuracy over the seeds of a search."""

    setting: dict[str, Any]
    score: float
    settings: int


def run_trial(trial: Trial) -> Row:
    """Run a trial, and return its row; one that diverges ends early."""
    entry, setting = trial.entry, trial.setting
    data, sizes = load(entry.network, entry.inputs), SIZES[entry.network]
    data = smoothed(data, setting.get("smoothing", 0.0))
    methods = pycopi_methods if entry.method in pycopi_methods.METHODS else torch_methods
    validation, loss, seconds, test, error = [], [], [], None, ""
    try:
        for epoch in methods.epochs(entry.method, sizes, setting, data, trial.epochs, trial.seed):
            validation.append(epoch.accuracy(data.validation))
            loss.append(epoch.loss)
            seconds.append(epoch.seconds)
        if "search" not in trial.part:
            test = epoch.accuracy(data.test)
        if not math.isfinite(loss[-1]):
            error = f"the loss is {loss[-1]}"
    except FloatingPointError as fault:
        error = str(fault).splitlines()[0]
    return Row(trial, tuple(validation), tuple(loss), tuple(seconds), test, error)


def kept(folder: Path, report: Callable[[str], None], runner: Runner = run_trial) -> Runner:
    """Return a runner that keeps rows in a folder, and runs only what is not there."""

    def run(trial: Trial) -> Row:
        if (row := stored(folder, trial)) is None:
            row = runner(trial)
            keep(folder, row)
            report(line(row))
        return row

    return run


def line(row: Row) -> str:
    """Return a row in one line."""
    trial = row.trial
    setting = " ".join(f"{name} {value}" for name, value in trial.setting.items())
    found = " ".join(f"{value:.4f}" for value in row.validation)
    last = row.error or f"{sum(row.seconds):.1f} s" + ("" if row.test is None else f", test {row.test:.4f}")
    return f"{', '.join(trial.entry)}; {trial.part} {trial.epochs} seed {trial.seed}; {setting}: {found} {last}"


def search(entry: Entry, run: Runner) -> Chosen:
    """Return what the search of an entry chooses: widened while the best rate is at an edge, then near it."""
    space = SPACES[entry.method]
    settings, covered = first(space), space.range
    chosen = _searched(entry, settings, run)
    for widening in range(1, WIDENINGS + 1):
        found = beyond(space, covered, chosen.setting["rate"], widening)
        if found is None:
            break
        settings, covered = [*settings, *found[0]], found[1]
        chosen = _searched(entry, settings, run)
    return _searched(entry, [*settings, *near(space, chosen.setting["rate"])], run)


def _searched(entry: Entry, settings: Sequence[dict[str, Any]], run: Runner) -> Chosen:
    rows = [run(Trial(entry, one, SEARCH_EPOCHS, seed, "search")) for seed in SEARCH_SEEDS for one in settings]
    return choose(rows)


def choose(rows: Iterable[Row], part: str = "search") -> Chosen:
    """Return the best setting of the rows of a search by validation accuracy; a run that failed counts as 0."""
    scores: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        if row.trial.part == part:
            scores.setdefault(tuple(sorted(row.trial.setting.items())), []).append(row.score)
    best = max(scores, key=lambda one: (fmean(scores[one]), one))
    return Chosen(dict(best), fmean(scores[best]), len(scores))


def finals(entry: Entry, setting: dict[str, Any], run: Runner, *, seeds: int, epochs: Sequence[int]) -> None:
    """Run an entry at its chosen setting, each length a complete schedule."""
    for count in epochs:
        for seed in FINAL_SEEDS[:seeds]:
            run(Trial(entry, setting, count, seed, "final"))


class Stage(NamedTuple):
    """Entries whose searches are run, and then their finals with so many seeds and of these lengths."""

    entries: tuple[Entry, ...]
    seeds: int
    epochs: tuple[int, ...]


def walk(stages: Iterable[Stage], run: Runner) -> Iterator[tuple[Entry, Chosen]]:
    """Run stages in order, and yield what each search has chosen.

    The entries of a stage take turns in their first searches, so that these are alike when the race is stopped.
    """
    for stage in stages:
        for seed in SEARCH_SEEDS:
            for index in range(SETTINGS):
                for entry in stage.entries:
                    setting = first(SPACES[entry.method])[index]
                    run(Trial(entry, setting, SEARCH_EPOCHS, seed, "search"))
        chosen = {entry: search(entry, run) for entry in stage.entries}
        yield from chosen.items()
        for count in stage.epochs:
            for entry, found in chosen.items():
                finals(entry, found.setting, run, seeds=stage.seeds, epochs=(count,))
