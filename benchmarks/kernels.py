"""The hot operations by size, for each engine that works on NumPy arrays here.

The rank-k update, in `benchmarks.rank_k`; a batch of rows times a matrix and its transpose; and the part of a
stream that no matrix product can do.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks import rank_k
from benchmarks.sides import Side, numpy_engines, take_turns
from benchmarks.stream import RATE
from benchmarks.table import Column, Scope, Table
from pycopi._array import aligned_copy
from pycopi._buffers import Buffers, reuse
from pycopi.kernels import SampleRule

_WIDTHS, _BATCHES = (500, 1000, 3072), (50, 100)

_HOW_PRODUCTS = (
    "Rows (batch, n) times an n by n matrix, which begins at a cache line, into memory that is there; NumPy is "
    "`np.matmul` with `out`. Its seconds are divided by those of the engine."
)

_LENGTHS, _BLOCK = (784, 1024, 3072), 64
_RULE = SampleRule(RATE, bound=1.0)  # as `decorrelate_stream` has it

_HOW_BLOCK = (
    f"What a block of {_BLOCK} samples makes of the matrix, after their product with it: per sample, and "
    "against the portable engine. GFLOP/s counts 4 n (k - 1) operations a sample, for blocks of k."
)


def tables(scope: Scope) -> Iterator[Table]:
    """Return the tables of rank-k updates, of a batch times a matrix, and of the loop in a stream."""
    yield from rank_k.tables(scope)
    yield from _products(scope)
    yield from _stream_block(scope)


def _products(scope: Scope) -> Iterator[Table]:
    """Return a table of a batch times a matrix for each engine."""
    sizes, batches = ((16,), (3,)) if scope.quick else (_WIDTHS, _BATCHES)
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
            [_HOW_PRODUCTS],
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


def _stream_block(scope: Scope) -> Iterator[Table]:
    """Return the table of the sequential part of a stream."""
    engines = numpy_engines()
    rows = []
    for n in (16,) if scope.quick else _LENGTHS:
        projected = np.random.default_rng(0).random((_BLOCK, n), np.float32)
        sides = {name: partial(engine.stream_block, projected, _RULE) for name, engine in engines.items()}
        seconds = take_turns(sides, turns=scope.turns, least_seconds=scope.least_seconds)
        rows += [
            (
                n,
                name,
                seconds["portable"] / value,
                1e6 * value / _BLOCK,
                4e-9 * n * _BLOCK * (_BLOCK - 1) / value,
            )
            for name, value in seconds.items()
        ]
    yield Table(
        "stream-block",
        "The sequential part of a stream, float32",
        [
            Column("n"),
            Column("engine"),
            Column("portable / engine", ".1f"),
            Column("us a sample", ".2f"),
            Column("GFLOP/s", ".1f"),
        ],
        rows,
        [_HOW_BLOCK],
    )
