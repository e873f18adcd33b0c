"""How large a step of the weights may be before it overshoots: the normalised LMS bound, for batches."""

from typing import Any

from pycopi import kernels
from pycopi._array import Array, astype, is_numpy, namespace, number, wide_floats
from pycopi._checks import as_float

BOUND = 0.5
"""The usual bound: a quarter of the largest step that does not overshoot."""

_SQUARINGS = (
    3  # the bound is at most the eighth root of the batch above the eigenvalue: 1.6 times at 50 samples
)


def bounded_rate(
    rate: Any, gain: float, decorrelated: Array, power: Array, bound: float, constant: float = 0.0
) -> Any:
    """Return a step size no larger than ``bound / (gain * (largest_power(x, power) + constant))``.

    It is a float for NumPy arrays, a 0-d array for others.

    A step of the weights changes the preactivations of its own batch by ``rate gain (x x.T / B) e`` for the
    error e that the layer is asked to correct. Each component of e along an eigenvector of the Gram matrix ``x
    x.T / B`` is thus multiplied by ``1 - rate gain lambda``: where the product is beyond 2 it grows. For a
    batch of one sample this is the bound of normalised LMS, with lambda ``|x|^2``. A step of the decorrelating
    matrix multiplies it by ``1 - rate C``, whose eigenvalues are bounded likewise. ``constant`` is the power of
    an input beside x that does not change: 1 for a bias, by which lambda can grow at most.
    """
    if is_numpy(decorrelated) and isinstance(rate, float):
        times = rate * gain / bound
        if times * (number(power.sum()) + constant) <= 1.0:  # the trace, which the eigenvalue is not above
            return rate
        return rate / max(times * (number(largest_power(decorrelated, power)) + constant), 1.0)
    xp = namespace(decorrelated)
    largest = largest_power(decorrelated, power)
    excess = (largest + constant if constant else largest) * (rate * gain / bound)
    return rate / xp.maximum(excess, xp.ones_like(excess))


def largest_power(decorrelated: Array, power: Array) -> Array:
    """Return a bound from above of the largest eigenvalue of ``mean(x x.T)`` over a batch (B, n), a 0-d array.

    The nonzero eigenvalues are those of the Gram matrix G (B, B), and ``(trace G^8)^(1/8)`` exceeds the largest
    by at most the eighth root of B; for one sample both are its trace. G is divided by its trace first, so that
    no power overflows or vanishes; the trace is the sum of ``power`` (n,), mean(x**2). Costs 2B^2 n + 2
    squarings of (B, B) operations.
    """
    xp = namespace(decorrelated)
    dtype, samples = decorrelated.dtype, decorrelated.shape[0]
    decorrelated = wide_floats(decorrelated)
    if samples == 1:
        return astype(xp.matmul(decorrelated[0, :], decorrelated[0, :]), dtype)
    trace = xp.sum(wide_floats(power))
    divisor = samples * xp.where(trace > 0, trace, xp.ones_like(trace))
    gram = kernels.product(decorrelated, decorrelated, transposed=True) / divisor
    for _ in range(_SQUARINGS - 1):
        gram = kernels.product(gram, gram)
    return astype(trace * xp.sum(xp.square(gram)) ** (0.5**_SQUARINGS), dtype)


def checked_bound(bound: Any) -> float | None:
    """Return a bound as a Python float, or None for none, checked."""
    if bound is None:
        return None
    checked = as_float("step_bound", bound)
    if checked == 0.0:
        msg = "step_bound is 0.0, which allows no step; expected a number above 0, or None for no bound"
        raise ValueError(msg)
    return float(checked)
