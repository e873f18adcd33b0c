"""What rounding to float32 would take from data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LOOKED_AT = 10_000  # rows, spread evenly over the data
_PRECISE = 0.01  # of what a column varies by, the most that rounding may take


def lost_in_float32(array: NDArray[Any]) -> list[int]:
    """Return columns of which rounding to float32 takes more than a hundredth of the spread, counted from 1."""
    if array.dtype != np.float64:
        return []
    rows = np.linspace(0, len(array) - 1, min(_LOOKED_AT, len(array))).astype(np.int64)
    values = array[rows].reshape(len(rows), -1)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        errors = np.abs(values.astype(np.float32) - values)
        largest = np.abs(values - values[:1]).max(axis=0)
        lost = (largest > 0) & ~(errors.max(axis=0) <= _PRECISE * largest)
    return [int(one) + 1 for one in np.flatnonzero(lost)]
