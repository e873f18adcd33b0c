"""The transformer."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from pycopi._array import Array, HostArray, astype, namespace
from pycopi._checks import as_float, as_whole, is_finite
from pycopi._moving import take
from pycopi.analysis import correlation_floor, off_diagonal_correlation
from pycopi.sklearn.closed_form import ClosedForm, Solution
from pycopi.sklearn.inputs import floats_for, read_inputs
from pycopi.sklearn.learned import Learned, begin
from pycopi.sklearn.moments import moments_of
from pycopi.sklearn.rows import order_of, read_weights, times

METHODS = ("closed_form", "learned")


class CorrelationLeft(NamedTuple):
    """How correlated rows still are: mean absolute correlation, and what independent features would show."""

    left: float
    floor: float


@dataclass(eq=False, repr=False)
class Decorrelator(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Decorrelates or whitens the columns of X, and keeps each output as close to its column as can be.

    Parameters
    ----------
    method : {"closed_form", "learned"}
        From the second moments of all rows, or by the rules of pycopi, row by row.
    whiten : bool
        Whether outputs have power 1. In closed form they otherwise have the power of their columns.
    center : bool
        Whether to take the mean of each column off.
    shrinkage : "auto" or float
        How far, from 0 to 1, the correlations of the sample are drawn to the identity before they are inverted,
        in closed form. ``auto`` judges each eigenvalue from the data.
    forgetting : float
        Share of their weight that all earlier rows lose with each row, in [0, 1): about ``1 / forgetting`` rows
        count. 0 forgets nothing. Where the matrix is learned it is for the mean alone; ``rate`` does the rest.
    rate : "auto" or float
        Step size for each row where the matrix is learned, dimensionless, at least 0. With ``whiten`` it is
        below 1, and about ``1 / rate`` rows count. ``auto`` is 0.01, with ``whiten`` at most 0.1 / n.
    passes : int
        Passes of `fit` over the rows where the matrix is learned, each in a random order, at least 1; pass k
        has the step size ``rate / k``.

    Attributes
    ----------
    mean_, scale_ : array, shape (n,)
        What is taken off each column, and what it is then divided by.
    matrix_ : array, shape (n, n)
        ``x = matrix_ @ ((y - mean_) / scale_)``.
    n_features_in_, feature_names_in_ : int, array
        Columns seen in `fit`, and their names where they are text.

    Notes
    -----
    In closed form, with the correlations ``P = V diag(e) V.T`` of columns of power ``s**2``, the outputs are
    ``s * V diag(d**-0.5) V.T ((y - mean) / s)``, without the first factor where they are whitened. Of all
    whitenings this one, ZCA-cor, keeps outputs closest to their columns (Kessy, Lewin and Strimmer, The
    American Statistician 72(4), 2018). With ``shrinkage="auto"`` each d is the power that later rows have
    along that eigenvector, estimated as in Ledoit and Wolf, Annals of Statistics 48(5), 2020::

        d = e / ((pi c e f(e))**2 + (1 - c - pi c e H(e))**2),  c = n / N

    with the density f of the eigenvalues and its Hilbert transform H. A column that is constant, or that
    columns before it determine, gives 0: its values follow from the others, and `inverse_transform` brings
    them back. Without ``center`` a mean far beyond the spread makes all columns look alike.

    Sample weights count rows, as those of `COPIClassifier` do. With ``array_api_dispatch`` the rows stay on
    their library and device; the eigenvalues of an (n, n) matrix are computed in host memory.

    Examples
    --------
    >>> import numpy as np
    >>> from pycopi.sklearn import Decorrelator
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(4000, 3)) @ rng.normal(size=(3, 3)) + 5.0
    >>> whitened = Decorrelator(whiten=True).fit(x[:2000]).transform(x[2000:])
    >>> bool(np.abs(whitened.T @ whitened / 2000 - np.eye(3)).max() < 0.1)
    True
    """

    method: str = "closed_form"
    _: KW_ONLY
    whiten: bool = False
    center: bool = True
    shrinkage: Any = "auto"
    forgetting: float = 0.0
    rate: Any = "auto"
    passes: int = 10
    _state: ClosedForm | Learned = field(init=False)

    @property
    def mean_(self) -> Array:
        """What is taken off each column."""
        return self._solution.mean

    @property
    def scale_(self) -> Array:
        """What each column is divided by after that."""
        return self._solution.scale

    @property
    def matrix_(self) -> Array:
        """What these columns are multiplied by."""
        return self._solution.matrix

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "Decorrelator":
        """Learn from rows, and from these alone.

        Parameters
        ----------
        X : array-like, shape (N, n)
            Rows of finite numbers: an array, a data frame, or with ``array_api_dispatch`` an array of any
            library. Sparse matrices are refused. The last row is the youngest.
        y : None
            Not used.
        sample_weight : array-like, shape (N,), or None
            How often each row counts, at least 0.

        Returns
        -------
        Decorrelator
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            If X is not a matrix of finite numbers, or a parameter is out of range.
        StreamDivergenceError
            If a matrix that is learned would not be finite.
        """
        rows = validate_data(self, X, dtype=floats_for(X))
        self._learn(rows, sample_weight, None, as_whole("passes", self.passes))
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "Decorrelator":
        """Learn from more rows, younger than those before.

        Parameters
        ----------
        X, y, sample_weight : array-like, None, array-like
            As for `fit`. Where the matrix is learned, the first call sets ``scale_``.

        Returns
        -------
        Decorrelator
            The estimator itself.

        Raises
        ------
        TypeError, ValueError, StreamDivergenceError
            As `fit` does, or if X is elsewhere than the rows before.
        """
        before = getattr(self, "_state", None)
        if before is None:
            rows = validate_data(self, X, dtype=floats_for(X))
        else:
            rows = read_inputs(self, X, "partial_fit", before.like)
        self._learn(rows, sample_weight, before, None)
        return self

    def transform(self, X: Any) -> Array:
        """Return decorrelated rows.

        Parameters
        ----------
        X : array-like, shape (N, n)
            Rows, on the library and device of those in `fit`.

        Returns
        -------
        array, shape (N, n), float32 or float64 as X
            On that library and device.
        """
        return self._transformed(X, "transform")

    def inverse_transform(self, X: Any) -> Array:
        """Return rows as they were before `transform`, to rounding.

        Parameters
        ----------
        X : array-like, shape (N, n)
            Decorrelated rows.

        Returns
        -------
        array, shape (N, n), float32 or float64 as X
            On the library and device of those in `fit`.
        """
        check_is_fitted(self)
        rows = read_inputs(self, X, "inverse_transform", self._state.like)
        return self._solution.undo(rows, self._state.inverse)

    def correlation_left(self, X: Any) -> CorrelationLeft:
        """Return how correlated rows still are after `transform`, beside the floor of sampling.

        Parameters
        ----------
        X : array-like, shape (N, n)
            Rows that were not learned from: a held-out set, or the next part of a stream before `partial_fit`.

        Returns
        -------
        CorrelationLeft
            ``left``, the mean absolute correlation between different outputs, and ``floor``, what independent
            ones would show in as many rows; both in [0, 1].
        """
        rows = self._transformed(X, "correlation_left")
        return CorrelationLeft(off_diagonal_correlation(rows), correlation_floor(rows.shape[0]))

    def merge(self, other: "Decorrelator") -> "Decorrelator":
        """Return the estimator that one fit over the rows of both would have made, to rounding.

        Parameters
        ----------
        other : Decorrelator
            Fitted in closed form, with the same parameters, on other rows of the same columns.

        Returns
        -------
        Decorrelator
            A new one; both stay as they are. With ``forgetting`` the rows of both count as equally old.

        Raises
        ------
        TypeError, ValueError
            If the two do not fit together, or are not of the closed form.
        NotFittedError
            If one of them is not fitted.
        """
        check_is_fitted(self)
        mine, theirs = self._mergeable(other)
        merged = type(self)(**self.get_params(deep=False))
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(merged, name, getattr(self, name))
        merged._state = mine.merged(theirs)
        return merged

    @property
    def _solution(self) -> Solution:
        return self._state.solution

    def _transformed(self, X: Any, method: str) -> Array:
        check_is_fitted(self)
        return self._solution.apply(read_inputs(self, X, method, self._state.like))

    def _learn(self, rows: Array, sample_weight: Any, before: Any, passes: int | None) -> None:
        """Learn from checked rows, after what was ``before``, if anything; with None once, in their order."""
        forgetting = self._checked_forgetting()
        counts = read_weights(sample_weight, rows.shape[0])
        kind = Learned if self.method == "learned" else ClosedForm
        goes_on = before is None or isinstance(before, kind)
        if not goes_on:
            msg = f"method is {self.method!r} but the rows before were learned from otherwise; call fit first"
            raise ValueError(msg)
        if kind is Learned:
            order: HostArray = np.arange(rows.shape[0]) if passes is None else order_of(rows)
            if counts is not None:
                order = np.repeat(order, times(counts[order], 0.5))
            self._state = self._streamed(rows, order, before, forgetting, passes)
        else:
            self._state = self._gathered(rows, counts, before, forgetting)

    def _checked_forgetting(self) -> float:
        """Return the share that is forgotten, with all else that has a range checked too."""
        if self.method not in METHODS:
            msg = f"method is {self.method!r}; expected one of {', '.join(METHODS)}"
            raise ValueError(msg)
        if self.shrinkage != "auto":
            as_float("shrinkage", self.shrinkage, most=1.0)
        forgetting = float(as_float("forgetting", self.forgetting))
        if forgetting >= 1.0:
            msg = f"forgetting is {forgetting}; expected a number of at least 0 and below 1"
            raise ValueError(msg)
        return forgetting

    def _gathered(
        self, rows: Array, counts: HostArray | None, before: ClosedForm | None, forgetting: float
    ) -> ClosedForm:
        """Return the moments of rows, and of those before them."""
        moments = moments_of(rows, counts, forgetting)
        resolution = float(namespace(rows).finfo(rows.dtype).eps)
        if before is not None:
            moments = before.moments.faded((1.0 - forgetting) ** rows.shape[0]).merged(moments)
            resolution = max(resolution, before.resolution)
        if not is_finite(moments.scatter):
            msg = "the second moments of X overflow; divide its columns by their largest values first"
            raise ValueError(msg)
        return ClosedForm(
            moments,
            whiten=bool(self.whiten),
            center=bool(self.center),
            shrinkage=self.shrinkage,
            resolution=resolution,
        )

    def _streamed(
        self, rows: Array, order: HostArray, before: Learned | None, forgetting: float, passes: int | None
    ) -> Learned:
        """Return what rows make of a matrix, in this order or, in each of so many passes, in a random one."""
        rate = 1e-2 if self.rate == "auto" else as_float("rate", self.rate)
        if self.rate == "auto" and self.whiten:
            rate = min(rate, 0.1 / rows.shape[1])
        center = bool(self.center)
        state = begin(take(rows, order, rows), center=center) if before is None else before
        rows = astype(rows, state.like.dtype)
        for number in range(passes or 1):
            chosen = order if passes is None else np.random.default_rng(number).permutation(order)
            state = state.after(
                take(rows, chosen, rows),
                rate=rate / (number + 1),
                whiten=bool(self.whiten),
                center=center,
                forgetting=forgetting,
            )
        return state

    def _mergeable(self, other: Any) -> tuple[ClosedForm, ClosedForm]:
        if not isinstance(other, Decorrelator):
            msg = f"other is a {type(other).__name__}; expected a Decorrelator"
            raise TypeError(msg)
        check_is_fitted(other)
        if not isinstance(self._state, ClosedForm) or not isinstance(other._state, ClosedForm):
            msg = "a matrix that is learned cannot be merged; fit both with method='closed_form'"
            raise ValueError(msg)
        if self.get_params() != other.get_params():
            msg = f"the parameters are {self.get_params()} here but {other.get_params()} there"
            raise ValueError(msg + "; expected the same")
        names = [list(getattr(one, "feature_names_in_", range(one.n_features_in_))) for one in (self, other)]
        if names[0] != names[1]:
            msg = f"the columns are {names[0]} here but {names[1]} there; expected the same"
            raise ValueError(msg)
        return self._state, other._state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
