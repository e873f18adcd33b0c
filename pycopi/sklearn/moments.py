"""Second moments of rows: total block by block, merged exactly, faded where old rows are to be forgotten."""

from typing import NamedTuple

import numpy as np

from pycopi._array import Array, HostArray, namespace, overflow_ignored, slices, widest_floats
from pycopi.sklearn.inputs import beside

_BLOCK = 4096  # rows at a time, so that no second copy of large data is made


class Moments(NamedTuple):
    """What is left of rows of n features.

    ``total`` is the sum of their weights and ``squares`` that of the squares by which these have faded, so that
    ``total**2 / squares`` is the number of rows that count. ``mean`` has shape (n,), and ``scatter`` (n, n) is
    the weighted sum of ``(y - mean) (y - mean).T``, which no large mean makes inexact. Both are float64 where
    library and device have it.
    """

    total: float
    squares: float
    mean: Array
    scatter: Array

    @property
    def rows(self) -> float:
        """The number of rows that count."""
        return self.total**2 / self.squares

    def faded(self, share: float) -> "Moments":
        """Return the moments with every weight multiplied by ``share``, because later rows have come."""
        return Moments(share * self.total, share**2 * self.squares, self.mean, share * self.scatter)

    def merged(self, other: "Moments") -> "Moments":
        """Return the moments of both sets of rows (Chan, Golub and LeVeque, 1979)."""
        total = self.total + other.total
        apart = other.mean - self.mean
        between = (self.total * other.total / total) * (apart[:, None] * apart[None, :])
        return Moments(
            total,
            self.squares + other.squares,
            self.mean + (other.total / total) * apart,
            self.scatter + other.scatter + between,
        )


def moments_of(rows: Array, counts: HostArray | None, forgetting: float) -> Moments:
    """Return the moments of rows (N, n), the last of them the youngest; at least one count is above 0.

    A row has its count as weight, times ``1 - forgetting`` for each row after it.
    """
    total: Moments | None = None
    for block in slices(rows.shape[0], _BLOCK):
        part = widest_floats(rows[block, ...])
        kept = 1.0 - forgetting
        ages = np.arange(part.shape[0])[::-1]
        own = np.ones(part.shape[0]) if counts is None else counts[block]
        if total is not None:
            total = total.faded(kept ** part.shape[0])
        if own.any():
            with overflow_ignored():  # who adds them up looks at the result
                found = _of_block(part, own, kept**ages)
                total = found if total is None else total.merged(found)
    if total is None:
        msg = "there is no row with a weight above 0"
        raise ValueError(msg)
    return total


def _of_block(part: Array, counts: HostArray, fading: HostArray) -> Moments:
    xp = namespace(part)
    weights = counts * fading
    total, squares = float(weights.sum()), float((counts * fading**2).sum())
    row = beside(weights, part, dtype=part.dtype)
    mean = xp.matmul(row, part) / total
    apart = part - mean[None, :]
    correction = xp.matmul(row, apart) / total  # what rounding has left in the mean
    mean, apart = mean + correction, apart - correction[None, :]
    if weights.min() < 1.0 or weights.max() > 1.0:
        apart = apart * xp.sqrt(row)[:, None]
    scatter = xp.matmul(xp.matrix_transpose(apart), apart)  # of one matrix, which takes half the operations
    return Moments(total, squares, mean, scatter)
