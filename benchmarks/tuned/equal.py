"""What each method has after equal seconds: the best of the complete runs that end by then."""

from collections.abc import Iterable
from statistics import fmean
from typing import NamedTuple

from benchmarks.tuned.trial import Row

TENTHS = range(1, 11)
"""The tenths of the rivals' longest runs at which methods are compared."""


class Complete(NamedTuple):
    """Runs of one length and setting: their epochs, and mean accuracies over the seeds."""

    epochs: int
    validation: float
    test: float


def complete(rows: Iterable[Row]) -> list[Complete]:
    """Return the complete runs that rows tell of, by length and setting; one that diverged has 0."""
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.trial.epochs, str(row.trial.setting)), []).append(row)
    return [
        Complete(
            epochs,
            fmean(0.0 if row.error else row.validation[-1] for row in own),
            fmean(row.test or 0.0 for row in own),
        )
        for (epochs, _), own in groups.items()
    ]


def reached(seconds: float, runs: Iterable[Complete], epoch_seconds: float) -> float | None:
    """Return the test accuracy of the run that fits into the seconds and is best on validation rows."""
    fits = [run for run in runs if run.epochs * epoch_seconds <= seconds]
    return max(fits, key=lambda run: run.validation).test if fits else None
