"""The hot operations on CuPy matrices: cuBLAS in place, and kernels that read and write a matrix once.

Nothing here waits for the device: shapes and flags are all that the host looks at. An update is a product by
cuBLAS that adds to the matrix (``beta = 1``). Where the matrix is scaled or copied as well, a sweep by
`update.cu` does that, and adds few ranks by itself.
"""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, is_cupy, may_overwrite, namespace
from pycopi.kernels import cublas, portable
from pycopi.kernels.portable import Bound, RankK

SOURCE = Path(__file__).with_name("update.cu")
TYPES = {"float32": "float", "float64": "double"}
"""The dtypes that this engine takes, and what they are called in `update.cu`."""

_FEW = 16  # ranks that one sweep adds by itself
_THREADS = 256
_AT_ONCE = 8  # rows of a column that a thread takes, as `update.cu` says
_ROWS = 1024  # most rows of the grid


class Plan(NamedTuple):
    """What makes an update: a sweep that scales and adds ``swept`` ranks, a copy, a product that adds all."""

    swept: int | None
    copied: bool
    multiplied: bool


def plan(ranks: int, *, scaled: bool, overwrite: bool) -> Plan:
    """Return how to update by so many ranks."""
    if overwrite and not scaled:
        return Plan(None, False, True)
    if ranks <= _FEW:
        return Plan(ranks, False, False)
    return Plan(0 if scaled else None, not scaled, True)


def grid(shape: tuple[int, int]) -> tuple[tuple[int, int], tuple[int]]:
    """Return the grid and the block of threads that sweep a matrix (m, n)."""
    m, n = shape
    return (-(-n // _THREADS), max(1, min(-(-m // _AT_ONCE), _ROWS))), (_THREADS,)


fault = portable.fault


def accepts(matrix: Array) -> bool:
    """Return whether this engine takes ``matrix``: CuPy, float32 or float64, contiguous."""
    return (
        is_cupy(matrix) and matrix.ndim == 2 and str(matrix.dtype) in TYPES and bool(matrix.flags.c_contiguous)
    )


def rank_k_update(matrix: Array, update: RankK, copy: bool | None) -> Array:
    """Return an updated matrix."""
    left, right, scale, row_scale, column_scale = update
    xp = namespace(matrix)
    if any(one is not None and one.dtype != matrix.dtype for one in (left, right, row_scale, column_scale)):
        return portable.rank_k_update(matrix, update, copy)
    if not isinstance(scale, (int, float)):  # computed on the device: to look at it would be to wait for it
        left, scale = left * scale.astype(left.dtype), 1.0
    overwrite = may_overwrite("matrix", matrix, copy, left, right, row_scale, column_scale)
    how = plan(left.shape[0], scaled=row_scale is not None or column_scale is not None, overwrite=overwrite)
    if not matrix.size:
        return matrix if overwrite else matrix.copy()
    out = matrix if overwrite else matrix.copy() if how.copied else xp.empty_like(matrix)
    if how.swept is not None:
        _sweep(out, matrix, left[: how.swept], right[: how.swept], scale, row_scale, column_scale)
    if how.multiplied:
        _add_product(out, left, right, scale)
    return out


stream_block = portable.stream_block


def product(rows: Array, matrix: Array, transposed: bool) -> Array:
    """Return ``rows @ matrix``, or ``rows @ matrix.T``."""
    if rows.ndim != 2 or rows.dtype != matrix.dtype or not records_products():
        return portable.product(rows, matrix, transposed)
    other = matrix.T if transposed else matrix
    out = namespace(rows).empty((rows.shape[0], other.shape[1]), dtype=rows.dtype)
    cublas.gemm(rows, other, out)
    return out


def records_products() -> bool:
    """Return whether a product can be part of what CUDA records."""
    return cublas.library() is not None


def add_bounded(
    matrix: Array, step: Array, kept: Any, bound: Bound | None, copy: bool | None
) -> tuple[Array, Array]:
    """Return ``kept * matrix + step``, and the step, of which no row is longer than its bound."""
    if not (accepts(step) and step.dtype == matrix.dtype and matrix.size):
        return portable.add_bounded(matrix, step, kept, bound, copy)
    real = matrix.dtype.type
    out = matrix if may_overwrite("matrix", matrix, copy, step) else namespace(matrix).empty_like(matrix)
    number, there = (real(kept), np.uint64(0)) if isinstance(kept, (int, float)) else (real(1), kept)
    times, least = (real(0), np.uint64(0)) if bound is None else (real(bound.times), bound.least)
    pointers = [
        one if isinstance(one, np.uint64) else one.astype(matrix.dtype, copy=False) for one in (there, least)
    ]
    sizes = [np.int64(size) for size in matrix.shape]
    arguments = (out, step, matrix, step, number, pointers[0], times, pointers[1], *sizes)
    _kernel("move", str(matrix.dtype))((min(matrix.shape[0], 65535),), (_THREADS,), arguments)
    return out, step


move = functools.partial(portable.move, apply=rank_k_update, multiply=product, add=add_bounded)
update_then_project = functools.partial(portable.update_then_project, apply=rank_k_update)
pull_then_update = functools.partial(portable.pull_then_update, apply=rank_k_update)


def _sweep(
    out: Array,
    matrix: Array,
    left: Array,
    right: Array,
    scale: float,
    row_scale: Array | None,
    column_scale: Array | None,
) -> None:
    """Launch the kernel of `update.cu`; a scale that is not there is a null pointer."""
    xp = namespace(matrix)
    inputs = [xp.ascontiguousarray(part) for part in (left, right)]
    scales = [
        np.uint64(0) if part is None else xp.ascontiguousarray(part) for part in (row_scale, column_scale)
    ]
    sizes = [np.int64(size) for size in (*matrix.shape, left.shape[0])]
    arguments = (out, matrix, *inputs, matrix.dtype.type(scale), *scales, *sizes)
    _kernel("update", str(matrix.dtype))(*grid(matrix.shape), arguments)


def _add_product(out: Array, left: Array, right: Array, scale: float) -> None:
    if records_products():
        cublas.gemm(left.T, right, out, scale, 1.0)
        return
    from cupy import cublas as own

    own.gemm("T", "N", left, right, out=out, alpha=float(scale), beta=1.0)


@functools.cache
def _kernel(name: str, dtype: str) -> Any:
    """Return a kernel for a dtype, which CuPy compiles at its first launch and keeps on disk."""
    import cupy

    return cupy.RawKernel(SOURCE.read_text(), name, options=(f"-DREAL={TYPES[dtype]}",))
