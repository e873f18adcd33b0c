"""The Numba engine's update by many ranks: a block of `out` in registers, ``right`` packed for the cache.

The rules of ``numba_loops.py`` hold, and what ``numba_update.py`` says of shared memory. Every element is
summed over the ranks in their order, wherever it lies, so that a result does not depend on the number of
threads.
"""

from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils

from pycopi.kernels.numba_loops import apart, inner, reading, writing
from pycopi.kernels.numba_vectors import (
    REGISTER_BYTES,
    Vector,
    address,
    broadcast,
    fuse,
    intrinsic,
    lanes,
    load,
    multiply,
    prefetch,
    spread,
    store,
    types,
)
from pycopi.kernels.numba_vectors import multiply_add as fma

ROWS = {64: 12, 32: 6, 16: 4}[REGISTER_BYTES]
"""Rows of a block; with two registers of each, and two of ``right``, it fills the registers."""

_DEPTH = 256  # ranks of one sweep: packed, those of a block stay in the first-level cache
_LINE_BYTES = 64
_GROUP_BYTES = 1 << 20  # of packed right that every row of blocks goes through before the next ones come


def update_deep_signature(dtype: Any) -> Any:
    """Return the types of what `update_deep` and `update_deep_shared` take."""
    vectors = [reading(dtype, 1)] * 2
    return types.boolean(
        writing(dtype, 2), *[reading(dtype, 2)] * 3, writing(dtype, 1), dtype, *vectors, types.intp
    )


