"""Decorrelation in closed form: the matrix that moments give, computed in host memory in float64.

Each feature is divided by its spread first, so that no unit outweighs another. Features that others determine
are left out: their outputs are 0, and what they were follows from the others.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, HostArray, astype, eigh, namespace, to_numpy
from pycopi.sklearn.inputs import beside
from pycopi.sklearn.moments import Moments
from pycopi.sklearn.shrinkage import shrunk


class Solution(NamedTuple):
    """A transformation of n features, ``x = matrix @ ((y - mean) / scale)``.

    ``mean`` and ``scale`` have shape (n,), ``matrix`` has (n, n).
    """

    mean: Array
    scale: Array
    matrix: Array

    def apply(self, rows: Array) -> Array:
        """Return transformed rows (N, n), in their dtype."""
        mean, scale, matrix = (astype(part, rows.dtype) for part in self)
        xp = namespace(rows)
        return xp.matmul((rows - mean[None, :]) / scale[None, :], xp.matrix_transpose(matrix))

    def undo(self, rows: Array, inverse: Array) -> Array:
        """Return rows (N, n) as they were, in their dtype: ``y = mean + scale * (inverse @ x)``."""
        mean, scale, inverse = (astype(part, rows.dtype) for part in (self.mean, self.scale, inverse))
        xp = namespace(rows)
        return xp.matmul(rows, xp.matrix_transpose(inverse)) * scale[None, :] + mean[None, :]


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
        return Solution(*map(self._placed, self._solve(self._whitening)))

    @cached_property
    def inverse(self) -> Array:
        """The matrix that brings rows back, on the same library and device."""
        return self._placed(self._solve(self._coloring)[2])

    def _placed(self, part: HostArray) -> Array:
        return beside(part, self.like, dtype=self.like.dtype)

    def _solve(self, matrix_of: Callable[["Spectrum"], HostArray]) -> tuple[HostArray, HostArray, HostArray]:
        """Return mean, scale, and a matrix (n, n) that is made of the correlations of live features."""
        moments, mean = self.moments, to_numpy(self.moments.mean).astype(np.float64)
        second = to_numpy(moments.scatter).astype(np.float64) / moments.total
        if not self.center:
            second, mean = second + np.outer(mean, mean), np.zeros_like(mean)
        power = np.diagonal(second).copy()
        live = np.flatnonzero(power > (64.0 * np.finfo(np.float64).eps * mean) ** 2)
        scale = np.ones_like(power)
        scale[live] = np.sqrt(power[live])
        n = len(power)
        matrix = np.zeros((n, n))
        if len(live):
            correlation = second[np.ix_(live, live)] / np.outer(scale[live], scale[live])
            matrix[np.ix_(live, live)] = matrix_of(self._spectrum(correlation, scale[live]))
        return mean, scale, matrix

    def _spectrum(self, correlation: HostArray, scale: HostArray) -> "Spectrum":
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
        share = self.shrinkage
        power = shrunk(values, rows) if share == "auto" else (1.0 - share) * values + share
        power[power <= tolerance] = 0.0
        return Spectrum(correlation, scale, kept, values, vectors, power, tolerance)

    def _whitening(self, found: "Spectrum") -> HostArray:
        """Return the whitening matrix (p, p) of live features, which keeps their power unless ``whiten``."""
        matrix = np.zeros_like(found.correlation)
        matrix[np.ix_(found.kept, found.kept)] = found.of(np.sqrt(_inverted(found.power)))
        return matrix if self.whiten else matrix * found.scale[:, None]

    def _coloring(self, found: "Spectrum") -> HostArray:
        inverse = np.zeros_like(found.correlation)
        inverse[:, found.kept] = _regressed(found) @ found.of(np.sqrt(found.power))
        return inverse if self.whiten else inverse / found.scale[None, :]


class Spectrum(NamedTuple):
    """Eigenvalues and eigenvectors of the correlations (p, p) of features of power 1.

    They are those of the features ``kept`` (k,), which determine the others. ``power`` (k,) is what later rows
    are judged to have along each eigenvector, 0 where that is no more than ``tolerance``; ``scale`` (p,) is
    what the features were divided by.
    """

    correlation: HostArray
    scale: HostArray
    kept: HostArray
    values: HostArray
    vectors: HostArray
    power: HostArray
    tolerance: float

    def of(self, values: HostArray) -> HostArray:
        """Return the matrix (k, k) that has these eigenvalues."""
        matrix: HostArray = (self.vectors * values) @ self.vectors.T
        return matrix


def _inverted(values: HostArray) -> HostArray:
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


def _regressed(found: Spectrum) -> HostArray:
    """Return the matrix (p, k) that makes all features of those that were kept."""
    p, kept = len(found.correlation), found.kept
    if len(kept) == p:
        return np.eye(p)
    usable = np.where(found.values > found.tolerance, found.values, 0.0)
    matrix: HostArray = found.correlation[:, kept] @ found.of(_inverted(usable))
    matrix[kept] = np.eye(len(kept))
    return matrix
