"""How much of the processors other programs used while something was measured (Linux only)."""

import os
from pathlib import Path
from typing import NamedTuple

_STAT = Path("/proc/stat")


class Load(NamedTuple):
    """Processor seconds since the system began: of everything that ran, of everything, and of this process."""

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
    times = os.times()
    return Load(sum(counts) - idle, sum(counts), times.user + times.system)


def share_of_others(before: Load | None, after: Load | None) -> float | None:
    """Return the share of all processors that others used between two loads, from 0 to 1."""
    if before is None or after is None or after.total <= before.total:
        return None
    others = (after.busy - before.busy) - (after.own - before.own)
    return min(1.0, max(0.0, others / (after.total - before.total)))
