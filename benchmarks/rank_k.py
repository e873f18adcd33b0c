"""The rank-k update by size and rank, for each engine, against NumPy, SciPy and the limits of the machine."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.machine import sweeper
from benchmarks.sides import Side, installed, left_out, numpy_engines, take_turns
from benchmarks.table import Column, Scope, Table
from pycopi._array import aligned_copy
from pycopi.kernels import RankK
from pycopi.kernels.protocol import Engine

_SIZES, _RANKS = (256, 1024, 3072, 4096), (1, 8, 50, 128, 1000)
_SCALE = 1e-9  # values stay small over many calls


_HOW = (
    "Both in place, of an n by n matrix that begins at a cache line, as pycopi's parameters do. Plain: "
    "`M + scale * left.T @ right`; scaled: `M * column_scale + ...`. NumPy is that expression; gemm is SciPy's "
    "with beta = 1, in place. Product: `np.matmul` of left.T and right alone, into an array that is there; "
    "sweep: the same matrix read and written once."
)


def tables(scope: Scope) -> Iterator[Table]:
    """Return one table for each engine of this installation."""
    sizes, ranks = ((16,), (1, 3)) if scope.quick else (_SIZES, _RANKS)
    found = {(n, k): _measure(n, k, scope) for n in sizes for k in ranks}
    for engine in numpy_engines():
        yield Table(
            f"rank-k-{engine}",
            f"rank_k_update in float32, engine {engine}",
            [
                Column("n"),
                Column("k"),
                Column("NumPy / scaled", ".2f"),
                Column("NumPy / plain", ".2f"),
                Column("gemm / plain", ".2f"),
                Column("plain / native", ".2f"),
                Column("plain, us", ".1f"),
                Column("GFLOP/s", ".0f"),
                Column("GB/s", ".1f"),
                Column("product GFLOP/s", ".0f"),
                Column("sweep GB/s", ".1f"),
            ],
            [_row(n, k, engine, seconds) for (n, k), seconds in found.items()],
            [_HOW, *left_out("scipy", "gemm")],
        )


def _measure(n: int, k: int, scope: Scope) -> dict[str, float]:
    """Return the seconds of each side for n by n matrices and rank k."""
    generator = np.random.default_rng(0)
    matrix = aligned_copy(generator.standard_normal((n, n), np.float32), np.float32)
    columns = np.ones(n, np.float32)
    left, right = (generator.standard_normal((k, n), np.float32) for _ in range(2))
    product = np.empty_like(matrix)
    sides: dict[str, Side] = {
        "NumPy plain": lambda: matrix + _SCALE * (left.T @ right),
        "NumPy scaled": lambda: matrix * columns + _SCALE * (left.T @ right),
        "product": lambda: np.matmul(left.T, right, out=product),
    }
    for name, engine in numpy_engines().items():
        sides |= _engine_sides(name, engine, matrix, left, right, columns)
    if installed("scipy"):
        sides["gemm"] = _gemm(matrix, left, right)
    with sweeper(matrix) as sweep:
        sides["sweep"] = sweep
        return take_turns(sides, turns=scope.turns, least_seconds=scope.least_seconds)


def _engine_sides(
    name: str, engine: Engine, matrix: Any, left: Any, right: Any, columns: Any
) -> dict[str, Side]:
    plain, scaled = RankK(left, right, _SCALE), RankK(left, right, _SCALE, None, columns)
    return {
        f"{name} plain": lambda: engine.rank_k_update(matrix, plain, False),
        f"{name} scaled": lambda: engine.rank_k_update(matrix, scaled, False),
    }


def _gemm(matrix: Any, left: Any, right: Any) -> Side:
    """Return SciPy's product in place: its column-major BLAS sees the transposes."""
    from scipy.linalg.blas import sgemm

    return lambda: sgemm(_SCALE, right.T, left.T, beta=1.0, c=matrix.T, trans_b=True, overwrite_c=True)


def _row(n: int, k: int, engine: str, seconds: dict[str, float]) -> tuple[Any, ...]:
    plain, scaled = seconds[f"{engine} plain"], seconds[f"{engine} scaled"]
    operations, swept = 2 * n * n * k / 1e9, 2 * 4 * n * n / 1e9
    gemm, native = seconds.get("gemm"), seconds.get("native plain")
    return (
        n,
        k,
        seconds["NumPy scaled"] / scaled,
        seconds["NumPy plain"] / plain,
        gemm and gemm / plain,
        native and plain / native,
        1e6 * plain,
        operations / plain,
        swept / plain,
        operations / seconds["product"],
        swept / seconds["sweep"],
    )
