"""The Numba engine's sweep of a matrix for one sample; the rules of ``loops.py`` hold."""

from typing import Any

import numba
from numba import types

from pycopi.kernels.numba.loops import inner, reading, share, writing
from pycopi.kernels.numba.update import update_by_one, update_plainly
from pycopi.kernels.numba.vectors import lanes, load, multiply, spread, store, total
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
        first, last = share(matrix.shape[0], _STRIP, part, parts)
        _sweep(
            matrix, sums, projected, vector, left, right, rows, columns, sample, scale, part, first, last
        )  # fmt: skip


@inner
def _sweep(
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
    part: Any,
    first: Any,
    last: Any,
) -> None:
    """Sweep rows; what they add to ``sums`` goes to one row of it."""
    if sums.size:
        for j in range(matrix.shape[1]):
            sums[part, j] = 0
    for i in range(first, last, _STRIP):
        stop = min(i + _STRIP, last)
        if vector.size and right.size:
            _gather_and_update(sums, part, matrix, vector, left, right, scale, rows, columns, i, stop)
        elif vector.size:
            _gather(sums, part, matrix, vector, i, stop)
        elif right.size:
            update_by_one(matrix, matrix, left, right, scale, rows, columns, i, stop)
        if sample.size:
            _project(projected, matrix, sample, i, stop)
            if sums.size and not vector.size:
                _gather(sums, part, matrix, projected, i, stop)


@inner
def _gather(sums: Any, part: Any, matrix: Any, weights: Any, first: Any, last: Any) -> None:
    """Add rows, each times its weight, to a row of ``sums``; four of them at a time."""
    n, lane = matrix.shape[1], lanes(matrix)
    bottom, edge = first + (last - first) // 4 * 4, n // lane * lane
    for i in range(first, bottom, 4):
        w0, w1, w2, w3 = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
        v0, v1, v2, v3 = spread(w0), spread(w1), spread(w2), spread(w3)
        for j in range(0, edge, lane):
            low = fma(v0, load(matrix, (i, j)), load(sums, (part, j)))
            low = fma(v1, load(matrix, (i + 1, j)), low)
            low = fma(v2, load(matrix, (i + 2, j)), low)
            store(sums, (part, j), fma(v3, load(matrix, (i + 3, j)), low))
        for j in range(edge, n):
            sums[part, j] += (w0 * matrix[i, j] + w1 * matrix[i + 1, j]) + (
                w2 * matrix[i + 2, j] + w3 * matrix[i + 3, j]
            )
    for i in range(bottom, last):
        for j in range(n):
            sums[part, j] += weights[i] * matrix[i, j]


@inner
def _gather_and_update(
    sums: Any,
    part: Any,
    matrix: Any,
    weights: Any,
    left: Any,
    right: Any,
    scale: Any,
    rows: Any,
    columns: Any,
    first: Any,
    last: Any,
) -> None:
    """Do what `_gather` and then `update_by_one` do, in one pass over four rows at a time."""
    n, lane, one = matrix.shape[1], lanes(matrix), matrix.dtype.type(1)
    bottom, edge = first + (last - first) // 4 * 4, n // lane * lane
    for i in range(first, bottom, 4):
        v0, v1 = spread(weights[i]), spread(weights[i + 1])
        v2, v3 = spread(weights[i + 2]), spread(weights[i + 3])
        x0, x1 = spread(scale * left[0, i]), spread(scale * left[0, i + 1])
        x2, x3 = spread(scale * left[0, i + 2]), spread(scale * left[0, i + 3])
        r0 = r1 = r2 = r3 = spread(one)
        if rows.size:
            r0, r1, r2, r3 = spread(rows[i]), spread(rows[i + 1]), spread(rows[i + 2]), spread(rows[i + 3])
        for j in range(0, edge, lane):
            m0, m1 = load(matrix, (i, j)), load(matrix, (i + 1, j))
            m2, m3 = load(matrix, (i + 2, j)), load(matrix, (i + 3, j))
            store(sums, (part, j), fma(v3, m3, fma(v2, m2, fma(v1, m1, fma(v0, m0, load(sums, (part, j)))))))
            y, s = load(right, (0, j)), load(columns, j) if columns.size else spread(one)
            store(matrix, (i, j), fma(x0, y, multiply(multiply(m0, r0), s)))
            store(matrix, (i + 1, j), fma(x1, y, multiply(multiply(m1, r1), s)))
            store(matrix, (i + 2, j), fma(x2, y, multiply(multiply(m2, r2), s)))
            store(matrix, (i + 3, j), fma(x3, y, multiply(multiply(m3, r3), s)))
        for r in range(i, i + 4):
            for j in range(edge, n):
                sums[part, j] += weights[r] * matrix[r, j]
    if edge < n:
        update_plainly(matrix, matrix, left, right, scale, rows, columns, first, bottom, edge)
    if bottom < last:
        _gather(sums, part, matrix, weights, bottom, last)
        update_by_one(matrix, matrix, left, right, scale, rows, columns, bottom, last)


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
            a2, a3 = (
                fma(load(matrix, (i + 2, j)), x, a2),
                fma(load(matrix, (i + 3, j)), x, a3),
            )
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
