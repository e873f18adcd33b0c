"""What the runs of a plan came to: collected from their folders, summed up, written as JSON and CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal, NamedTuple

from pycopi._files import write_text
from pycopi._json import read_number
from pycopi.experiments.plan import Run
from pycopi.experiments.published import NEAR
from pycopi.experiments.runner import is_finished
from pycopi.experiments.store import Entry, RunFolder, Times, describe

Clock = Literal["clock", "processor"]
"""Which seconds to show: the clock's, or the processor's, which other work on the machine does not lengthen."""


class Result(NamedTuple):
    """A run of the plan: its record and timings as far as the plan goes, and its status.

    ``status`` is finished, diverged, failed or incomplete; ``clock`` names the times to show.
    """

    run: Run
    record: dict[str, Any]
    timings: dict[str, Any]
    status: str
    clock: Clock = "clock"

    @property
    def epochs(self) -> list[Entry]:
        """The epochs of the record, up to those of the plan."""
        return list(self.record["epochs"][: self.run.epochs])

    @property
    def seconds(self) -> list[float]:
        """The seconds of training behind each epoch, cumulated."""
        return list(accumulate(self.timings["seconds"][self.clock][: self.run.epochs]))

    def values(self, field: str) -> list[float]:
        """Return a field of every epoch; what is missing is NaN."""
        return [read_number(entry[field]) for entry in self.epochs]


def as_share(value: float, deviation: float | None) -> str:
    """Return an accuracy, and its standard deviation where there is one, as a text."""
    return f"{value:.4f}" if deviation is None else f"{value:.4f} ± {deviation:.4f}"


class Peak(NamedTuple):
    """The best accuracy of a method over its seeds, and when it came.

    ``near`` is the mean of the first epochs within 1 % of the mean peak; ``seconds`` and ``near_seconds``
    are the training times up to both; ``deviation`` is the sample standard deviation, None for one seed.
    """

    mean: float
    deviation: float | None
    epoch: float
    near: float
    seconds: float
    near_seconds: float

    @property
    def text(self) -> str:
        """The accuracy in words."""
        return as_share(self.mean, self.deviation)


class Summary(NamedTuple):
    """A method on a data set, over its seeds."""

    run: Run
    results: tuple[Result, ...]
    train: Peak | None
    test: Peak | None


def collect(runs: Sequence[Run], output: Path, clock: Clock) -> list[Result]:
    """Return what is on disk of the runs of a plan."""
    found = []
    for run in runs:
        folder = RunFolder.of(output, run)
        record = folder.record() or {**describe(run), "failure": None, "epochs": []}
        timings = folder.timings() or {"seconds": Times()._asdict(), "environment": {}}
        found.append(Result(run, record, timings, _status(run, record), clock))
    return found


def _status(run: Run, record: dict[str, Any]) -> str:
    if len(record["epochs"]) >= run.epochs:
        return "finished"
    if record["failure"] is not None:
        return str(record["failure"]["kind"])
    return "finished" if is_finished(run, record) else "incomplete"


def summarise(results: Iterable[Result]) -> list[Summary]:
    """Return one summary for the seeds of each method, in the order of the results."""
    groups: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        run = result.run
        groups.setdefault((run.data, run.method, run.rate, run.gain), []).append(result)
    return [
        Summary(group[0].run, tuple(group), _peak(group, "train_accuracy"), _peak(group, "test_accuracy"))
        for group in groups.values()
    ]


def _peak(group: Sequence[Result], field: str) -> Peak | None:
    """Return the peak of a field over the seeds; runs without any epoch do not count."""
    runs = [result for result in group if result.epochs]
    if not runs:
        return None
    best = [max(result.values(field)) for result in runs]
    mean = fmean(best)
    at = [result.values(field).index(value) for result, value in zip(runs, best, strict=True)]
    near = [  # a seed may never come near the peak of the others
        next((index for index, value in enumerate(result.values(field)) if value >= NEAR * mean), otherwise)
        for result, otherwise in zip(runs, at, strict=True)
    ]
    return Peak(
        mean,
        stdev(best) if len(best) > 1 else None,
        fmean(index + 1 for index in at),
        fmean(index + 1 for index in near),
        fmean(result.seconds[index] for result, index in zip(runs, at, strict=True)),
        fmean(result.seconds[index] for result, index in zip(runs, near, strict=True)),
    )


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """Return all that does not depend on the clock: the records, and the sums over seeds."""
    return {
        "runs": [{"status": result.status, **result.record, "epochs": result.epochs} for result in results],
        "summary": [_summary_json(summary) for summary in summarise(results)],
    }


_STORED = ("peak", "deviation", "epoch", "near")  # the first fields of a peak


def _summary_json(summary: Summary) -> dict[str, Any]:
    run = summary.run
    entry: dict[str, Any] = {"data": run.data, "method": run.method, "rate": run.rate, "gain": run.gain}
    entry["seeds"] = [result.run.seed for result in summary.results]
    entry["status"] = [result.status for result in summary.results]
    for name, peak in (("train", summary.train), ("test", summary.test)):
        if peak is not None:
            entry |= {f"{name}_{field}": value for field, value in zip(_STORED, peak, strict=False)}
    return entry


def timings_json(results: Sequence[Result]) -> dict[str, Any]:
    """Return what depends on the clock and the machine, a run an entry."""
    return {f"{result.run.data}/{result.run.name}": result.timings for result in results}


_FIELDS = (
    "epoch",
    "loss",
    "accuracy",
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "weight_rate",
    "decorrelation_rate",
    "steps",
)


def write_csv(results: Sequence[Result], path: Path) -> None:
    """Write a row for each epoch of each run; accuracies are shares in [0, 1]."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["data", "method", "rate", "gain", "seed", *_FIELDS, "mean_correlation"])
    for result in results:
        run = result.run
        for entry in result.epochs:
            correlation = fmean(entry["correlation"]) if entry["correlation"] else None
            row = [run.data, run.method, run.rate, run.gain, run.seed, *(entry[name] for name in _FIELDS)]
            writer.writerow([*row, correlation])
    write_text(path, text.getvalue())
