"""The searches, as tables: every setting that was tried, and how it did on the validation rows."""

from collections.abc import Iterable, Iterator
from statistics import fmean

from benchmarks.table import Cell, Column, Table
from benchmarks.tuned.trial import Entry, Row


def searches(rows: Iterable[Row]) -> Iterator[Table]:
    """Yield a table for each entry: a row for each setting, the best first."""
    entries: dict[Entry, dict[str, list[Row]]] = {}
    for row in rows:
        if row.trial.part == "search":
            setting = ", ".join(f"{name} {value}" for name, value in row.trial.setting.items())
            entries.setdefault(row.trial.entry, {}).setdefault(setting, []).append(row)
    heads = (Column("setting"), Column("mean", ".4f"), Column("by seed"), Column("failures"))
    for entry, tried in entries.items():
        body = sorted((_row(setting, runs) for setting, runs in tried.items()), key=lambda one: -one[1])
        yield Table(f"search {' '.join(entry)}", f"Search: {', '.join(entry)}", heads, body)


def _row(setting: str, runs: list[Row]) -> tuple[str, float, str, Cell]:
    """Return a setting, its mean validation accuracy, that of each seed, and what failed."""
    runs = sorted(runs, key=lambda row: row.trial.seed)
    faults = "; ".join(row.error for row in runs if row.error)
    return (
        setting,
        fmean(row.score for row in runs),
        " ".join(f"{row.score:.4f}" for row in runs),
        faults or None,
    )
