"""How inputs of any scale become inputs of about 1: centred, divided by their spread, and clipped."""

import numpy as np

from pycopi._array import Array, HostArray, namespace

LIMIT = 3.0
"""Where standardised inputs are clipped, in units of their spread: no wild value outweighs all others."""

_ROWS = 10_000  # samples that are looked at, spread evenly over the data
_RARE = 0.01  # share of a feature's values that may be outliers
_PASSES = 100
_COMPARABLE = 10.0  # features that vary within this factor of the median may be in one unit
_FEW = 5.0  # rows of which a standard deviation is believed by half


def standardise(inputs: Array, mean: Array, spread: Array) -> Array:
    """Return inputs (B, n) as ``clip((y - mean) / spread, -3, 3)``."""
    xp = namespace(inputs)
    return xp.clip((inputs - mean[None, :]) / spread[None, :], -LIMIT, LIMIT)


def mean_and_spread(inputs: HostArray) -> tuple[HostArray, HostArray]:
    """Return the mean of each feature and the spread that it is divided by, shape (n,), float64.

    Where no standard deviation is more than 10 times the median, features may be in one unit, and that one
    varies more than others may say something, as it does for pixels and lengths. Those within a factor of 10 of
    the median are then divided by one number, by which they have a mean square of 1 together, and none has more
    than 4 alone. Any other feature is in a unit of its own, and is divided by its own standard deviation; but
    as that of few rows says little, one within a factor of 10 of the median is moved to it by 5 / (5 + N) of
    their distance in logarithms. The spread of N rows is that of a row to come, which is wider by
    ``sqrt((N + 1) / (N - 1))``, where float32 holds it.
    """
    mean, spread, varied = _mean_and_deviation(inputs)
    count = len(inputs)
    if np.any(varied):
        largest = spread.max()
        median = np.median(spread[varied] / largest) * largest  # the sum of two may be beyond float64
        below = spread / _COMPARABLE <= median
        near = varied & below & (median / _COMPARABLE <= spread)
        ratio = (spread[near] / median) ** (1.0 if below[varied].all() else _FEW / (_FEW + count))
        spread[near] *= max(np.sqrt(np.mean(ratio**2)), 0.5 * ratio.max()) / ratio
        wider = np.sqrt((count + 1) / max(1, count - 1))
        spread[varied & (spread <= np.finfo(np.float32).max / wider)] *= wider
    return mean, spread


def _mean_and_deviation(inputs: HostArray) -> tuple[HostArray, HostArray, HostArray]:
    """Return mean and standard deviation of each feature, and whether it varies at all.

    Values further than 3 standard deviations from the mean are moved there, again and again until none is, in
    features of which at most 1 % (or one value) are so far out. A feature that would be constant without these,
    such as a rare flag, keeps its plain standard deviation, and one that is constant has 1.
    """
    count = len(inputs)
    rows = np.linspace(0, count - 1, min(_ROWS, count)).astype(np.int64)
    values = np.asarray(inputs[rows]).astype(np.float64)
    unit = np.max(np.abs(values), axis=0)
    unit[unit == 0.0] = 1.0
    values /= unit  # so that no square overflows
    plain = values.mean(axis=0), values.std(axis=0)
    drawn = values
    for _ in range(_PASSES):
        low, high = _limits(drawn)
        far = (drawn < low) | (drawn > high)
        far &= far.sum(axis=0) <= max(1.0, _RARE * len(drawn))
        if not far.any():
            break
        drawn = np.where(far, np.clip(drawn, low, high), drawn)
    low, high = _limits(drawn)
    usual = np.where((values >= low) & (values <= high), values, np.nan)
    varied = np.nanmax(usual, axis=0, initial=-1.0) > np.nanmin(usual, axis=0, initial=1.0)
    mean = np.where(varied, drawn.mean(axis=0), plain[0]) * unit
    spread = np.where(varied, drawn.std(axis=0), plain[1]) * unit
    constant = spread <= 8.0 * np.finfo(np.float32).eps * np.abs(mean)
    spread[constant] = 1.0
    return mean, spread, ~constant


def _limits(values: HostArray) -> tuple[HostArray, HostArray]:
    mean, reach = values.mean(axis=0), LIMIT * values.std(axis=0)
    slack = 1e-9 * reach  # a value that has just been moved to the limit stays there
    return mean - reach - slack, mean + reach + slack
