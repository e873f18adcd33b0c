"""The loops of the Numba engine; they check nothing, allocate nothing and keep nothing.

Rules of this file: matrices are C-contiguous; an argument of size 0 stands for one that is not there; sums over
a row are kept in registers and added in a fixed order, so that a result depends on the values alone. Functions
named ``_shared`` share the rows among ``parts`` threads; the others ignore ``parts``. Numba keeps compiled code
on disk by the date of this file: a change of ``numba_vectors.py`` must touch it.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba import types

from pycopi.kernels.numba_vectors import lanes, load, multiply, spread, store, total
from pycopi.kernels.numba_vectors import multiply_add as fma

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS = {"nogil": True, "error_model": "numpy"}
inner: Callable[[F], F] = numba.njit(**OPTIONS)


def writing(dtype: Any, dimensions: int) -> Any:
    return types.Array(dtype, dimensions, "C")


def reading(dtype: Any, dimensions: int) -> Any:
    return types.Array(dtype, dimensions, "C", readonly=True)


def update_signature(dtype: Any) -> Any:
    """Return the types of what `update` and `update_shared` take."""
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
    """Write ``diag(rows) matrix diag(columns) + scale left.T right`` to ``out``.

    ``out`` may be ``matrix`` itself; ``strips`` (parts, 4k or more) is memory to work in.
    """
    _update(out, matrix, left, right, strips[0], scale, rows, columns, 0, out.shape[0])


def update_shared(
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
    """Do what `update` does, in several threads."""
    share = (out.shape[0] + 4 * parts - 1) // (4 * parts) * 4
    for part in numba.prange(parts):
        first = min(part * share, out.shape[0])
        last = min(first + share, out.shape[0])
        _update(out, matrix, left, right, strips[part], scale, rows, columns, first, last)


@inner
def _update(
    out: Any,
    matrix: Any,
    left: Any,
    right: Any,
    strip: Any,
    scale: Any,
    rows: Any,
    columns: Any,
    first: Any,
    last: Any,
) -> None:
    """Update rows: four of them and two registers of columns at a time, and what is left over row by row."""
    k, n, lane = left.shape[0], out.shape[1], lanes(out)
    bottom, edge = first + (last - first) // 4 * 4, n // (2 * lane) * (2 * lane)
    zero, one, step = spread(out.dtype.type(0)), spread(out.dtype.type(1)), spread(scale)
    for i in range(first, bottom, 4):
        for p in range(k):
            for r in range(4):
                strip[4 * p + r] = left[p, i + r]
        r0 = r1 = r2 = r3 = one
        if rows.size:
            r0, r1, r2, r3 = spread(rows[i]), spread(rows[i + 1]), spread(rows[i + 2]), spread(rows[i + 3])
        for j in range(0, edge, 2 * lane):
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
    if edge < n:
        _update_plainly(out, matrix, left, right, scale, rows, columns, first, bottom, edge)
    if bottom < last:
        _update_plainly(out, matrix, left, right, scale, rows, columns, bottom, last, 0)


@inner
def _update_plainly(
    out: Any,
    matrix: Any,
    left: Any,
    right: Any,
    scale: Any,
    rows: Any,
    columns: Any,
    first: Any,
    last: Any,
    start: Any,
) -> None:
    """Update rows from a column on, one row at a time."""
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


def stream_signature(dtype: Any) -> Any:
    """Return the types of what `stream` takes."""
    written = [writing(dtype, dimensions) for dimensions in (2, 2, 2, 1)]
    return types.void(*written, reading(dtype, 2), dtype, dtype, dtype, writing(dtype, 2), writing(dtype, 1))


def stream(
    decorrelated: Any,
    left: Any,
    right: Any,
    scales: Any,
    projected: Any,
    base: Any,
    slope: Any,
    step: Any,
    partial: Any,
    weights: Any,
) -> None:
    """Write x, U, V and s of a block of samples; see ``portable.stream_block``.

    ``kept = base + slope x^2``. Rows have a length of whole panels of four registers; ``partial`` (k, lanes)
    and ``weights`` (k,) are memory to work in. A sample sweeps U and V once each: what a panel of U adds to x
    is all of x there, so that its products with that part of x, and its new scale, follow at once; and once a
    panel of V has given its part of v, it is multiplied with the next sample.
    """
    k, n = projected.shape
    lane = lanes(projected)
    zero, v_base, v_slope, v_step = spread(left.dtype.type(0)), spread(base), spread(slope), spread(step)
    for j in range(0, n, lane):
        store(scales, j, spread(left.dtype.type(1)))
    for t in range(k):
        for r in range(t):
            store(partial, (r, 0), zero)
        for j in range(0, n, 4 * lane):
            j1, j2, j3 = j + lane, j + 2 * lane, j + 3 * lane
            s0, s1, s2, s3 = load(scales, j), load(scales, j1), load(scales, j2), load(scales, j3)
            x0, x1 = multiply(s0, load(projected, (t, j))), multiply(s1, load(projected, (t, j1)))
            x2, x3 = multiply(s2, load(projected, (t, j2))), multiply(s3, load(projected, (t, j3)))
            for r in range(t):
                w = spread(weights[r])
                x0, x1 = fma(w, load(left, (r, j)), x0), fma(w, load(left, (r, j1)), x1)
                x2, x3 = fma(w, load(left, (r, j2)), x2), fma(w, load(left, (r, j3)), x3)
            k0, k1 = (
                fma(v_slope, multiply(x0, x0), v_base),
                fma(v_slope, multiply(x1, x1), v_base),
            )
            k2, k3 = (
                fma(v_slope, multiply(x2, x2), v_base),
                fma(v_slope, multiply(x3, x3), v_base),
            )
            for r in range(t):
                u0, u1, u2, u3 = (
                    load(left, (r, j)),
                    load(left, (r, j1)),
                    load(left, (r, j2)),
                    load(left, (r, j3)),
                )
                low = fma(u0, x0, fma(u1, x1, load(partial, (r, 0))))
                store(partial, (r, 0), fma(u2, x2, fma(u3, x3, low)))
                store(left, (r, j), multiply(u0, k0))
                store(left, (r, j1), multiply(u1, k1))
                store(left, (r, j2), multiply(u2, k2))
                store(left, (r, j3), multiply(u3, k3))
            for index, x, s, kept in ((j, x0, s0, k0), (j1, x1, s1, k1), (j2, x2, s2, k2), (j3, x3, s3, k3)):
                store(decorrelated, (t, index), x)
                store(left, (t, index), multiply(v_step, x))
                store(right, (t, index), multiply(s, x))
                store(scales, index, multiply(s, kept))
        for r in range(t):
            weights[r] = total(load(partial, (r, 0)))
            store(partial, (r, 0), zero)
        store(partial, (t, 0), zero)
        following = min(t + 1, k - 1)
        for j in range(0, n, 4 * lane):
            j1, j2, j3 = j + lane, j + 2 * lane, j + 3 * lane
            v0, v1, v2, v3 = (
                load(right, (t, j)),
                load(right, (t, j1)),
                load(right, (t, j2)),
                load(right, (t, j3)),
            )
            for r in range(t):
                w = spread(weights[r])
                v0, v1 = fma(w, load(right, (r, j)), v0), fma(w, load(right, (r, j1)), v1)
                v2, v3 = fma(w, load(right, (r, j2)), v2), fma(w, load(right, (r, j3)), v3)
            for index, v in ((j, v0), (j1, v1), (j2, v2), (j3, v3)):
                store(right, (t, index), v)
            g0, g1 = load(projected, (following, j)), load(projected, (following, j1))
            g2, g3 = load(projected, (following, j2)), load(projected, (following, j3))
            for r in range(t + 1):
                low = fma(load(right, (r, j)), g0, fma(load(right, (r, j1)), g1, load(partial, (r, 0))))
                high = fma(load(right, (r, j2)), g2, fma(load(right, (r, j3)), g3, low))
                store(partial, (r, 0), high)
        for r in range(t + 1):
            weights[r] = total(load(partial, (r, 0)))


def sweep_signature(dtype: Any) -> Any:
    """Return the types of what `sweep` and `sweep_shared` take."""
    written = [writing(dtype, 2), writing(dtype, 2), writing(dtype, 2), writing(dtype, 1)]
    return types.void(
        *written, reading(dtype, 1), *[reading(dtype, 2)] * 2, *[reading(dtype, 1)] * 3, dtype, types.intp
    )


def sweep(
    matrix: Any,
    strips: Any,
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
    ``matrix.T projected`` of after it; ``projected`` (m,) gets ``matrix sample`` of after it. ``left`` is
    (1, m), ``right`` (1, n), and ``strips`` (parts, 4) is memory to work in.
    """
    _sweep(
        matrix,
        strips,
        sums,
        projected,
        vector,
        left,
        right,
        rows,
        columns,
        sample,
        scale,
        0,
        0,
        matrix.shape[0],
    )


