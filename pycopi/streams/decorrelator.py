"""The transformer of streams: decorrelation and whitening, sample by sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pycopi._array import HostArray
from pycopi._checks import as_float
from pycopi.rules.sample import decorrelate_sample, finish_samples, start_samples
from pycopi.streams.features import FeatureIndex
from pycopi.streams.scaling import NOTHING, readable


@dataclass(eq=False, repr=False)
class StreamDecorrelator:
    """Decorrelates samples that come one at a time, each by what those before it have taught.

    A sample is an array or a dict of numbers of any scale; a new feature gets a column, and one that is missing
    counts as its mean so far. Each output stays as close to its feature as can be, and keeps its name.

    Parameters
    ----------
    whiten : bool
        Whether all outputs get a power of 1, by recursive least squares; else they keep that of a feature in
        units of its spread, which is 1 or less.
    rate : float
        Least share that a sample has in the second moments, or without ``whiten`` the step size of a sample;
        dimensionless, in [0, 1). It follows drift over some 1 / rate samples, which should be several times n.
    forgetting : float
        Least share that a sample has in the means and spreads, in [0, 1]; 0 lets all count alike.

    Notes
    -----
    A sample is standardised by running means and spreads, and then goes through `pycopi.decorrelate_sample`.
    With ``whiten`` the first samples have larger shares, 1 / (t + n + 1) for sample t, as in a mean over all.

    Examples
    --------
    >>> import numpy as np
    >>> from pycopi.streams import StreamDecorrelator
    >>> rows = np.random.default_rng(0).normal(size=(2000, 2)) @ np.array([[1.0, 0.9], [0.0, 0.1]])
    >>> model = StreamDecorrelator()
    >>> for row in rows[:1500]:
    ...     model.learn_one(row)
    >>> white = np.array([model.transform_one(row) for row in rows[1500:]])
    >>> float(np.abs(white.T @ white / 500 - np.eye(2)).max()) < 0.2
    True
    """

    whiten: bool = True
    rate: float = 1e-3
    forgetting: float = 0.0

    def __post_init__(self) -> None:
        self._index = FeatureIndex()
        self._scale = NOTHING
        self._state = start_samples(np.eye(0))
        self._samples = 0
        self._least = as_float("rate", self.rate, most=1.0)
        self._rule: Literal["rls", "covariance"] = "rls" if self.whiten else "covariance"
        self._most = 1.0 / max(as_float("forgetting", self.forgetting, most=1.0), 1e-300)

    @property
    def features(self) -> list[Any]:
        """The names of the features in the order of the columns; those of arrays are 0, 1, 2, ..."""
        return list(self._index.columns)

    @property
    def decorrelator_(self) -> HostArray:
        """The matrix R (n, n) of standardised samples."""
        matrix: HostArray = finish_samples(self._state)
        return matrix

    def learn_one(self, x: Any) -> None:
        """Learn from a sample.

        Parameters
        ----------
        x : dict, or array of shape (n,)
            Numbers by the names of their features, or in the order of the first array.

        Raises
        ------
        TypeError, ValueError
            If a feature is no number, or an array has another shape than the first.
        StreamDivergenceError
            As `pycopi.decorrelate_sample` does.
        """
        row = readable(self._index.row(x, learning=True))
        if len(row) != len(self._scale.mean):
            self._grow(len(row))
        self._scale = self._scale.after(row, self._most)
        inputs = self._scale.standardised(row)[0, :]
        rate = self._least
        if self.whiten:
            rate = max(rate, 1.0 / (self._samples + len(row) + 1))
        self._state = decorrelate_sample(self._state, inputs, rate=rate, rule=self._rule, copy=None).state
        self._samples += 1

    def transform_one(self, x: Any) -> Any:
        """Return a sample decorrelated by what was learned so far.

        Parameters
        ----------
        x : dict, or array of shape (n,)
            A sample; features that were never learned from are left out.

        Returns
        -------
        dict, or array of shape (n,)
            Outputs by the names of their features, all that were ever learned from; of an array an array,
            float32.
        """
        if not len(self._index) and not isinstance(x, Mapping):
            return np.zeros(len(x), np.float32)
        row = readable(self._index.row(x))
        inputs = self._scale.after(row, self._most).standardised(row)[0, :]
        matrix, left, right, kept = self._state
        outputs = kept * (matrix @ inputs) + left * (right @ inputs)
        return (
            dict(zip(self._index.columns, outputs.tolist(), strict=True)) if isinstance(x, Mapping) else outputs
        )

    def _grow(self, columns: int) -> None:
        """Make room for more columns, which nothing is correlated with yet."""
        known = len(self._state.decorrelator)
        matrix = np.eye(columns, dtype=np.float32)
        matrix[:known, :known] = finish_samples(self._state, copy=None)
        self._state, self._scale = start_samples(matrix), self._scale.widened(columns)
