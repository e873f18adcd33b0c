"""Decorrelation that is learned sample by sample, for streams and their drift."""

from typing import Literal, NamedTuple

import numpy as np

import pycopi
from pycopi._array import Array, from_numpy, namespace, to_numpy
from pycopi.sklearn.closed_form import Solution


class Learned(NamedTuple):
    """The matrix R (n, n) of a stream of rows that are centred and divided by their first spread.

    ``total`` is the sum of the weights behind ``mean`` (n,); ``scale`` has shape (n,).
    """

    total: float
    mean: Array
    scale: Array
    decorrelator: Array

    @property
    def like(self) -> Array:
        """An array of the library, device and dtype of the rows."""
        return self.decorrelator

    @property
    def solution(self) -> Solution:
        """The transformation."""
        return Solution(self.mean, self.scale, self.decorrelator)

    @property
    def inverse(self) -> Array:
        """The inverse of R, without its singular directions."""
        return from_numpy(np.linalg.pinv(to_numpy(self.decorrelator)), self.decorrelator)

    def after(self, rows: Array, *, rate: float, whiten: bool, center: bool, forgetting: float) -> "Learned":
        """Return what more rows, in their order, make of it."""
        total, mean = self.total, self.mean
        xp = namespace(rows)
        if center:
            total = total * (1.0 - forgetting) ** rows.shape[0] + rows.shape[0]
            mean = mean + (min(1.0, rows.shape[0] / total)) * (xp.mean(rows, axis=0) - mean)
        inputs = (rows - mean[None, :]) / self.scale[None, :]
        rule: Literal["rls", "covariance"] = "rls" if whiten else "covariance"
        stream = pycopi.decorrelate_stream(self.decorrelator, inputs, rate=rate, rule=rule)
        return Learned(total, mean, self.scale, stream.decorrelator)


def begin(rows: Array, *, center: bool) -> Learned:
    """Return the identity for rows of the scale of these."""
    xp = namespace(rows)
    apart = rows - xp.mean(rows, axis=0)[None, :] if center else rows
    largest = xp.max(xp.abs(apart), axis=0)
    largest = xp.where(largest > 0, largest, xp.ones_like(largest))
    scale = xp.sqrt(xp.mean(xp.square(apart / largest[None, :]), axis=0)) * largest
    resolution = 8.0 * float(xp.finfo(rows.dtype).eps) * xp.max(xp.abs(rows), axis=0)
    scale = xp.where(scale > resolution, scale, xp.ones_like(scale))
    identity = from_numpy(np.eye(rows.shape[1]), rows, dtype=rows.dtype)
    return Learned(0.0, xp.zeros_like(scale), scale, identity)
