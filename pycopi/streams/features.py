"""The columns of named features: an index that grows, and rows in which values may be missing."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from pycopi._array import HostArray, adopted, is_array, is_numpy, to_numpy

_MISSING = float("nan")


class FeatureIndex:
    """The column of each feature by its name, in the order in which they came.

    The features of an array are named by their places, 0, 1, 2, ...
    """

    _values: Callable[[Any], Any] | None = None  # those of all columns, of two or more

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
            values = self._complete(features)
            if values is not None:
                return self._row_of(columns, values)
            new: list[Hashable] = []
            if learning and not features.keys() <= columns.keys():
                new = sorted((name for name in features if name not in columns), key=str)
            names = [*columns, *new]
            row = self._row_of(names, [features.get(name, _MISSING) for name in names])
            if new:  # and only now: a sample that is refused leaves no trace
                self._add(new)
            return row
        given = features if is_numpy(features) else adopted(features)
        row = np.asarray(to_numpy(given) if is_array(given) else given, np.float64)
        if learning and not columns and row.ndim == 1 and len(row):
            self._add(range(len(row)))
        if row.shape != (len(self),):
            expected = f"({len(self)},)" if columns else "(n,)"
            msg = f"a sample has shape {row.shape}; expected {expected}, a row of numbers"
            msg += ", or a dict where features come and go"
            raise ValueError(msg)
        return row

    def _add(self, names: Sequence[Hashable]) -> None:
        """Give each of these names a column."""
        self.columns.update(zip(names, range(len(self), len(self) + len(names)), strict=True))
        self._values = itemgetter(*self.columns) if len(self) > 1 else None

    def _complete(self, features: Mapping[Hashable, Any]) -> Sequence[Any] | None:
        """Return the values of a plain dict of just the known features, in one look-up for all; else None."""
        if self._values is None or type(features) is not dict or len(features) != len(self):
            return None
        try:
            values: Sequence[Any] = self._values(features)
        except KeyError:
            return None
        return values

    def _row_of(self, names: Iterable[Hashable], values: Sequence[Any]) -> HostArray:
        try:
            return np.array(values, np.float64)  # None becomes NaN
        except (TypeError, ValueError):
            name, value = next(one for one in zip(names, values, strict=True) if not _is_number(one[1]))
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
