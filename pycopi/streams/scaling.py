"""The scale of a stream: running means and variances of its columns, with values that may be missing."""

import math
from typing import NamedTuple

import numpy as np

from pycopi._array import HostArray, overflow_ignored
from pycopi.rules.standardisation import LIMIT

_FAR = 1e30  # beyond it a value counts as missing: float32 holds what is left, and no square overflows
_FLAT = 1e-8  # of the mean: a smaller spread is rounding
_TINY = 1e-150


class Scale(NamedTuple):
    """How often each column was seen, its mean and its variance, shape (n,), float64."""

    seen: HostArray
    mean: HostArray
    variance: HostArray

    @property
    def spread(self) -> HostArray:
        """The standard deviation of each column, above 0."""
        return np.sqrt(self.variance) + (_FLAT * np.abs(self.mean) + _TINY)

    def widened(self, columns: int) -> "Scale":
        """Return the scale with so many columns, of which the new ones were never seen."""
        return Scale(*(np.pad(part, (0, columns - len(part))) for part in self))

    def after(self, row: HostArray, most: float) -> "Scale":
        """Return the scale after one more row (n,); NaN leaves its column as it is.

        The means are those of the rows so far, and after ``most`` rows each has a share of ``1 / most``.
        """
        count = np.minimum(self.seen + 1.0, most)
        ahead = row - self.mean
        mean = self.mean + ahead / count
        variance = self.variance + (ahead * (row - mean) - self.variance) / count
        if not math.isfinite(np.dot(ahead, ahead)):
            there = np.isfinite(row)
            parts = zip((count, mean, variance), self, strict=True)
            return Scale(*(np.where(there, new, old) for new, old in parts))
        return Scale(count, mean, variance)

    def standardised(self, row: HostArray) -> HostArray:
        """Return a row as ``clip((y - mean) / spread, -3, 3)``, (1, n), float32; 0 where it is missing."""
        values = (row - self.mean) / self.spread
        np.minimum(np.maximum(values, -LIMIT, out=values), LIMIT, out=values)  # `clip` takes twice as long
        if not math.isfinite(np.dot(values, values)):
            values[np.isnan(values)] = 0.0
        return values.astype(np.float32)[None, :]


def readable(row: HostArray) -> HostArray:
    """Return a row in which every number that is infinite or beyond 1e30 is NaN, as what is missing."""
    with overflow_ignored():
        if np.dot(row, row) <= _FAR:  # false where there is NaN
            return row
    return np.where(np.abs(row) <= _FAR, row, np.nan)


NOTHING = Scale(np.zeros(0), np.zeros(0), np.zeros(0))
"""The scale of no columns."""
