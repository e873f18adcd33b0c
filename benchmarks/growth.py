"""How the cost of an exact step grows with the width of a layer, the batch and the depth."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.sides import take_turns
from benchmarks.step import operations_of, products_of_step, step_side
from benchmarks.table import Column, Scope, Table


class Growth(NamedTuple):
    """A quantity that grows, and the network (sizes, batch) that stands for each of its values."""

    name: str
    title: str
    values: Sequence[int]
    width: int
    network: Callable[[int, int], tuple[tuple[int, ...], int]]


GROWTHS = (
    Growth(
        "n",
        "width n, of n-n-10 at batch 50",
        (512, 1024, 2048, 4096, 8192),
        0,
        lambda n, _: ((n, n, 10), 50),
    ),
    Growth(
        "batch",
        "batch, of 1024-1024-10",
        (1, 4, 16, 64, 256, 1024),
        1024,
        lambda batch, width: ((width, width, 10), batch),
    ),
    Growth(
        "depth",
        "depth d, of d times 512, then 10, at batch 50",
        (1, 2, 4, 8, 16),
        512,
        lambda depth, width: ((width,) * depth + (10,), 50),
    ),
)
_QUICK = (2, 4)  # values
_QUICK_WIDTH = 8


def tables(scope: Scope) -> Iterator[Table]:
    """Return a table for each quantity that may grow."""
    for growth in GROWTHS:
        values, width = (_QUICK, _QUICK_WIDTH) if scope.quick else (growth.values, growth.width)
        rows = [(value, *_cost(*growth.network(value, width), scope)) for value in values]
        yield Table(
            f"growth-{growth.name}",
            f"An exact step by {growth.title}, float32",
            [Column(growth.name), Column("step, ms", ".3f"), Column("GFLOP", ".3f"), Column("GFLOP/s", ".0f")],
            rows,
            figures={
                "fitted exponent": exponent(values, [row[1] for row in rows]),
                "fitted exponent of the operations": exponent(values, [row[2] for row in rows]),
            },
        )


def exponent(values: Sequence[float], costs: Sequence[float]) -> float:
    """Return p of the power law ``cost = c * value**p`` that fits best: least squares of the logarithms.

    Examples
    --------
    >>> round(exponent([1, 2, 4], [3, 12, 48]), 12)
    2.0
    """
    return float(np.polyfit(np.log(values), np.log(costs), 1)[0])


def _cost(sizes: tuple[int, ...], batch: int, scope: Scope) -> tuple[float, float, float]:
    """Return milliseconds, GFLOP and GFLOP/s of a step."""
    turns = min(scope.turns, 3)
    seconds = take_turns({"step": step_side(sizes, batch)}, turns=turns, least_seconds=5 * scope.least_seconds)
    operations = operations_of(products_of_step(sizes, batch)) / 1e9
    return 1e3 * seconds["step"], operations, operations / seconds["step"]
