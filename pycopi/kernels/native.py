"""The hot operations on NumPy matrices, in the C core, with products of few rows left to BLAS.

The core has a small pool of threads, as many as OpenMP is set to use, and splits no sum of an update or product
among them, so that their number changes no bit. BLAS has threads of its own, which spin for a while after each
call on processors that the core may need: a step that alternated between the two would take twice as long.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pycopi import _buffers as buffers
from pycopi._array import Array, may_overwrite
from pycopi.kernels import portable
from pycopi.kernels.portable import Block, Bound, RankK
from pycopi.kernels.sample_rule import SampleRule

Matrix = NDArray[Any]

_fault: str | None = None
installed = True
try:
    import pycopi._core as _core

    row_forward, row_learn = _core.row_forward, _core.row_learn
except ModuleNotFoundError:
    installed = False
    _fault = "pycopi was built without its C core; reinstall it on a machine with a C compiler"
except Exception as error:  # of a core that is there, whatever the system or Python raises
    _fault = f"pycopi's C core cannot be loaded ({type(error).__name__}: {error}); reinstall pycopi here"

available = _fault is None

_TYPES = (np.ndarray, np.memmap)
_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
_MOST_RANKS = 1024  # of a step in one pass, for which all of one factor is packed
_FEWEST_ROWS = 4  # of a product: for fewer BLAS is faster


def fault() -> str | None:
    """Return why this engine cannot do the work here and what to do about it, or None."""
    return _fault


def accepts(matrix: Array) -> bool:
    """Return whether this engine takes ``matrix``: NumPy or a memory map, real, rows contiguous."""
    if type(matrix) not in _TYPES or matrix.dtype not in _DTYPES or matrix.ndim != 2:
        return False
    flags = matrix.flags
    return bool(flags.aligned and (flags.c_contiguous or matrix.strides[1] == matrix.itemsize))


def rank_k_update(matrix: Matrix, update: RankK, copy: bool | None) -> Matrix:
    """Return an updated matrix."""
    left, right, scale, row_scale, column_scale = update
    if copy is not True:
        try:
            if len(left) == 1:  # not by `_sweep`: where a matrix is small, calls count
                _core.sweep(
                    matrix, None, None, None, None, left[0], right[0], row_scale, column_scale, None, scale
                )
            else:
                _core.rank_k_update(matrix, matrix, left, right, scale, row_scale, column_scale)
        except ValueError:  # what the core refuses, it leaves as it was: find out below what can be done
            pass
        else:
            return matrix
    if len(left) == 1:
        return _sweep(matrix, update, copy)
    overwrite = overwrites(matrix, copy, left, right, row_scale, column_scale)
    out = matrix if overwrite else np.empty(matrix.shape, matrix.dtype)
    left, right = _contiguous(left), _contiguous(right)
    _core.rank_k_update(out, matrix, left, right, scale, _optional(row_scale), _optional(column_scale))
    return out


def product(rows: Matrix, matrix: Matrix, transposed: bool) -> Matrix:
    """Return ``rows @ matrix``, or ``rows @ matrix.T``."""
    count = len(rows)
    out = buffers.empty((count, matrix.shape[not transposed]), matrix.dtype)
    if count < _FEWEST_ROWS:
        return np.matmul(_contiguous(rows), matrix.T if transposed else matrix, out=out)
    columns = rows.flags.f_contiguous and rows.flags.aligned
    _core.product(out, rows.T if columns else _contiguous(rows), matrix, columns, transposed)
    return out


def overwrites(matrix: Matrix, copy: bool | None, *inputs: Matrix | None) -> bool:
    """Return what `may_overwrite` does; the usual answer costs a tenth of its time."""
    if copy is True:
        return False
    if matrix.flags.writeable:
        for array in inputs:  # a generator would take longer than the questions
            if array is not None and np.may_share_memory(matrix, array):
                break
        else:
            return True
    return may_overwrite("matrix", matrix, copy, *inputs)


def _contiguous(array: Matrix) -> Matrix:
    fits = array.strides[-1] == array.itemsize and array.flags.aligned
    return array if fits else np.array(array, order="C")


def stream_block(projected: Matrix, rule: SampleRule) -> Block:
    """Return what the samples of a block make of the matrix; see `pycopi.kernels.portable.stream_block`."""
    (k, n), dtype = projected.shape, projected.dtype
    decorrelated, left, right = (buffers.empty((k, n), dtype) for _ in range(3))
    block = Block(decorrelated, left, right, buffers.empty((n,), dtype), buffers.empty((k,), dtype))
    _core.stream_block(*block, projected, *rule)
    return block


def update_then_project(
    matrix: Matrix, update: RankK | None, sample: Matrix, back: bool, copy: bool | None
) -> tuple[Matrix, Matrix, Matrix | None]:
    """Return the updated matrix M, ``x = M sample``, and with ``back`` also ``M.T x``; one sweep of M."""
    projected = buffers.empty(matrix.shape[:1], matrix.dtype)
    returned = buffers.empty(matrix.shape[1:], matrix.dtype) if back else None
    matrix = _sweep(matrix, update, copy, projected=projected, returned=returned, sample=sample)
    return matrix, projected, returned


def pull_then_update(
    matrix: Matrix, vector: Matrix | None, update: RankK | None, copy: bool | None
) -> tuple[Matrix, Matrix | None]:
    """Return the updated matrix, and ``vector`` times the matrix as it was before; one sweep of the matrix."""
    pulled = None if vector is None else buffers.empty(matrix.shape[1:], matrix.dtype)
    return _sweep(matrix, update, copy, pulled=pulled, vector=vector), pulled


def move(
    matrix: Matrix, velocity: Matrix | None, change: RankK, kept: Any, bound: Bound | None, copy: bool | None
) -> tuple[Matrix, Matrix | None]:
    """Return ``kept * matrix`` plus a step, and the step where there is a velocity; in one pass."""
    if len(change.left) > _MOST_RANKS:
        how = kept, bound, copy, rank_k_update, product
        moved: tuple[Matrix, Matrix | None] = portable.move(matrix, velocity, change, *how)
        return moved
    left, right, scale, row_scale, _ = change
    times, least = (0.0, np.inf) if bound is None else (bound.times, bound.least[0])
    inputs = _contiguous(left), _contiguous(right), scale, _optional(row_scale), kept, times, least
    arrays = left, right, row_scale
    if not overwrites(matrix, copy, velocity, *arrays):
        matrix = np.array(matrix, order="C")
    if velocity is not None and not overwrites(velocity, copy, matrix, *arrays):
        velocity = np.array(velocity, order="C")
    _core.move(matrix, velocity, *inputs)
    return matrix, velocity


def follows(rows: Matrix, vectors: Matrix) -> bool:
    """Return whether `follow` takes these vectors for rows that the engine takes."""
    return accepts(vectors) and vectors.dtype == rows.dtype


def follow(
    rows: Matrix,
    vectors: Matrix,
    values: Matrix,
    power: Matrix,
    moments: Matrix,
    sums: Matrix,
    damping: float,
    least: float,
    counted: int,
    copy: bool | None,
) -> tuple[Matrix, Matrix, Matrix, Matrix, Matrix]:
    """Return what `SubspaceDecorrelation.followed` does, and moments and sums after the rows, in one call."""
    if not (overwrites(moments, copy, rows) and overwrites(sums, copy)):
        moments, sums = moments.copy(), sums.copy()
    out, found = buffers.empty(rows.shape, rows.dtype), np.empty(2, rows.dtype)
    _core.subspace(out, rows, vectors, values, moments, sums, found, power[0], damping, least, counted)
    return out, found[1], found[:1], moments, sums


def _sweep(
    matrix: Matrix,
    update: RankK | None,
    copy: bool | None,
    *,
    pulled: Matrix | None = None,
    projected: Matrix | None = None,
    returned: Matrix | None = None,
    vector: Matrix | None = None,
    sample: Matrix | None = None,
) -> Matrix:
    """Return the matrix after an update of rank 1; products before and after it go to what is there."""
    left = right = row_scale = column_scale = None
    scale = 1.0
    if update is not None:
        lefts, rights, scale, row_scale, column_scale = update
        left, right = lefts[0], rights[0]  # unpacking would take twice as long
    out = pulled, projected, returned
    inputs = vector, left, right, row_scale, column_scale, sample
    if update is None or copy is not True:
        try:
            _core.sweep(matrix, *out, *inputs, scale)
        except ValueError:  # as in `rank_k_update`
            pass
        else:
            return matrix
    if update is not None and not overwrites(matrix, copy, *inputs):
        matrix = np.array(matrix, order="C")
    vector, left, right, row_scale, column_scale, sample = map(_optional, inputs)
    _core.sweep(matrix, *out, vector, left, right, row_scale, column_scale, sample, scale)
    return matrix


def _optional(array: Matrix | None) -> Matrix | None:
    return None if array is None else _contiguous(array)
