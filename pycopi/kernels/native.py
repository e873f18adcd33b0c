"""The hot operations on NumPy matrices: the C core for a small rank, BLAS by blocks of rows for a large one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pycopi._array import Array, may_overwrite

try:
    from pycopi import _core
except ImportError:  # a pure-Python build
    available = False
else:
    available = True

Matrix = NDArray[Any]

_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def accepts(matrix: Array) -> bool:
    """Return whether this engine takes ``matrix``: float32 or float64 in NumPy, with contiguous rows."""
    return (
        type(matrix) is np.ndarray
        and matrix.dtype in _DTYPES
        and matrix.ndim == 2
        and (matrix.strides[1] == matrix.itemsize or matrix.shape[1] <= 1)
        and matrix.flags.aligned
    )


def rank_k_update(
    matrix: Matrix,
    left: Matrix,
    right: Matrix,
    scale: float,
    row_scale: Matrix | None,
    column_scale: Matrix | None,
    copy: bool | None,
) -> Matrix:
    """Return ``diag(row_scale) @ matrix @ diag(column_scale) + scale * left.T @ right``."""
    out = matrix if may_overwrite("matrix", matrix, copy) else np.empty(matrix.shape, matrix.dtype)
    left, right = _contiguous_rows(left), _contiguous_rows(right)
    _core.rank_k_update(out, matrix, left, right, scale, row_scale, column_scale)
    return out


def _contiguous_rows(array: Matrix) -> Matrix:
    return array if array.strides[1] == array.itemsize else np.ascontiguousarray(array)
