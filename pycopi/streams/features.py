"""The columns of named features: an index that grows, and rows in which values may be missing."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from pycopi._array import HostArray, adopted, is_array, is_numpy, to_numpy


class FeatureIndex:
    """The column of each feature by its name, in the order in which they came.

    The features of an array are named by their places, 0, 1, 2, ...
    """

    def __init__(self) -> None:
        self.columns: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self.columns)

    def row(self, features: Any, *, learning: bool = False) -> HostArray:
        """Return the values of a sample, shape (n,), float64; NaN where one is missing.

        Features that have no column get one when ``learning``, and are left out else. Those of one sample are
        sorted, so that their order in it makes no difference.
        """
        columns = self.columns
        if isinstance(features, Mapping):
            if learning and not features.keys() <= columns.keys():
                new = sorted((name for name in features if name not in columns), key=str)
                columns.update(zip(new, range(len(self), len(self) + len(new)), strict=True))
            return self._row_of(features)
        values = features if is_numpy(features) else adopted(features)
        values = to_numpy(values) if is_array(values) else values
        row: HostArray = np.asarray(values, np.float64)
        if learning and not columns and row.ndim == 1:
            columns.update(zip(range(len(row)), range(len(row)), strict=True))
        if row.shape != (len(self),):
            expected = f"({len(self)},)" if columns else "(n,)"
            msg = f"a sample has shape {row.shape}; expected {expected}, a row of numbers"
            msg += ", or a dict where features come and go"
            raise ValueError(msg)
        return row

    def _row_of(self, features: Mapping[Hashable, Any]) -> HostArray:
        get, nothing = features.get, float("nan")
        values = [get(name, nothing) for name in self.columns]
        try:
            return np.array(values, np.float64)  # None becomes NaN
        except (TypeError, ValueError):
            name, value = next(one for one in zip(self.columns, values, strict=True) if not _is_number(one[1]))
            msg = (
                f"the feature {name!r} is {value!r}; expected a number: leave it out, or encode it before, as "
            )
            msg += "river.preprocessing.OneHotEncoder does"
            raise TypeError(msg) from None


def _is_number(value: Any) -> bool:
    try:
        return np.array(value, np.float64).ndim == 0
    except (TypeError, ValueError):
        return False
