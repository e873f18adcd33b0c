"""The hot operations on NumPy matrices, compiled by Numba where there is no C core.

Numba is imported, and a function compiled, when it is first needed; compiled code is kept on disk. Products
are BLAS's. So is a rank-k update of many rows, in blocks that are still in the cache when they are scaled and
added.

Threads share the rows of a large matrix where Numba runs them by OpenMP or TBB. One Python thread at a time has
them, and a forked child has none: with OpenMP they do not live on there, and Numba would end the process.
"""

import functools
import hashlib
import importlib
import importlib.util
import os
import pathlib
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from pycopi._array import Array, aligned_empty
from pycopi.kernels import buffers, native
from pycopi.kernels.native import Matrix
from pycopi.kernels.portable import Block, RankK
from pycopi.kernels.sample_rule import SampleRule

available = importlib.util.find_spec("numba") is not None

_DEEP = 12, 1 << 19  # ranks and multiplications from which it pays to pack right and left, and so ...
_UNEVEN = 4, 1 << 17  # ... where the columns do not fill the registers
_COLUMNS = 32  # that do, whatever dtype and processor
_LINE = 32  # numbers, as many as keep what two threads write out of one line of the cache
_SHARED_WORK = 1e6  # operations from which two threads are faster than one


def accepts(matrix: Array) -> bool:
    """Return whether this engine takes ``matrix``: what the C core takes."""
    return native.accepts(matrix)


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
    none = _nothing(matrix.dtype, 1)
    rows = none if row_scale is None else _compact(row_scale)
    columns = none if column_scale is None else _compact(column_scale)
    x, y, flags = _compact(left), _compact(right), matrix.flags
    as_given = x is left and y is right and (rows is row_scale or rows is none)
    as_given = as_given and (columns is column_scale or columns is none)
    if as_given and copy is not True and flags.c_contiguous and flags.writeable:
        if _update(matrix, matrix, x, y, scale, rows, columns):
            return matrix
    overwrite = native.overwrites(matrix, copy, left, right, row_scale, column_scale)
    out = matrix if overwrite else np.empty(matrix.shape, matrix.dtype)
    compact = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    _update(compact, _compact(matrix), x, y, scale, rows, columns)
    if compact is not out:
        out[...] = compact
    return out


def _update(
    out: Matrix, matrix: Matrix, left: Matrix, right: Matrix, scale: float, rows: Matrix, columns: Matrix
) -> bool:
    """Write an update to ``out``; return False where it shares memory with what is not ``matrix``."""
    k, (m, n) = len(left), out.shape
    if not (m and n):
        return True
    parts = _claim_threads(m * n * (k + 8))
    try:
        if _is_deep(k, m, n):
            work = np.empty(_deep_memory()(right.shape, out.itemsize, parts), out.dtype)
            function = _compiled("update_deep", out.dtype, parts > 1)
        else:
            work = np.empty((parts, 4 * k + _LINE), out.dtype) if k != 1 else _nothing(out.dtype, 2)
            function = _compiled("update", out.dtype, parts > 1)
        done: bool = function(out, matrix, left, right, work, scale, rows, columns, parts)
        return done
    finally:
        _return_threads(parts)


def _is_deep(k: int, m: int, n: int) -> bool:
    """Return whether an update by so many ranks is worth packing them."""
    ranks, work = _UNEVEN if n % _COLUMNS else _DEEP
    return k >= ranks and k * m * n >= work


@functools.cache
def _deep_memory() -> Callable[..., int]:
    from pycopi.kernels.numba_deep import memory

    return memory


def product(rows: Matrix, matrix: Matrix, transposed: bool) -> Matrix:
    """Return ``rows @ matrix``, or ``rows @ matrix.T``."""
    matrix = matrix.T if transposed else matrix
    out = buffers.empty((rows.shape[0], matrix.shape[1]), matrix.dtype)
    return np.matmul(rows, matrix, out=out)


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
    function = _compiled("stream", dtype, False)
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
    """Change a matrix in place, fill ``projected``, and return the sums over rows that were asked for."""
    n = matrix.shape[1]
    if not matrix.size:
        return np.zeros(n, matrix.dtype) if sums else None
    compact = matrix if matrix.flags.c_contiguous and matrix.flags.writeable else np.array(matrix, order="C")
    none = _nothing(matrix.dtype, 1)
    vectors = [none if part is None else _compact(part) for part in (vector, sample)]
    left, right, scale, *scales = update or RankK(none[None, :], none[None, :], 1.0)
    scales = [none if part is None else _compact(part) for part in scales]
    parts = _claim_threads(8 * matrix.size)
    try:
        gathered = np.empty((parts if sums else 0, n), matrix.dtype)
        _compiled("sweep", matrix.dtype, parts > 1)(
            compact,
            gathered,
            projected,
            vectors[0],
            _compact(left),
            _compact(right),
            *scales,
            vectors[1],
            scale,
            parts,
        )
    finally:
        _return_threads(parts)
    if update is not None and compact is not matrix:
        matrix[...] = compact
    return gathered.sum(axis=0) if sums else None


@functools.cache
def _nothing(dtype: Any, dimensions: int) -> Matrix:
    """Return the array that stands for one that is not there."""
    return np.empty((0,) * dimensions, dtype)


def _compact(array: Matrix) -> Matrix:
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else np.array(array, order="C")


_lock = threading.Lock()


@functools.cache
def _compiled(name: str, dtype: Any, shared: bool) -> Callable[..., Any]:
    """Return a loop, compiled for a dtype; its arguments may be read-only where they are read."""
    import numba

    from pycopi.kernels.numba_loops import OPTIONS

    module = importlib.import_module(f"pycopi.kernels.numba_{name.removeprefix('update_')}")
    function = getattr(module, f"{name}_shared" if shared else name)
    function.__qualname__ = f"{function.__name__}_{_digest()}"  # by which the file with the code is named
    signature = getattr(module, f"{name}_signature")(numba.from_dtype(dtype))
    options = {"cache": True, "parallel": shared, **OPTIONS}
    compiled: Callable[..., Any] = numba.njit(signature, **options)(function)
    return compiled


@functools.cache
def _digest() -> str:
    """Return a digest of all loops: of changes in what one imports Numba knows nothing, and runs old code."""
    sources = sorted(pathlib.Path(__file__).parent.glob("numba_*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]


@functools.cache
def _shareable_threads() -> int:
    """Return how many threads may share a matrix; 1 where threads of Python could not start them safely."""
    import numba

    try:
        importlib.import_module("numba.np.ufunc.omppool")
    except ImportError:
        return 1
    return int(numba.config.NUMBA_NUM_THREADS)


_forked = False


def _note_fork() -> None:
    global _forked, _lock
    _forked, _lock = True, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def threads() -> int:
    """Return how many threads a large operation from this thread would use now."""
    return 1 if _forked or _lock.locked() else _shareable_threads()


def _claim_threads(work: float) -> int:
    """Return how many threads pay for so much work, to be returned after it.

    One Python thread at a time has more than one, the others do without.
    """
    if work < _SHARED_WORK or _forked or _shareable_threads() == 1 or not _lock.acquire(blocking=False):
        return 1
    return _shareable_threads()


def _return_threads(parts: int) -> None:
    if parts > 1:
        _lock.release()
