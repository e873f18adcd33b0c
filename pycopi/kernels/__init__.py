"""The hot operations: ``portable`` defines them, the other engines do the same faster.

The functions here choose the engine and check nothing; the public, checked ones are built on them.
"""

from typing import Any

from pycopi._array import Array
from pycopi.kernels.engine import engine_for
from pycopi.kernels.portable import Block, Bound, RankK
from pycopi.kernels.sample_rule import SampleRule, coefficients

__all__ = [
    "Block",
    "Bound",
    "RankK",
    "SampleRule",
    "apply",
    "coefficients",
    "move",
    "product",
    "pull_then_update",
    "stream_block",
    "update_then_project",
]


def apply(matrix: Array, change: RankK, copy: bool | None = None) -> Array:
    """Return the rank-k update of ``matrix`` that ``change`` describes; see `pycopi.rank_k_update`."""
    return engine_for(matrix).rank_k_update(matrix, change, copy)


def stream_block(projected: Array, rule: SampleRule) -> Block:
    """Return what a block of samples, each after the other, makes of a decorrelating matrix R0.

    ``projected`` is Y R0.T (k, n), k at least 1; afterwards R is ``diag(s) R0 + U.T (V R0)``.
    """
    return engine_for(projected).stream_block(projected, rule)


def update_then_project(
    matrix: Array,
    update: RankK | None,
    sample: Array,
    *,
    back: bool = True,
    copy: bool | None = None,
) -> tuple[Array, Array, Array | None]:
    """Return the updated matrix M (m, n), ``x = M sample`` (m,), and ``M.T x`` (n,), or None without ``back``.

    The update has rank 1. The compiled engines read and write M once, and write only where there is an update.
    """
    return engine_for(matrix).update_then_project(matrix, update, sample, back, copy)


def pull_then_update(
    matrix: Array, vector: Array | None, update: RankK | None, *, copy: bool | None = None
) -> tuple[Array, Array | None]:
    """Return the updated matrix (m, n), and ``vector`` (m,) times the matrix as it was before, (n,), or None.

    The update has rank 1. The compiled engines read and write the matrix once, and write only where there is
    an update.
    """
    return engine_for(matrix).pull_then_update(matrix, vector, update, copy)


def product(rows: Array, matrix: Array, *, transposed: bool = False) -> Array:
    """Return ``rows @ matrix``, or ``rows @ matrix.T``, for a matrix (m, n) and a batch of rows."""
    return engine_for(matrix).product(rows, matrix, transposed)


def move(
    matrix: Array,
    velocity: Array | None,
    change: RankK,
    *,
    kept: Any = 1.0,
    bound: Bound | None = None,
    copy: bool | None = None,
) -> tuple[Array, Array | None]:
    """Return ``kept * matrix`` plus a step, and that step where there is a velocity, or None; all (m, n).

    The step is what ``change`` makes of the velocity, or of zeros, and no row of it is longer than its bound. A
    change has no column scale here. The C core makes a few rows of the step at a time, and never all of it.
    """
    return engine_for(matrix).move(matrix, velocity, change, kept, bound, copy)
