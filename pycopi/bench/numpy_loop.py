"""The loop over samples that a user of NumPy would write, which streams are measured against."""

from typing import Any

import numpy as np

RATE = 1e-5
"""Step size of the streams that are timed."""


def loop(matrix: Any, samples: Any, rate: float = RATE) -> Any:
    """Return samples decorrelated one after the other; the matrix is overwritten.

    Already without the covariance matrix: two products and two sweeps of the matrix for each sample.
    """
    rows = np.empty_like(samples)
    for index, sample in enumerate(samples):
        x = matrix @ sample
        v = x @ matrix
        matrix *= (1 + rate * x * x)[:, None]
        matrix -= np.outer(rate * x, v)
        rows[index] = x
    return rows
