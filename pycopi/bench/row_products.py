"""Products of a batch of rows with a matrix, and with its transpose, for each engine against NumPy."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pycopi._array import aligned_copy
from pycopi.bench.engines import numpy_engines
from pycopi.bench.scope import Scope
from pycopi.bench.table import Column, Table
from pycopi.bench.timing import Side, take_turns
from pycopi.kernels.buffers import Buffers, reuse

_SIZES, _BATCHES = (500, 1000, 3072), (50, 100)

_HOW = (
    "Rows (batch, n) times an n by n matrix, which begins at a cache line, into memory that is there; NumPy is "
    "`np.matmul` with `out`. Its seconds stand over those of the engine."
)


def tables(scope: Scope) -> Iterator[Table]:
    """Return one table for each engine of this installation."""
    sizes, batches = ((16,), (3,)) if scope.quick else (_SIZES, _BATCHES)
    cases = [(n, batch, transposed) for n in sizes for batch in batches for transposed in (False, True)]
    found = {case: _measure(*case, scope) for case in cases}
    for engine in numpy_engines():
        yield Table(
            f"products-{engine}",
            f"A batch times a matrix in float32, engine {engine}",
            [
                Column("n"),
                Column("batch"),
                Column("product"),
                Column("NumPy / engine", ".2f"),
                Column("engine, us", ".1f"),
                Column("GFLOP/s", ".0f"),
                Column("NumPy GFLOP/s", ".0f"),
            ],
            [_row(case, seconds[engine], seconds["NumPy"]) for case, seconds in found.items()],
            [_HOW],
        )


def _measure(n: int, batch: int, transposed: bool, scope: Scope) -> dict[str, float]:
    """Return the seconds of NumPy and of each engine."""
    generator = np.random.default_rng(0)
    rows, matrix = (generator.random((count, n), np.float32) for count in (batch, n))
    matrix = aligned_copy(matrix, np.float32)
    factor, out = matrix.T if transposed else matrix, np.empty_like(rows)
    sides: dict[str, Side] = {"NumPy": lambda: np.matmul(rows, factor, out=out)}
    for name, engine in numpy_engines().items():
        sides[name] = _side(engine.product, rows, matrix, transposed)
    return take_turns(sides, turns=scope.turns, least_seconds=scope.least_seconds)


def _side(product: Callable[..., Any], rows: Any, matrix: Any, transposed: bool) -> Side:
    """Return a product that uses the memory of the call before."""
    buffers = Buffers()

    def side() -> None:
        with reuse(buffers):
            product(rows, matrix, transposed)

    return side


def _row(case: tuple[int, int, bool], engine: float, numpy: float) -> tuple[Any, ...]:
    n, batch, transposed = case
    operations = 2 * batch * n * n / 1e9
    kind = "rows @ matrix.T" if transposed else "rows @ matrix"
    return n, batch, kind, numpy / engine, 1e6 * engine, operations / engine, operations / numpy