def sweep_shared(
    matrix: Any,
    strips: Any,
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
    """Do what `sweep` does, in several threads; each has a row of ``sums`` of its own."""
    m = matrix.shape[0]
    share = (m + _STRIP * parts - 1) // (_STRIP * parts) * _STRIP
    for part in numba.prange(parts):
        first = min(part * share, m)
        last = min(first + share, m)
        _sweep(
            matrix,
            strips,
            sums,
            projected,
            vector,
            left,
            right,
            rows,
            columns,
            sample,
            scale,
            part,
            first,
            last,
        )


_STRIP = 8  # rows that a sweep works on while they are in the cache


@inner
def _sweep(
    matrix: Any,
    strips: Any,
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
            _gather_and_update(sums, part, matrix, vector, left, right, strips, scale, rows, columns, i, stop)
        elif vector.size:
            _gather(sums, part, matrix, vector, i, stop)
        elif right.size:
            _update(matrix, matrix, left, right, strips[part], scale, rows, columns, i, stop)
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
    strips: Any,
    scale: Any,
    rows: Any,
    columns: Any,
    first: Any,
    last: Any,
) -> None:
    """Do what `_gather` and then `_update` do, in one pass over four rows at a time."""
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
        _update_plainly(matrix, matrix, left, right, scale, rows, columns, first, bottom, edge)
    if bottom < last:
        _gather(sums, part, matrix, weights, bottom, last)
        _update(matrix, matrix, left, right, strips[part], scale, rows, columns, bottom, last)


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
