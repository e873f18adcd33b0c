"""The Numba engine's sweep of a matrix for one sample; the rules of ``loops.py`` hold."""

from typing import Any

import numba
from numba import types

from pycopi.kernels.numba.loops import inner, reading, share, writing
from pycopi.kernels.numba.update import accumulate, update_by_one
from pycopi.kernels.numba.vectors import lanes, load, spread, total
from pycopi.kernels.numba.vectors import multiply_add as fma

_STRIP = 8  # rows that a sweep works on while they are in the cache


def sweep_signature(dtype: Any) -> Any:
    """Return the types of what `sweep` takes."""
    written = [writing(dtype, 2), writing(dtype, 2), writing(dtype, 1)]
    return types.void(
        *written, reading(dtype, 1), *[reading(dtype, 2)] * 2, *[reading(dtype, 1)] * 3, dtype, types.intp
    )


def sweep(
    matrix: Any,
    sums: Any,
    projected: Any,
    vector: Any,
    left: Any,
    right: Any,
    rows: Any,
    columns: Any,
    sample: Any,
    scale: Any,
    parts: Any,
) -> None:
    """Pull a vector back through a matrix, update the matrix, and project a sample, in one sweep.

    ``sums`` (parts, n) gets ``matrix.T vector`` of before the update, or without a vector
    ``matrix.T projected`` of after it, a row from each part of the rows; ``projected`` (m,) gets
    ``matrix sample`` of after it. ``left`` is (1, m), and ``right`` (1, n).
    """
    for part in numba.prange(parts):
        change, limits = (left, right, scale, rows, columns), share(matrix.shape[0], _STRIP, part, parts)
        _sweep(matrix, sums, projected, vector, change, sample, part, limits)


@inner
def _sweep(
    matrix: Any, sums: Any, projected: Any, vector: Any, change: Any, sample: Any, part: Any, limits: Any
) -> None:
    """Sweep rows; what they add to ``sums`` goes to one row of it."""
    (first, last), right = limits, change[1]
    if sums.size:
        for j in range(matrix.shape[1]):
            sums[part, j] = 0
    for i in range(first, last, _STRIP):
        stop = min(i + _STRIP, last)
        if right.size:
            update_by_one(matrix, matrix, change, sums, part, vector, i, stop)
        elif vector.size:
            accumulate(sums, part, matrix, vector, i, stop)
        if sample.size:
            _project(projected, matrix, sample, i, stop)
            if sums.size and not vector.size:
                accumulate(sums, part, matrix, projected, i, stop)


@inner
def _project(projected: Any, matrix: Any, sample: Any, first: Any, last: Any) -> None:
    """Write the products of rows with a sample, summed in a register for each of four rows."""
    n, lane = matrix.shape[1], lanes(matrix)
    bottom, edge = first + (last - first) // 4 * 4, n // lane * lane
    zero = spread(matrix.dtype.type(0))
    for i in range(first, bottom, 4):
        a0 = a1 = a2 = a3 = zero
        for j in range(0, edge, lane):
            x = load(sample, j)
            a0, a1 = fma(load(matrix, (i, j)), x, a0), fma(load(matrix, (i + 1, j)), x, a1)
            a2, a3 = fma(load(matrix, (i + 2, j)), x, a2), fma(load(matrix, (i + 3, j)), x, a3)
        projected[i], projected[i + 1] = total(a0), total(a1)
        projected[i + 2], projected[i + 3] = total(a2), total(a3)
        for r in range(i, i + 4):
            for j in range(edge, n):
                projected[r] += matrix[r, j] * sample[j]
    for i in range(bottom, last):
        low = zero
        for j in range(0, edge, lane):
            low = fma(load(matrix, (i, j)), load(sample, j), low)
        projected[i] = total(low)
        for j in range(edge, n):
            projected[i] += matrix[i, j] * sample[j]
