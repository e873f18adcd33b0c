"""The tables of the report: numbers as texts, the published beside ours."""

from collections.abc import Sequence
from typing import Any, Literal

from pycopi.experiments.checks import Check
from pycopi.experiments.document import Table
from pycopi.experiments.published import PUBLISHED, Published
from pycopi.experiments.results import Peak, Result, Summary, as_share
from pycopi.presets import METHODS

NONE = "-"


_NEAR = "“99 % at” is the first epoch within 1 % of the mean peak; s are seconds of training."
_PUBLISHED = ("peak", "deviation", "epoch", "near")
_COLUMNS = ("at epoch", "published epoch", "99 % at", "published 99 % at", "s to peak", "s to 99 %")


def peak_table(summaries: Sequence[Summary], part: Literal["test", "train"]) -> Table:
    """Return the peak accuracies of one part of the data, when they came and how long that took, by method.

    Ours are beside the published, each with its epochs; the seconds are ours alone.
    """
    what, lines = {"test": "test", "train": "training"}[part], []
    for summary in summaries:
        run, peak = summary.run, getattr(summary, part)
        was = Published() if run.varied else PUBLISHED.get((run.data, run.method), Published())
        mean, deviation, epoch, near = (getattr(was, f"{part}_{name}", None) for name in _PUBLISHED)
        published = NONE if mean is None else as_share(mean, deviation)
        lines.append([run.title, *_extent(summary), *_interleave(peak, published, epoch, near)])
    header = ("method", "seeds", "epochs", f"{what} peak", "published peak", *_COLUMNS)
    caption = f"{what.capitalize()} accuracy, mean ± sample standard deviation over seeds. {_NEAR}"
    return _filled(header, lines, caption)


def _interleave(peak: Peak | None, published: Any, epoch: Any, near: Any) -> list[str]:
    """Return our numbers, each followed by the published one where there is one, then the seconds."""
    if peak is None:
        return [NONE, published, NONE, _number(epoch), NONE, _number(near), NONE, NONE]
    return [
        peak.text,
        published,
        _number(peak.epoch),
        _number(epoch),
        _number(peak.near),
        _number(near),
        *(f"{spent:.0f}" if spent >= 10 else f"{spent:.1f}" for spent in (peak.seconds, peak.near_seconds)),
    ]


def check_table(checks: Sequence[Check]) -> Table:
    """Return the comparisons with the paper, verdicts and reasons included."""
    rows = [[check.what, check.wanted, check.found, check.verdict, check.reason or NONE] for check in checks]
    return Table(("what", "wanted", "found", "verdict", "why it may differ"), rows)


def run_table(results: Sequence[Result]) -> Table:
    """Return every run with its status and where its time was spent."""
    rows = []
    begun = [result for result in results if result.epochs or result.record["failure"] is not None]
    for result in begun:
        environment = result.timings["environment"]
        spent = result.seconds[-1] / len(result.seconds) if result.seconds else 0.0
        failure = result.record["failure"]
        rows.append(
            [
                f"{result.run.data} {result.run.name}",
                result.status,
                f"{len(result.epochs)} of {result.run.epochs}",
                f"{spent:.1f}" if spent else NONE,
                str(result.record["pycopi"]),
                str(environment.get("note") or NONE),
                NONE if failure is None or result.status == "finished" else str(failure["reason"]),
            ]
        )
    header = ("run", "status", "epochs", "s an epoch", "pycopi", "note", "remark")
    waiting = len(results) - len(begun)
    rest = f" {waiting} more of the plan have not begun." if waiting else ""
    return _filled(header, rows, f"Every run of this page.{rest}")


def method_table(summaries: Sequence[Summary]) -> Table:
    """Return what each method is, and where its settings come from."""
    rows: dict[str, list[str]] = {}
    for summary in summaries:
        method, settings = METHODS[summary.run.method], summary.run.preset.settings
        row = [method.name, method.title, f"{settings.rate:g}", f"{settings.gain:g}", method.source]
        rows.setdefault(method.name, row)
    return Table(("preset", "method", "rate", "gain", "source"), list(rows.values()))


def _filled(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> Table:
    """Return a table without the columns in which nothing stands."""
    columns = list(zip(header, *rows, strict=True))
    kept = [column for column in columns if set(column[1:]) != {NONE}]
    names, *lines = zip(*kept, strict=True)
    return Table(names, lines, caption)


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f}".removesuffix(".0")


def _extent(summary: Summary) -> tuple[str, str]:
    """Return how many seeds have begun, and how far they have come."""
    lengths = [len(result.epochs) for result in summary.results if result.epochs]
    if not lengths:
        return "0", f"0 of {summary.run.epochs}"
    done = f"{min(lengths)} to {max(lengths)}" if min(lengths) < max(lengths) else f"{lengths[0]}"
    if min(lengths) < summary.run.epochs:
        done = f"{done} of {summary.run.epochs}"
    ended = [result.status for result in summary.results if result.status in ("diverged", "failed")]
    return f"{len(lengths)}", ", ".join([done, *dict.fromkeys(ended)])
