"""Decorrelating one sample at a time, where the next is not known: against a NumPy loop and the bandwidth."""

from itertools import cycle
from typing import Any

import numpy as np

from pycopi.bench.machine import sweeper
from pycopi.bench.numpy_loop import RATE, loop
from pycopi.bench.scope import Scope
from pycopi.bench.table import Column, Table
from pycopi.bench.timing import Side, take_turns
from pycopi.rules.sample import decorrelate_sample, start_samples

_SIZES, _SAMPLES = (1024, 3072, 8192), 16

_HOW = (
    "Sample: `decorrelate_sample(..., copy=None)`, which reads and writes the n by n matrix once. Loop: the "
    "same in NumPy. Sweep: each element of that matrix read and written once, in as many Python threads."
)


def table(scope: Scope) -> Table:
    """Return the table of single samples."""
    return Table(
        "samples",
        "Decorrelating one sample at a time, float32, per sample",
        [
            Column("n"),
            Column("loop / sample", ".1f"),
            Column("share of sweep", ".0%"),
            Column("sample, us", ".1f"),
            Column("loop, us", ".1f"),
            Column("GB/s", ".1f"),
            Column("sweep GB/s", ".1f"),
        ],
        [_row(n, scope) for n in ((16,) if scope.quick else _SIZES)],
        [_HOW],
    )


def _row(n: int, scope: Scope) -> tuple[Any, ...]:
    samples = np.random.default_rng(0).random((_SAMPLES, n), np.float32)
    looped = np.eye(n, dtype=np.float32)
    with sweeper(np.eye(n, dtype=np.float32)) as sweep:
        sides: dict[str, Side] = {
            "sample": _sample_side(samples),
            "loop": lambda: loop(looped, samples[:1]),
            "sweep": sweep,
        }
        seconds = take_turns(sides, turns=scope.turns, least_seconds=scope.least_seconds)
    sample, swept = seconds["sample"], 2 * 4 * n * n / 1e9
    return (
        n,
        seconds["loop"] / sample,
        seconds["sweep"] / sample,
        1e6 * sample,
        1e6 * seconds["loop"],
        swept / sample,
        swept / seconds["sweep"],
    )


def _sample_side(samples: Any) -> Side:
    """Return the decorrelation of the next sample of a stream."""
    state = start_samples(np.eye(samples.shape[1], dtype=samples.dtype))
    rows = cycle(samples)

    def side() -> None:
        nonlocal state
        _, state = decorrelate_sample(state, next(rows), rate=RATE, copy=None)

    return side
