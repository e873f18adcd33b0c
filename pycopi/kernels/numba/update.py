"""The Numba engine's rank-k update; the rules of ``loops.py`` hold."""

from typing import Any

import numba
from numba import types

from pycopi.kernels.numba.loops import inner, reading, share, writing
from pycopi.kernels.numba.vectors import lanes, load, multiply, prefetch, spread, store
from pycopi.kernels.numba.vectors import multiply_add as fma

_CACHED = 8_000_000  # bytes from which a matrix fits in no cache


def update_signature(dtype: Any) -> Any:
    """Return the types of what `update` takes."""
    matrices, vectors = [reading(dtype, 2)] * 3, [reading(dtype, 1)] * 2
    return types.void(writing(dtype, 2), *matrices, writing(dtype, 2), dtype, *vectors, types.intp)


def update(
    out: Any,
    matrix: Any,
    left: Any,
    right: Any,
    strips: Any,
    scale: Any,
    rows: Any,
    columns: Any,
    parts: Any,
) -> None:
    """Write ``diag(rows) matrix diag(columns) + scale left.T right`` to ``out``, which may be ``matrix``.

    ``strips`` (parts, 4k + 128 or more) is memory to work in; rank 1 needs none.
    """
    for part in numba.prange(parts):
        first, last = share(out.shape[0], 4, part, parts)
        change = left, right, scale, rows, columns  # in which order the functions below take it
        if left.shape[0] == 1:
            update_by_one(out, matrix, change, strips, 0, left[0, :0], first, last)
        else:
            _update_rows(out, matrix, change, strips[part], first, last)


@inner
def _update_rows(out: Any, matrix: Any, change: Any, strip: Any, first: Any, last: Any) -> None:
    """Update rows: four of them and two registers of columns at a time, and what is left over row by row.

    Columns that do not fill the last registers are computed together with those before them, which have been
    written; only they are written then.
    """
    left, right, scale, rows, columns = change
    k, n, lane = left.shape[0], out.shape[1], lanes(out)
    bottom = first + (last - first) // 4 * 4 if n >= 2 * lane else first
    zero, one, step = spread(out.dtype.type(0)), spread(out.dtype.type(1)), spread(scale)
    for i in range(first, bottom, 4):
        for p in range(k):
            for r in range(4):
                strip[4 * p + r] = left[p, i + r]
        r0 = r1 = r2 = r3 = one
        if rows.size:
            r0, r1, r2, r3 = spread(rows[i]), spread(rows[i + 1]), spread(rows[i + 2]), spread(rows[i + 3])
        for start in range(0, n, 2 * lane):
            j = min(start, n - 2 * lane)
            h = j + lane
            a0 = a1 = b0 = b1 = c0 = c1 = d0 = d1 = zero
            for p in range(k):
                y0, y1 = load(right, (p, j)), load(right, (p, h))
                x = spread(strip[4 * p])
                a0, a1 = fma(x, y0, a0), fma(x, y1, a1)
                x = spread(strip[4 * p + 1])
                b0, b1 = fma(x, y0, b0), fma(x, y1, b1)
                x = spread(strip[4 * p + 2])
                c0, c1 = fma(x, y0, c0), fma(x, y1, c1)
                x = spread(strip[4 * p + 3])
                d0, d1 = fma(x, y0, d0), fma(x, y1, d1)
            if j < start:
                for r, sums in enumerate(((a0, a1), (b0, b1), (c0, c1), (d0, d1))):
                    store(strip, 4 * k + 2 * r * lane, sums[0])
                    store(strip, 4 * k + (2 * r + 1) * lane, sums[1])
                _write_edge(out, matrix, strip[4 * k :], change, i, start, j)
                continue
            s0 = s1 = one
            if columns.size:
                s0, s1 = load(columns, j), load(columns, h)
            store(out, (i, j), fma(step, a0, multiply(multiply(load(matrix, (i, j)), r0), s0)))
            store(out, (i, h), fma(step, a1, multiply(multiply(load(matrix, (i, h)), r0), s1)))
            store(out, (i + 1, j), fma(step, b0, multiply(multiply(load(matrix, (i + 1, j)), r1), s0)))
            store(out, (i + 1, h), fma(step, b1, multiply(multiply(load(matrix, (i + 1, h)), r1), s1)))
            store(out, (i + 2, j), fma(step, c0, multiply(multiply(load(matrix, (i + 2, j)), r2), s0)))
            store(out, (i + 2, h), fma(step, c1, multiply(multiply(load(matrix, (i + 2, h)), r2), s1)))
            store(out, (i + 3, j), fma(step, d0, multiply(multiply(load(matrix, (i + 3, j)), r3), s0)))
            store(out, (i + 3, h), fma(step, d1, multiply(multiply(load(matrix, (i + 3, h)), r3), s1)))
    if bottom < last:
        update_plainly(out, matrix, change, bottom, last, 0)


