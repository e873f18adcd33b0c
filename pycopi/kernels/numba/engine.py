"""The hot operations on NumPy matrices, compiled by Numba where there is no C core.

Products are BLAS's, and so is an update of many ranks, in which the portable engine is as fast.
"""

import functools
from typing import Any

import numpy as np

from pycopi import _buffers as buffers
from pycopi._array import aligned_empty
from pycopi.kernels import native, portable
from pycopi.kernels.native import Matrix
from pycopi.kernels.numba import threads
from pycopi.kernels.numba.compiler import compiled
from pycopi.kernels.portable import Block, RankK
from pycopi.kernels.sample_rule import SampleRule

_MOST_RANKS = 64  # of an update that is not left to BLAS, and ...
_NARROW, _MOST_OF_NARROW = 32, 8  # ... where the columns are fewer than two registers hold
# Numbers beside a strip's: eight registers, and as many as keep two threads out of one line of the cache.
_BLOCK = 128 + 32


accepts = native.accepts


def rank_k_update(matrix: Matrix, update: RankK, copy: bool | None) -> Matrix:
    """Return an updated matrix."""
    left, right, scale, row_scale, column_scale = update
    if len(left) > (_MOST_OF_NARROW if matrix.shape[1] < _NARROW else _MOST_RANKS):
        updated: Matrix = portable.rank_k_update(matrix, update, copy)
        return updated
    none = _nothing(matrix.dtype, 1)
    rows, columns = (none if part is None else _compact(part) for part in (row_scale, column_scale))
    overwrite = native.overwrites(matrix, copy, left, right, row_scale, column_scale)
    out = matrix if overwrite else np.empty(matrix.shape, matrix.dtype)
    compact = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    _update(compact, _compact(matrix), _compact(left), _compact(right), scale, rows, columns)
    if compact is not out:
        out[...] = compact
    return out


def _update(
    out: Matrix, matrix: Matrix, left: Matrix, right: Matrix, scale: float, rows: Matrix, columns: Matrix
) -> None:
    """Write an update to ``out``, which shares no memory with what is not ``matrix``."""
    k, (m, n) = len(left), out.shape
    if not (m and n):
        return
    parts = threads.parts_of(m * n * (k + 8))
    strips = np.empty((parts, 4 * k + _BLOCK), out.dtype) if k != 1 else _nothing(out.dtype, 2)
    _run("update", out.dtype, out, matrix, left, right, strips, scale, rows, columns, parts)


def _run(name: str, dtype: Any, *arguments: Any) -> Any:
    """Return what a loop returns, whose last argument is the number of parts; in threads, if there are any."""
    shared = arguments[-1] > 1 and threads.claim()
    try:
        return compiled(name, dtype, shared)(*arguments)
    finally:
        if shared:
            threads.give_back()


def product(rows: Matrix, matrix: Matrix, transposed: bool) -> Matrix:
    """Return ``rows @ matrix``, or ``rows @ matrix.T``."""
    matrix = matrix.T if transposed else matrix
    out = buffers.empty((rows.shape[0], matrix.shape[1]), matrix.dtype)
    return np.matmul(rows, matrix, out=out)


move = functools.partial(portable.move, apply=rank_k_update, multiply=product)


def stream_block(projected: Matrix, rule: SampleRule) -> Block:
    """Return what the samples of a block make of the matrix; see `pycopi.kernels.portable.stream_block`."""
    k, n = projected.shape
    dtype = projected.dtype
    lanes = 64 // dtype.itemsize  # of the widest register
    width = -(-n // (4 * lanes)) * 4 * lanes
    if width * dtype.itemsize % 4096 == 0:  # rows that far apart would share the same few lines of the cache
        width += 4 * lanes
    memory = aligned_empty((4 * k + 1, width), dtype)
    (padded, x, left, right), scales = memory[:-1].reshape(4, k, width), memory[-1]
    padded[:, :n], padded[:, n:] = projected, 0
    partial, weights, powers = aligned_empty((k, lanes), dtype), np.empty(k, dtype), np.empty(k, dtype)
    function = compiled("stream", dtype, False)
    function(x, left, right, scales, powers, padded, *rule, partial, weights)
    x, left, right = (np.ascontiguousarray(rows[:, :n]) for rows in (x, left, right))
    return Block(x, left, right, scales[:n], powers)


def update_then_project(
    matrix: Matrix, update: RankK | None, sample: Matrix, back: bool, copy: bool | None
) -> tuple[Matrix, Matrix, Matrix | None]:
    """Return the updated matrix M, ``x = M sample``, and with ``back`` also ``M.T x``; one sweep of M."""
    matrix = _own(matrix, update, copy, sample)
    projected = np.zeros(matrix.shape[0], matrix.dtype)
    returned = _sweep(matrix, update, projected, sample=sample, sums=back)
    return matrix, projected, returned


def pull_then_update(
    matrix: Matrix, vector: Matrix | None, update: RankK | None, copy: bool | None
) -> tuple[Matrix, Matrix | None]:
    """Return the updated matrix, and ``vector`` times the matrix as it was before; one sweep of the matrix."""
    matrix = _own(matrix, update, copy, vector)
    pulled = _sweep(matrix, update, np.empty(0, matrix.dtype), vector=vector, sums=vector is not None)
    return matrix, pulled


def _own(matrix: Matrix, update: RankK | None, copy: bool | None, other: Matrix | None) -> Matrix:
    """Return the matrix itself where it may be overwritten or stays as it is, otherwise a copy."""
    if update is None:
        return matrix
    left, right, _, row_scale, column_scale = update
    overwrite = native.overwrites(matrix, copy, left, right, row_scale, column_scale, other)
    return matrix if overwrite else np.array(matrix, order="C")


def _sweep(
    matrix: Matrix,
    update: RankK | None,
    projected: Matrix,
    *,
    sample: Matrix | None = None,
    vector: Matrix | None = None,
    sums: bool,
) -> Matrix | None:
    """Change a matrix in place, fill ``projected``, and return the sums over rows, with ``sums``."""
    n = matrix.shape[1]
    if not matrix.size:
        return np.zeros(n, matrix.dtype) if sums else None
    compact = matrix if matrix.flags.c_contiguous and matrix.flags.writeable else np.array(matrix, order="C")
    none = _nothing(matrix.dtype, 1)
    vectors = [none if part is None else _compact(part) for part in (vector, sample)]
    left, right, scale, *scales = update or RankK(none[None, :], none[None, :], 1.0)
    scales = [none if part is None else _compact(part) for part in scales]
    parts = threads.parts_of(8 * matrix.size)
    partial = np.empty((parts if sums else 0, n), matrix.dtype)
    outer = _compact(left), _compact(right)
    arguments = compact, partial, projected, vectors[0], *outer, *scales, vectors[1], scale, parts
    _run("sweep", matrix.dtype, *arguments)
    if update is not None and compact is not matrix:
        matrix[...] = compact
    return partial.sum(axis=0) if sums else None


@functools.cache
def _nothing(dtype: Any, dimensions: int) -> Matrix:
    """Return the array that stands for one that is not there."""
    return np.empty((0,) * dimensions, dtype)


def _compact(array: Matrix) -> Matrix:
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else np.array(array, order="C")
