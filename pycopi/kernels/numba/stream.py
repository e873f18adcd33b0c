"""The Numba engine's block of a stream, sample by sample; the rules of ``loops.py`` hold."""

import math
from typing import Any

from numba import types

from pycopi.kernels.numba.loops import inner, reading, writing
from pycopi.kernels.numba.vectors import lanes, load, spread, store, total
from pycopi.kernels.numba.vectors import multiply as mul
from pycopi.kernels.numba.vectors import multiply_add as fma


def stream_signature(dtype: Any) -> Any:
    """Return the types of what `stream` takes."""
    written = [writing(dtype, dimensions) for dimensions in (2, 2, 2, 1, 1)]
    numbers = types.float64, types.float64, types.float64, types.boolean
    return types.void(*written, reading(dtype, 2), *numbers, writing(dtype, 2), writing(dtype, 1))


@inner
def _coefficients(power: Any, rate: Any, whitening: Any, bound: Any, recursive: Any) -> Any:
    """Return base, slope and step; see ``sample_rule.coefficients``."""
    if recursive:
        kept = 1.0 - rate
        whole, growth = kept + rate * power, 1.0 / math.sqrt(kept)
        return growth, 0.0, -growth * rate / (whole * (1.0 + math.sqrt(kept / whole)))
    excess = rate * (max(whitening, 1.0 - whitening) * power + whitening) / bound
    rate = rate if excess <= 1.0 else rate / excess
    return 1.0 + rate * whitening, rate * (1.0 - 2.0 * whitening), -rate * (1.0 - whitening)


def stream(
    decorrelated: Any,
    left: Any,
    right: Any,
    scales: Any,
    powers: Any,
    projected: Any,
    rate: Any,
    whitening: Any,
    bound: Any,
    recursive: Any,
    partial: Any,
    weights: Any,
) -> None:
    """Write x, U, V, s and the powers of a block of samples; see ``portable.stream_block``.

    ``kept = base + slope x^2``. Rows have a length of whole panels of four registers; ``partial`` (k, lanes)
    and ``weights`` (k,) are memory to work in. A sample sweeps U and V once each: what a panel of U adds to x
    is all of x there, so that its products with that part of x follow at once; and once a panel of V has given
    its part of v, it is multiplied with the next sample. The step of a sample depends on all of its x, so U
    gets its new scale and row in the sweep of the next sample, or at the end.
    """
    k, n = projected.shape
    lane = lanes(projected)
    number = left.dtype.type
    zero = spread(number(0))
    v_base, v_slope, v_step = spread(number(1)), zero, zero
    for j in range(0, n, lane):
        store(scales, j, spread(number(1)))
    for t in range(k):
        for r in range(t):
            store(partial, (r, 0), zero)
        square = zero
        for j in range(0, n, 4 * lane):
            j1, j2, j3 = j + lane, j + 2 * lane, j + 3 * lane
            x0 = mul(load(scales, j), load(projected, (t, j)))
            x1 = mul(load(scales, j1), load(projected, (t, j1)))
            x2 = mul(load(scales, j2), load(projected, (t, j2)))
            x3 = mul(load(scales, j3), load(projected, (t, j3)))
            if t > 0:
                before = t - 1
                y0, y1 = load(decorrelated, (before, j)), load(decorrelated, (before, j1))
                y2, y3 = load(decorrelated, (before, j2)), load(decorrelated, (before, j3))
                k0, k1 = fma(v_slope, mul(y0, y0), v_base), fma(v_slope, mul(y1, y1), v_base)
                k2, k3 = fma(v_slope, mul(y2, y2), v_base), fma(v_slope, mul(y3, y3), v_base)
                y0, y1, y2, y3 = mul(v_step, y0), mul(v_step, y1), mul(v_step, y2), mul(v_step, y3)
                for index, y in ((j, y0), (j1, y1), (j2, y2), (j3, y3)):
                    store(left, (before, index), y)
                w = spread(weights[before])
                x0, x1, x2, x3 = fma(w, y0, x0), fma(w, y1, x1), fma(w, y2, x2), fma(w, y3, x3)
                for r in range(before):
                    w = spread(weights[r])
                    u0, u1 = mul(load(left, (r, j)), k0), mul(load(left, (r, j1)), k1)
                    u2, u3 = mul(load(left, (r, j2)), k2), mul(load(left, (r, j3)), k3)
                    for index, u in ((j, u0), (j1, u1), (j2, u2), (j3, u3)):
                        store(left, (r, index), u)
                    x0, x1, x2, x3 = fma(w, u0, x0), fma(w, u1, x1), fma(w, u2, x2), fma(w, u3, x3)
            for r in range(t):
                low = fma(load(left, (r, j)), x0, fma(load(left, (r, j1)), x1, load(partial, (r, 0))))
                high = fma(load(left, (r, j2)), x2, fma(load(left, (r, j3)), x3, low))
                store(partial, (r, 0), high)
            square = fma(x0, x0, fma(x1, x1, fma(x2, x2, fma(x3, x3, square))))
            for index, x in ((j, x0), (j1, x1), (j2, x2), (j3, x3)):
                store(decorrelated, (t, index), x)
        for r in range(t):
            weights[r] = total(load(partial, (r, 0)))
            store(partial, (r, 0), zero)
        store(partial, (t, 0), zero)
        powers[t] = total(square)
        base, slope, step = _coefficients(float(powers[t]), rate, whitening, bound, recursive)
        v_base, v_slope, v_step = spread(number(base)), spread(number(slope)), spread(number(step))
        following = min(t + 1, k - 1)
        for j in range(0, n, 4 * lane):
            j1, j2, j3 = j + lane, j + 2 * lane, j + 3 * lane
            x0, x1 = load(decorrelated, (t, j)), load(decorrelated, (t, j1))
            x2, x3 = load(decorrelated, (t, j2)), load(decorrelated, (t, j3))
            s0, s1, s2, s3 = load(scales, j), load(scales, j1), load(scales, j2), load(scales, j3)
            v0, v1, v2, v3 = mul(s0, x0), mul(s1, x1), mul(s2, x2), mul(s3, x3)
            for index, x, s in ((j, x0, s0), (j1, x1, s1), (j2, x2, s2), (j3, x3, s3)):
                store(scales, index, mul(s, fma(v_slope, mul(x, x), v_base)))
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
    for j in range(0, n, lane):
        x = load(decorrelated, (k - 1, j))
        kept = fma(v_slope, mul(x, x), v_base)
        for r in range(k - 1):
            store(left, (r, j), mul(load(left, (r, j)), kept))
        store(left, (k - 1, j), mul(v_step, x))
