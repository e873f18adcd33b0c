"""Decorrelation in closed form: the matrix that moments give, computed in host memory in float64.

Each feature is divided by its spread first, so that no unit outweighs another. Features that others determine
are left out: their outputs are 0, and what they were follows from the others.
"""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, HostArray, eigh, namespace, to_numpy
from pycopi.sklearn.inputs import beside
from pycopi.sklearn.moments import Moments
from pycopi.sklearn.shrinkage import shrunk


class Solution(NamedTuple):
    """A transformation of n features: ``mean`` and ``scale`` (n,), ``matrix`` and ``inverse`` (n, n).

    ``x = matrix @ ((y - mean) / scale)``, and ``y = mean + scale * (inverse @ x)``.
    """

    mean: Array
    scale: Array
    matrix: Array
    inverse: Array

    def apply(self, rows: Array) -> Array:
        """Return transformed rows (N, n), in their dtype."""
        mean, scale, matrix, _ = self._in_dtype_of(rows)
        xp = namespace(rows)
        return xp.matmul((rows - mean[None, :]) / scale[None, :], xp.matrix_transpose(matrix))

    def undo(self, rows: Array) -> Array:
        """Return rows (N, n) as they were, in their dtype."""
        mean, scale, _, inverse = self._in_dtype_of(rows)
        xp = namespace(rows)
        return xp.matmul(rows, xp.matrix_transpose(inverse)) * scale[None, :] + mean[None, :]

    def _in_dtype_of(self, rows: Array) -> tuple[Array, ...]:
        xp = namespace(rows)
        return tuple(part if part.dtype == rows.dtype else xp.astype(part, rows.dtype) for part in self)


class ClosedForm:
    """Moments, and the transformation that they give, which is computed when it is first needed."""

    def __init__(
        self, moments: Moments, *, whiten: bool, center: bool, shrinkage: Any, resolution: float
    ) -> None:
        self.moments, self.whiten, self.center, self.shrinkage = moments, whiten, center, shrinkage
        self.resolution = resolution

    @property
    def like(self) -> Array:
        """An array of the library and device of the rows."""
        return self.moments.mean

    def merged(self, other: "ClosedForm") -> "ClosedForm":
        """Return what the rows of both make."""
        return ClosedForm(
            self.moments.merged(other.moments),
            whiten=self.whiten,
            center=self.center,
            shrinkage=self.shrinkage,
            resolution=max(self.resolution, other.resolution),
        )

    @cached_property
    def solution(self) -> Solution:
        """The transformation, on the library and device of the moments."""
        like = self.moments.mean
        return Solution(*(beside(part, like, dtype=like.dtype) for part in self._solve()))

    def _solve(self) -> Solution:
        moments, mean = self.moments, to_numpy(self.moments.mean).astype(np.float64)
        second = to_numpy(moments.scatter).astype(np.float64) / moments.total
        if not self.center:
            second, mean = second + np.outer(mean, mean), np.zeros_like(mean)
        power = np.diagonal(second).copy()
        live = np.flatnonzero(power > (64.0 * np.finfo(np.float64).eps * mean) ** 2)
        scale = np.ones_like(power)
        scale[live] = np.sqrt(power[live])
        n = len(power)
        matrix, inverse = np.zeros((n, n)), np.zeros((n, n))
        if len(live):
            correlation = second[np.ix_(live, live)] / np.outer(scale[live], scale[live])
            matrix[np.ix_(live, live)], inverse[np.ix_(live, live)] = self._of_correlation(correlation)
        if not self.whiten:
            matrix, inverse = matrix * scale[:, None], inverse / scale[None, :]
        return Solution(mean, scale, matrix, inverse)

    def _of_correlation(self, correlation: HostArray) -> tuple[HostArray, HostArray]:
        """Return the whitening matrix (p, p) of features of power 1, and its inverse."""
        rows = self.moments.rows - (1.0 if self.center else 0.0)
        p = len(correlation)
        eps = np.finfo(np.float64).eps
        tolerance = p * max(16.0 * eps, (16.0 * self.resolution) ** 2)
        kept = np.arange(p)
        values, vectors = eigh(correlation)
        if values[0] < tolerance:
            kept = independent(correlation, tolerance, rows)
            values, vectors = eigh(correlation[np.ix_(kept, kept)])
        values = np.maximum(values, 0.0)
        power = self._shrunk(values, rows)
        power[power <= tolerance] = 0.0
        matrix, inverse = np.zeros((p, p)), np.zeros((p, p))
        matrix[np.ix_(kept, kept)] = (vectors * np.sqrt(_inverted(power))) @ vectors.T
        inverse[:, kept] = _regressed(correlation, kept, values, vectors, tolerance) @ (
            (vectors * np.sqrt(power)) @ vectors.T
        )
        return matrix, inverse

    def _shrunk(self, values: HostArray, rows: float) -> HostArray:
        if self.shrinkage == "auto":
            return shrunk(values, rows)
        return np.asarray((1.0 - self.shrinkage) * values + self.shrinkage)


def _inverted(values: HostArray) -> HostArray:
    """Return the inverse of each value, 0 for 0."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


def independent(correlation: HostArray, tolerance: float, rows: float) -> HostArray:
    """Return the features that those before them do not determine, in their order.

    Of the power 1 of a feature, at most ``tolerance`` is what the others leave where they determine it. Once as
    many are found as there are ``rows``, these determine everything, whether it depends on them or not: all
    later features are kept.
    """
    left: HostArray = correlation.copy()
    kept: list[int] = []
    for index in range(len(left)):
        if len(kept) + 1 > rows:
            return np.array([*kept, *range(index, len(left))])
        if left[index, index] > tolerance:
            kept.append(index)
            row = left[index, index:] / np.sqrt(left[index, index])
            left[index:, index:] -= np.outer(row, row)
    return np.array(kept)


def _regressed(
    correlation: HostArray, kept: HostArray, values: HostArray, vectors: HostArray, tolerance: float
) -> HostArray:
    """Return the matrix (p, k) that makes all features of those that were kept."""
    p = len(correlation)
    if len(kept) == p:
        return np.eye(p)
    usable = np.where(values > tolerance, values, 0.0)
    matrix: HostArray = correlation[:, kept] @ ((vectors * _inverted(usable)) @ vectors.T)
    matrix[kept] = np.eye(len(kept))
    return matrix