@inner
def _write_edge(out: Any, matrix: Any, sums: Any, change: Any, i: Any, start: Any, j: Any) -> None:
    """Write four rows from column ``start`` on; ``sums`` are those of two registers from column ``j`` on."""
    _, _, scale, rows, columns = change
    width = 2 * lanes(out)
    for r in range(4):
        kept = rows[i + r] if rows.size else out.dtype.type(1)
        for c in range(start, out.shape[1]):
            old = matrix[i + r, c] * kept
            if columns.size:
                old *= columns[c]
            out[i + r, c] = old + scale * sums[r * width + c - j]


@inner
def accumulate(sums: Any, part: Any, matrix: Any, weights: Any, first: Any, last: Any) -> None:
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
def update_by_one(
    out: Any, matrix: Any, change: Any, sums: Any, part: Any, weights: Any, first: Any, last: Any
) -> None:
    """Do what `_update_rows` does for rank 1, where memory is the limit: reading comes before writing.

    With weights it does before what `accumulate` does. In a matrix that fits in no cache the next rows are
    fetched meanwhile.
    """
    left, right, scale, rows, columns = change
    n, lane, one, far = out.shape[1], lanes(out), out.dtype.type(1), matrix.nbytes >= _CACHED
    bottom, edge = first + (last - first) // 4 * 4, n // lane * lane
    for i in range(first, bottom, 4):
        x0, x1 = spread(scale * left[0, i]), spread(scale * left[0, i + 1])
        x2, x3 = spread(scale * left[0, i + 2]), spread(scale * left[0, i + 3])
        r0 = r1 = r2 = r3 = v0 = v1 = v2 = v3 = spread(one)
        if rows.size:
            r0, r1, r2, r3 = spread(rows[i]), spread(rows[i + 1]), spread(rows[i + 2]), spread(rows[i + 3])
        if weights.size:
            v0, v1 = spread(weights[i]), spread(weights[i + 1])
            v2, v3 = spread(weights[i + 2]), spread(weights[i + 3])
        for j in range(0, edge, lane):
            if far:
                for r in range(4, 8):
                    prefetch(matrix, (i + r, j))
            m0, m1 = load(matrix, (i, j)), load(matrix, (i + 1, j))
            m2, m3 = load(matrix, (i + 2, j)), load(matrix, (i + 3, j))
            if weights.size:
                low = fma(v1, m1, fma(v0, m0, load(sums, (part, j))))
                store(sums, (part, j), fma(v3, m3, fma(v2, m2, low)))
            y, s = load(right, (0, j)), load(columns, j) if columns.size else spread(one)
            store(out, (i, j), fma(x0, y, multiply(multiply(m0, r0), s)))
            store(out, (i + 1, j), fma(x1, y, multiply(multiply(m1, r1), s)))
            store(out, (i + 2, j), fma(x2, y, multiply(multiply(m2, r2), s)))
            store(out, (i + 3, j), fma(x3, y, multiply(multiply(m3, r3), s)))
        for r in range(i, i + 4 if weights.size else i):
            for j in range(edge, n):
                sums[part, j] += weights[r] * matrix[r, j]
    if edge < n:
        update_plainly(out, matrix, change, first, bottom, edge)
    if bottom < last:
        if weights.size:
            accumulate(sums, part, matrix, weights, bottom, last)
        update_plainly(out, matrix, change, bottom, last, 0)


@inner
def update_plainly(out: Any, matrix: Any, change: Any, first: Any, last: Any, start: Any) -> None:
    """Update rows from a column on, one row at a time."""
    left, right, scale, rows, columns = change
    n = out.shape[1]
    for i in range(first, last):
        kept = rows[i] if rows.size else out.dtype.type(1)
        for j in range(start, n):
            out[i, j] = matrix[i, j] * kept
        if columns.size:
            for j in range(start, n):
                out[i, j] *= columns[j]
        for p in range(left.shape[0]):
            step = scale * left[p, i]
            for j in range(start, n):
                out[i, j] += step * right[p, j]
