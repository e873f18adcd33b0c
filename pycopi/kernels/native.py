"""The hot operations on NumPy matrices, in the C core; a BLAS with several threads helps it.

The kernel of the C core runs on one thread. Measured on Zen 4 in float32, n = 1024 to 4096: it is no
slower than OpenBLAS on one thread at any rank; OpenBLAS on two idle cores breaks even at a rank of 64
to 100 and is 1.2 to 1.4 times faster at 128, 1.7 times at 1000, but on busy cores its threads wait for
each other, and it may be many times slower. So it gets the large ranks only, in few and large blocks:
the C core scales and adds each block while it is in the cache.
"""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pycopi._array import Array, may_overwrite
from pycopi.kernels import buffers

try:
    from pycopi import _core
except ImportError:  # a pure-Python build
    available = False
else:
    available = True

Matrix = NDArray[Any]

_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
_BLAS_RANK = 128  # from this rank on, two threads of BLAS are faster than one of the C core ...
_BLAS_SIZE = 1 << 18  # ... where the matrix has so many elements
_BLOCK = 2048  # rows and columns of a block


def _blas_threads() -> int:
    # What BLAS libraries go by when they are loaded. A later change costs time, nothing else.
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        if (value := os.environ.get(name, "")).isdecimal() and int(value):
            return int(value)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_threaded = _blas_threads() > 1


def accepts(matrix: Array) -> bool:
    """Return whether this engine takes ``matrix``: NumPy, float32 or float64, rows contiguous."""
    return (
        type(matrix) is np.ndarray
        and matrix.dtype in _DTYPES
        and matrix.ndim == 2
        and matrix.strides[1] == matrix.itemsize
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
    inputs = (
        _contiguous(left),
        _contiguous(right),
        scale,
        None if row_scale is None else _contiguous(row_scale),
        None if column_scale is None else _contiguous(column_scale),
    )
    overwrite = may_overwrite("matrix", matrix, copy, left, right, row_scale, column_scale)
    out = matrix if overwrite else np.empty(matrix.shape, matrix.dtype)
    _write(out, matrix, *inputs)
    return out


def product(rows: Matrix, matrix: Matrix, transposed: bool) -> Matrix:
    """Return ``rows @ matrix``, or ``rows @ matrix.T``."""
    out = buffers.empty((rows.shape[0], matrix.shape[0 if transposed else 1]), matrix.dtype)
    _core.product(out, _contiguous(rows), matrix, transposed)
    return out


def _contiguous(array: Matrix) -> Matrix:
    fits = array.strides[-1] == array.itemsize and array.flags.aligned
    return array if fits else np.array(array, order="C")


def _write(
    out: Matrix,
    matrix: Matrix,
    left: Matrix,
    right: Matrix,
    scale: float,
    row_scale: Matrix | None,
    column_scale: Matrix | None,
) -> None:
    if not (_threaded and len(left) >= _BLAS_RANK and out.size >= _BLAS_SIZE):
        _core.rank_k_update(out, matrix, left, right, scale, row_scale, column_scale)
        return
    m, n = out.shape
    product = np.empty((min(m, _BLOCK), min(n, _BLOCK)), out.dtype)
    for i in range(0, m, _BLOCK):
        rows = slice(i, i + _BLOCK)
        for j in range(0, n, _BLOCK):
            columns = slice(j, j + _BLOCK)
            block = out[rows, columns]
            part = product[: block.shape[0], : block.shape[1]]
            np.matmul(left[:, rows].T, right[:, columns], out=part)
            _core.rank_k_update(
                block,
                matrix[rows, columns],
                left[:0, rows],
                right[:0, columns],
                scale,
                None if row_scale is None else row_scale[rows],
                None if column_scale is None else column_scale[columns],
                part,
            )
