"""The hot operations: ``portable`` defines them, the other engines do the same faster.

The functions here choose the engine and check nothing; the public, checked ones are built on them.
"""

from pycopi._array import Array
from pycopi.kernels.engine import engine_for

__all__ = ["product", "update"]


def update(
    matrix: Array,
    left: Array,
    right: Array,
    *,
    scale: float,
    row_scale: Array | None = None,
    column_scale: Array | None = None,
    copy: bool | None = None,
) -> Array:
    """Return the rank-k update of ``matrix`` by the engine that fits it; see `pycopi.rank_k_update`."""
    engine = engine_for(matrix)
    return engine.rank_k_update(matrix, left, right, scale, row_scale, column_scale, copy)


def product(rows: Array, matrix: Array, *, transposed: bool = False) -> Array:
    """Return ``rows @ matrix``, or ``rows @ matrix.T``, for a matrix (m, n) and a batch of rows."""
    return engine_for(matrix).product(rows, matrix, transposed)
