"""The Numba engine's block of a stream, sample by sample; the rules of ``loops.py`` hold."""

from typing import Any

from numba import types

from pycopi.kernels.numba.loops import reading, writing
from pycopi.kernels.numba.vectors import lanes, load, multiply, spread, store, total
from pycopi.kernels.numba.vectors import multiply_add as fma


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
