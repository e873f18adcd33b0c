"""Angles in degrees, exact for small ones too, and their means."""

import math
from dataclasses import dataclass

from pycopi._array import Array, namespace, number, wide_floats
from pycopi.analysis.passes import or_one


def row_angles(rows: Array, others: Array) -> Array:
    """Return the angle between each row and its partner, shape (B,); NaN where one of them is zero.

    ``2 atan2(|u - v|, |u + v|)`` of the unit vectors: the arc cosine of their product would lose all digits of
    an angle below the root of the rounding.
    """
    xp = namespace(rows)
    u, v = _unit(wide_floats(rows)), _unit(wide_floats(others))
    radians = 2.0 * xp.atan2(_norm(u - v), _norm(u + v))
    there = xp.any(u != 0, axis=1) & xp.any(v != 0, axis=1)
    return xp.where(there, radians * (180.0 / math.pi), xp.full_like(radians, math.nan))


def angle(array: Array, other: Array) -> float:
    """Return the angle between two arrays of one shape, each taken as one vector."""
    xp = namespace(array)
    return number(row_angles(xp.reshape(array, (1, -1)), xp.reshape(other, (1, -1)))[0])


@dataclass
class Mean:
    """A mean that grows by weighted values; NaN, which is no value, is left out."""

    summed: float = 0.0
    weight: float = 0.0

    def add(self, value: float, weight: float) -> None:
        """Take in one value."""
        if not math.isnan(value):
            self.summed += weight * value
            self.weight += weight

    def add_rows(self, values: Array) -> None:
        """Take in values (B,), each of weight 1."""
        xp = namespace(values)
        missing = xp.isnan(values)
        self.summed += number(xp.sum(xp.where(missing, xp.zeros_like(values), values)))
        self.weight += number(xp.sum(xp.where(missing, xp.zeros_like(values), xp.ones_like(values))))

    @property
    def value(self) -> float:
        """The mean, NaN of nothing."""
        return self.summed / self.weight if self.weight else math.nan


def _unit(rows: Array) -> Array:
    """Return rows of length 1; zero rows stay. The largest value goes first, lest squares overflow."""
    xp = namespace(rows)
    scaled = rows / or_one(xp.max(xp.abs(rows), axis=1, keepdims=True))
    return scaled / or_one(_norm(scaled))[:, None]


def _norm(rows: Array) -> Array:
    xp = namespace(rows)
    return xp.sqrt(xp.sum(xp.square(rows), axis=1))
