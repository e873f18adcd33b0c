"""The hot operations on CuPy matrices: cuBLAS in place, and a kernel that scales and adds few ranks.

Not run on a GPU yet. Nothing here waits for the device: shapes and flags are all that the host looks at.
An update of few ranks is one sweep by `update.cu`. Of more ranks it is a product by cuBLAS that adds to the
matrix (``beta = 1``), after one sweep that scales it, where there is something to scale.
"""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, is_cupy, may_overwrite, namespace
from pycopi.kernels import portable
from pycopi.kernels.portable import RankK

SOURCE = Path(__file__).with_name("update.cu")
TYPES = {"float32": "float", "float64": "double"}
"""The dtypes that this engine takes, and what they are called in `update.cu`."""

_FEW = 8  # ranks that one sweep adds by itself; a guess until it is measured on a GPU
_THREADS = 256
_ROWS = 1024  # most rows of the grid


class Plan(NamedTuple):
    """What makes an update: a sweep that scales and adds ``swept`` ranks, a copy, a product that adds all."""

    swept: int | None
    copied: bool
    multiplied: bool


def plan(ranks: int, *, scaled: bool, overwrite: bool) -> Plan:
    """Return how to update by so many ranks."""
    if ranks <= _FEW:
        return Plan(ranks, False, False)
    return Plan(0 if scaled else None, not scaled and not overwrite, True)


def grid(shape: tuple[int, int]) -> tuple[tuple[int, int], tuple[int]]:
    """Return the grid and the block of threads that sweep a matrix (m, n)."""
    m, n = shape
    return (-(-n // _THREADS), min(m, _ROWS)), (_THREADS,)


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
    if not isinstance(scale, (int, float)):  # computed on the device: to look at it would be to wait for it
        left, scale = left * scale, 1.0
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


product, stream_block = portable.product, portable.stream_block
move = portable.move
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
    _kernel(str(matrix.dtype))(*grid(matrix.shape), arguments)


def _add_product(out: Array, left: Array, right: Array, scale: float) -> None:
    from cupy import cublas

    cublas.gemm("T", "N", left, right, out=out, alpha=float(scale), beta=1.0)


@functools.cache
def _kernel(dtype: str) -> Any:
    """Return the kernel for a dtype, which CuPy compiles at its first launch and keeps on disk."""
    import cupy

    return cupy.RawKernel(SOURCE.read_text(), "update", options=(f"-DREAL={TYPES[dtype]}",))
