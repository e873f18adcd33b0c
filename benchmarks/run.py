"""Runs the tables by their names, prints them, and keeps them as JSON."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.machine import facts, machine_table
from benchmarks.table import Scope, Table
from pycopi._files import whole_file

LONG = "accuracy"
"""The table that takes minutes to an hour."""

TABLES = ("kernels", "step", "recipe", "steady", "stream", "single", "growth", "memory", "whitening", LONG)
"""What can be measured by name."""

QUIET = 0.03
"""Share of the processors that others may use before the numbers are in doubt."""

_STAT = Path("/proc/stat")  # what Linux counts


def run(
    names: Sequence[str], scope: Scope, *, show: Callable[[str], None] = print, file: Path | None = None
) -> None:
    """Measure the machine and then the named tables; each is shown, and kept in the file, once it is there."""
    about, before = facts(), load_now()
    show("\n".join(f"- {name}: {text}" for name, text in about.items()))
    done: list[Table] = []
    for table in _measured(names, scope):
        done.append(table)
        show(f"\n{table.markdown()}")
        others = share_of_others(before, load_now())
        if file is not None:
            _keep(file, {"machine": about, "share of others": others, "tables": [t.content() for t in done]})
    if others is not None and others > QUIET:
        show(
            f"\nOther programs used {others:.0%} of the processors meanwhile: run it again on a quiet machine."
        )


def _measured(names: Sequence[str], scope: Scope) -> Iterator[Table]:
    yield machine_table(quick=scope.quick)
    for name in names:
        yield from import_module(f"benchmarks.{name}").tables(scope)


def _keep(file: Path, content: Mapping[str, Any]) -> None:
    with whole_file(file) as path:
        path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


class Load(NamedTuple):
    """Processor seconds since the system began: of everything that ran, of everything, and of this process and
    its children that have ended."""

    busy: float
    total: float
    own: float


def load_now() -> Load | None:
    """Return the loads so far, or None where the system does not tell."""
    if not _STAT.exists():
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    counts = [int(word) / ticks for word in _STAT.read_text().splitlines()[0].split()[1:9]]
    idle = counts[3] + counts[4]  # idle, and waiting for a disk; the last of the eight is stolen time
    return Load(sum(counts) - idle, sum(counts), sum(os.times()[:4]))


def share_of_others(before: Load | None, after: Load | None) -> float | None:
    """Return the share of all processors that others used between two loads, from 0 to 1."""
    if before is None or after is None or after.total <= before.total:
        return None
    others = (after.busy - before.busy) - (after.own - before.own)
    return min(1.0, max(0.0, others / (after.total - before.total)))