def memory(shape: tuple[int, int], itemsize: int, parts: int) -> int:
    """Return how many numbers of memory an update needs for ``right`` of a shape (k, n), in so many threads."""
    k, n, width = min(shape[0], _DEPTH), shape[1], 2 * REGISTER_BYTES // itemsize
    line = _LINE_BYTES // itemsize
    panels, strip = -(-n // width) * width * k, -(-k * ROWS // line) * line
    return parts * (panels + strip + ROWS * width) + line


def update_deep(
    out: Any,
    matrix: Any,
    left: Any,
    right: Any,
    work: Any,
    scale: Any,
    rows: Any,
    columns: Any,
    parts: Any,
) -> bool:
    """Write ``diag(rows) matrix diag(columns) + scale left.T right`` to ``out``, which may be ``matrix``.

    ``work`` is as much memory to work in as `memory` says.
    """
    if not apart(out, left, right, rows, columns):
        return False
    panels, strips, sums = _divide(work, right, parts)
    _update_deep(out, matrix, left, right, panels[0], strips[0], sums[0], scale, rows, columns, 0, out.shape[0])
    return True


def update_deep_shared(
    out: Any,
    matrix: Any,
    left: Any,
    right: Any,
    work: Any,
    scale: Any,
    rows: Any,
    columns: Any,
    parts: Any,
) -> bool:
    """Do what `update_deep` does, in several threads.

    Each packs right for itself: to write and read the same memory in turn costs more than that.
    """
    if not apart(out, left, right, rows, columns):
        return False
    panels, strips, sums = _divide(work, right, parts)
    share = (out.shape[0] + ROWS * parts - 1) // (ROWS * parts) * ROWS
    for part in numba.prange(parts):
        first = min(part * share, out.shape[0])
        last = min(first + share, out.shape[0])
        own = panels[part], strips[part], sums[part]
        _update_deep(out, matrix, left, right, *own, scale, rows, columns, first, last)
    return True


@inner
def _divide(work: Any, right: Any, parts: Any) -> Any:
    """Return each thread's memory for packed right, for packed left and for a block's sums.

    Each begins where a line of the cache does, so that no register's worth of numbers crosses one.
    """
    k, n, width = min(right.shape[0], _DEPTH), right.shape[1], 2 * lanes(right)
    line = _LINE_BYTES // work.itemsize
    count, strip, block = (n + width - 1) // width * k, (k * ROWS + line - 1) // line * line, ROWS * width
    first = -work.ctypes.data % _LINE_BYTES // work.itemsize
    second = first + parts * count * width
    third = second + parts * strip
    panels = work[first:second].reshape((parts, count, width))
    strips = work[second:third].reshape((parts, strip))
    return panels, strips, work[third : third + parts * block].reshape((parts, block))


@inner
def _pack(panels: Any, right: Any) -> None:
    """Copy ``right`` (k, n) into panels of columns, one below another, the last one filled up with zeros."""
    k, n, width = right.shape[0], right.shape[1], panels.shape[1]
    lane = lanes(right)
    for j in range(0, n, width):
        top = j // width * k
        for p in range(k):
            if j + width <= n:
                store(panels, (top + p, 0), load(right, (p, j)))
                store(panels, (top + p, lane), load(right, (p, j + lane)))
            else:
                for c in range(width):
                    panels[top + p, c] = right[p, j + c] if j + c < n else 0


@inner
def _update_deep(
    out: Any,
    matrix: Any,
    left: Any,
    right: Any,
    panels: Any,
    strip: Any,
    sums: Any,
    scale: Any,
    rows: Any,
    columns: Any,
    first: Any,
    last: Any,
) -> None:
    """Update rows by `_DEPTH` ranks at a time; the later ones are added to what the first have left."""
    for start in range(0, left.shape[0], _DEPTH):
        x, y = left[start : start + _DEPTH], right[start : start + _DEPTH]
        _update_piece(out, matrix, x, y, panels, strip, sums, scale, rows, columns, first, last)
        matrix, rows, columns = out, rows[:0], columns[:0]


@inner
def _update_piece(
    out: Any,
    matrix: Any,
    left: Any,
    right: Any,
    panels: Any,
    strip: Any,
    sums: Any,
    scale: Any,
    rows: Any,
    columns: Any,
    first: Any,
    last: Any,
) -> None:
    """Update rows, block by block, with one group of panels after the other."""
    k, n, lane, width = left.shape[0], out.shape[1], lanes(out), panels.shape[1]
    count = (n + width - 1) // width
    group = max(1, _GROUP_BYTES // (k * 2 * REGISTER_BYTES))
    one, step = spread(out.dtype.type(1)), spread(scale)
    _pack(panels, right)
    for start in range(0, count, group):
        for i in range(first, last, ROWS):
            height = min(ROWS, last - i)
            _copy_strip(strip, left, i, height)
            for panel in range(start, min(start + group, count)):
                j = panel * width
                h = j + lane
                if h + lane > n:
                    multiply_block(sums, strip, panels, panel * k, k)
                    _write_edge(out, matrix, sums, scale, rows, columns, i, height, j)
                    continue
                for r in range(height):
                    prefetch(matrix, (i + r, j))
                    prefetch(matrix, (i + r, h))
                multiply_block(sums, strip, panels, panel * k, k)
                s0 = s1 = one
                if columns.size:
                    s0, s1 = load(columns, j), load(columns, h)
                for r in range(height):
                    kept = spread(rows[i + r]) if rows.size else one
                    a0, a1 = load(sums, 2 * r * lane), load(sums, (2 * r + 1) * lane)
                    b0, b1 = load(matrix, (i + r, j)), load(matrix, (i + r, h))
                    store(out, (i + r, j), fma(step, a0, multiply(multiply(b0, kept), s0)))
                    store(out, (i + r, h), fma(step, a1, multiply(multiply(b1, kept), s1)))


@inner
def _copy_strip(strip: Any, left: Any, i: Any, height: Any) -> None:
    """Copy columns of ``left`` from i on, rank by rank; what is not there is 0."""
    for p in range(left.shape[0]):
        if height == ROWS:
            for r in range(ROWS):
                strip[p * ROWS + r] = left[p, i + r]
        else:
            for r in range(ROWS):
                strip[p * ROWS + r] = left[p, i + r] if r < height else 0


@inner
def _write_edge(
    out: Any, matrix: Any, sums: Any, scale: Any, rows: Any, columns: Any, i: Any, height: Any, j: Any
) -> None:
    """Write the last columns, which do not fill a panel."""
    width = 2 * lanes(out)
    for r in range(height):
        kept = rows[i + r] if rows.size else out.dtype.type(1)
        for c in range(out.shape[1] - j):
            old = matrix[i + r, j + c] * kept
            if columns.size:
                old *= columns[j + c]
            out[i + r, j + c] = old + scale * sums[r * width + c]


@intrinsic
def multiply_block(_: Any, sums: Any, strip: Any, panels: Any, top: Any, depth: Any) -> Any:
    """Write the product of a strip (depth, ROWS), transposed, and a panel to ``sums``, two registers a row.

    The loop is written in LLVM's language, so that the block stays in registers.
    """
    vector, bytes_each = Vector(sums.dtype), sums.dtype.bitwidth // 8

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        register, index = context.get_value_type(vector), context.get_value_type(types.intp)
        element = context.get_value_type(sums.dtype).as_pointer()

        def number(value: int) -> Any:
            return ir.Constant(index, value)

        def place(which: int, *indices: Any) -> Any:
            return address(context, builder, signature.args[which], arguments[which], list(indices))

        zero = ir.Constant(register, None)
        block = [cgutils.alloca_once(builder, register) for _ in range(2 * ROWS)]
        for variable in block:
            builder.store(zero, variable)
        with cgutils.for_range(builder, arguments[4]) as loop:
            below = builder.add(arguments[3], loop.index)
            values = [builder.load(place(2, below, number(lane))) for lane in (0, vector.lanes)]
            for value in values:
                value.align = bytes_each
            for r in range(ROWS):
                where = builder.add(builder.mul(loop.index, number(ROWS)), number(r))
                x = broadcast(builder, builder.load(builder.bitcast(place(1, where), element)), register)
                for value, variable in zip(values, block[2 * r : 2 * r + 2], strict=True):
                    builder.store(fuse(builder, x, value, builder.load(variable)), variable)
        for r, variable in enumerate(block):
            builder.store(builder.load(variable), place(0, number(r * vector.lanes))).align = bytes_each
        return context.get_dummy_value()

    return types.none(sums, strip, panels, types.intp, types.intp), generate
