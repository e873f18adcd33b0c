"""How a layer's inputs become decorrelated."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pycopi import kernels
from pycopi._array import Array
from pycopi._checks import as_float, as_whole, check_finite, check_floats, check_samples, check_shape
from pycopi.rules.power import mean_square
from pycopi.rules.stability import BOUND, bounded_rate, checked_bound

RULES = ("covariance", "local")


@dataclass(frozen=True, kw_only=True)
class Decorrelation:
    """How the decorrelating matrices learn.

    Parameters
    ----------
    rate : float
        Step size, dimensionless, at least 0.
    rule : {"covariance", "local"}
        Multiply the matrix by the covariance from the left (the paper's rule), or from the right (its
        biologically local form).
    whitening : float
        Strength kappa in [0, 1]: 0 only decorrelates (the paper), 1 only brings the powers to 1.
    fraction : float
        Share of each batch, its first rows, that the covariance is estimated from, in (0, 1]; at least one
        row.
    every : int
        Steps from one update to the next, in `pycopi.fit`; 1 updates in every step (the paper).
    step_bound : float or None
        Largest effective step ``rate * lambda``, where lambda bounds the largest eigenvalue of the second
        moment of the inputs over the rows; a larger step is scaled down to it. It lets a rate be as many
        times larger as its updates are rarer. None, as in the paper, takes every step as it is.
    """

    rate: float = 1e-3
    rule: Literal["covariance", "local"] = "covariance"
    whitening: float = 0.0
    fraction: float = 1.0
    every: int = 1
    step_bound: float | None = BOUND

    def __post_init__(self) -> None:
        """Check the fields."""
        object.__setattr__(self, "rate", as_float("rate", self.rate))
        object.__setattr__(self, "whitening", as_float("whitening", self.whitening, most=1.0))
        if self.rule not in RULES:
            msg = f"rule is {self.rule!r}; expected one of {', '.join(RULES)}"
            raise ValueError(msg)
        object.__setattr__(self, "every", as_whole("every", self.every))
        object.__setattr__(self, "step_bound", checked_bound(self.step_bound))
        object.__setattr__(self, "fraction", as_float("fraction", self.fraction, most=1.0))
        if self.fraction == 0.0:
            msg = "fraction is 0.0; expected a number above 0 and at most 1"
            raise ValueError(msg)

    @cached_property
    def transposed(self) -> bool:
        """Whether R learns from x R.T, as by the rule ``local``, rather than from x R."""
        return self.rule == "local"

    def sample(self, decorrelated: Array) -> Array:
        """Return the rows of a layer's decorrelated inputs (B, n) that its matrix learns from."""
        if self.fraction == 1.0:
            return decorrelated
        samples = decorrelated.shape[0]
        rows = max(1, int(0.5 + samples * self.fraction))
        return decorrelated if rows == samples else decorrelated[:rows, :]

    def change(
        self, decorrelated: Array, reprojected: Array, power: Array, rate: Any, share: Any
    ) -> kernels.RankK:
        """Return the change of R by decorrelated inputs x (k, n), of which ``power`` (n,) is the mean square.

        ``reprojected`` is x R, or x R.T where `transposed`. ``rate`` is in place of the object's own, which a
        schedule may scale; ``share`` multiplies the step after its bound.
        """
        if self.step_bound is not None:
            rate = bounded_rate(rate, 1.0, decorrelated, power, self.step_bound)
        rate = rate * share
        scale = -rate * (1.0 - self.whitening) / decorrelated.shape[0]
        kept = 1.0 + rate * self.whitening + (rate * (1.0 - 2.0 * self.whitening)) * power
        if self.transposed:
            return kernels.RankK(reprojected, decorrelated, scale, column_scale=kept)
        return kernels.RankK(decorrelated, reprojected, scale, row_scale=kept)


def for_layer(value: Any, layer: int) -> Any:
    """Return the value for a layer, counted from 0: a tuple's own, its last beyond, anything else itself."""
    return value[min(layer, len(value) - 1)] if isinstance(value, tuple) else value


def decorrelation_update(
    decorrelator: Array,
    *,
    decorrelated: Array,
    rate: float,
    rule: Literal["covariance", "local"] = "covariance",
    whitening: float = 0.0,
    copy: bool | None = True,
) -> Array:
    """Return the decorrelating matrix after one step.

    Parameters
    ----------
    decorrelator : array, shape (n, n), real floating
        Decorrelating matrix R; it starts as the identity.
    decorrelated : array, shape (B, n), dtype of ``decorrelator``
        Inputs x = y R.T that this very matrix has made of a batch y.
    rate : float
        Step size, dimensionless, at least 0.
    rule : {"covariance", "local"}
        Multiply R by the covariance from the left (the paper's rule) or from the right (its local form).
    whitening : float
        Strength kappa in [0, 1]: 0 only decorrelates, 1 only brings the powers to 1.
    copy : bool or None
        True (the default) never changes ``decorrelator``; None may overwrite it; False must.

    Returns
    -------
    array, shape (n, n), dtype of ``decorrelator``
        The updated matrix.

    Raises
    ------
    TypeError
        If the arrays differ in library or dtype, or are not real floating.
    ValueError
        If shapes do not fit together, a value is NaN or infinite, or a hyperparameter is out of range.

    Notes
    -----
    With ``s2 = mean(x**2)`` and ``C = mean(x x.T) - diag(s2)``, the rule ``covariance`` is
    ``R' = R - rate [(1 - kappa) C + kappa diag(s2 - 1)] R`` and ``local`` puts R on the left of the bracket.
    Ahmad, Schrader and van Gerven, TMLR 2023, for kappa = 0; Dalm et al., arXiv 2405.02385, for kappa > 0.
    C is never formed: ``x.T (x R)`` costs 4Bn^2 operations where ``(x.T x) R`` costs 2Bn^2 + 2n^3.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> x = np.array([[1.0, 1.0], [1.0, 0.0]])
    >>> pycopi.decorrelation_update(np.eye(2), decorrelated=x, rate=0.1)
    array([[ 1.  , -0.05],
           [-0.05,  1.  ]])
    """
    settings = Decorrelation(rate=0.0, rule=rule, whitening=whitening, step_bound=None)
    rate = as_float("rate", rate)
    check_floats(decorrelator=decorrelator, decorrelated=decorrelated)
    check_shape("decorrelated", decorrelated, (None, None), "it must be a batch of rows")
    samples, n = decorrelated.shape
    check_shape("decorrelator", decorrelator, (n, n), f"decorrelated has {n} features")
    check_samples("decorrelated", samples)
    check_finite(decorrelated=decorrelated)
    reprojected = kernels.product(decorrelated, decorrelator, transposed=settings.transposed)
    change = settings.change(decorrelated, reprojected, mean_square(decorrelated), rate, 1.0)
    return kernels.apply(decorrelator, change, copy)
