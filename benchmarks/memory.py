"""What `pycopi.fit` allocates from step to step on NumPy, counted by the standard library's tracemalloc."""

import gc
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.step import BATCH, PAPER, QUICK
from benchmarks.table import Column, Scope, Table
from pycopi import presets
from pycopi.network import mlp
from pycopi.training.fit import fit
from pycopi.training.guard import Guard
from pycopi.training.schedules import Schedule

_STEPS = 8

_HOW = (
    "Counted by tracemalloc from the call on. Held: the run's copy of the parameters, its buffers, and what it "
    "checks its state by. Peak: the most that a step holds at any moment above what was held before it."
)


def tables(scope: Scope) -> Iterator[Table]:
    """Return a table for each of the paper's networks."""
    for name, sizes in (QUICK if scope.quick else PAPER).items():
        held, peaks = allocations(sizes, BATCH)
        size = 4 * sum(n * n + n * m for n, m in pairwise(sizes))
        steps = enumerate(zip(held, peaks, strict=True), 1)
        rows = [(step, now / 1e6, peak / 1e6) for step, (now, peak) in steps]
        yield Table(
            f"memory-{len(sizes)}",
            f"Memory of `fit` from step to step: {name}, batch {BATCH}, float32",
            [Column("step"), Column("held after it, MB", ".3f"), Column("peak during it, MB", ".3f")],
            rows,
            [_HOW],
            figures={
                "MB of parameters": size / 1e6,
                "bytes that the steps after the second add": held[-1] - held[1],
            },
        )


def allocations(sizes: tuple[int, ...], batch: int, steps: int = _STEPS) -> tuple[list[int], list[int]]:
    """Return the bytes held after each step of an epoch, and the most that each holds above those before it."""
    generator = np.random.default_rng(0)
    inputs = generator.random((batch, sizes[0]), np.float32)
    targets = generator.integers(sizes[-1], size=batch)
    network = mlp(sizes)
    parameters = network.init(0)
    watched = _Watched([(inputs, targets)] * steps)
    tracemalloc.start()
    try:
        fit(
            network,
            parameters,
            watched,
            epochs=1,
            settings=replace(presets.PAPER, gain=1.0),
            weight_schedule=Schedule(),  # the weights learn from the first step on
            guard=Guard(every=steps + 1),  # it looks after the last step
            progress=False,
        )
    finally:
        tracemalloc.stop()
    held, peaks = zip(*watched.seen, strict=True)
    return list(held[1:]), [peak - before for peak, before in zip(peaks[1:], held[:-1], strict=True)]


class _Watched:
    """Batches that note, whenever one is asked for, the bytes held then and the most held since the last."""

    def __init__(self, batches: list[Any]) -> None:
        self._batches = batches
        self.seen: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[Any]:
        self.seen = []
        for batch in self._batches:
            self._note()
            yield batch
        self._note()

    def _note(self) -> None:
        gc.collect()  # small objects that only refer to each other
        self.seen.append(tracemalloc.get_traced_memory())
        tracemalloc.reset_peak()
