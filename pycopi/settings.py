"""How a network learns: one frozen, hashable description, and the rates that a schedule may change."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from pycopi._array import is_traced
from pycopi._checks import as_float
from pycopi.credit import CREDIT
from pycopi.losses import LOSSES
from pycopi.rules.adam import Adam
from pycopi.rules.decorrelation import Decorrelation, for_layer
from pycopi.rules.stability import checked_bound
from pycopi.rules.weights import EPSILON

WEIGHT_RULES = ("copi", "gradient", "adam")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network learns; the defaults are the paper's for MNIST and CIFAR-10.

    Parameters
    ----------
    rule : {"copi", "gradient", "adam"}
        How weights learn: constrained parameter inference, the plain gradient form, or Adam on that gradient.
    rate : float
        Step size of the weights, dimensionless, at least 0.
    gain : float
        Factor of the output error, dimensionless, at least 0. With COPI the effective gradient step is
        ``gain * rate``; with the other rules, 1 is usual.
    credit : {"backpropagation", "feedback_alignment"}
        Where the perturbations of the lower layers come from.
    loss : {"squared_error", "cross_entropy"}
        What the output error is the derivative of.
    variance_scaled : bool
        Divide each COPI step by the power of its input.
    epsilon : float
        Added to that power, in squared units of the inputs.
    step_bound : float or None
        Largest effective step ``gain * rate * lambda`` of a layer's weights, where lambda bounds the largest
        eigenvalue of the second moment of its decorrelated inputs over the batch; a larger step is
        scaled down to it. Beyond 2 a step overshoots. None, as in the paper, takes every step as it is.
    decorrelation : Decorrelation
        How the decorrelating matrices learn.
    adam : Adam
        How Adam makes its steps, where it is the rule.

    Raises
    ------
    ValueError, TypeError
        If a field is out of range or of another kind.

    Examples
    --------
    >>> import pycopi
    >>> pycopi.Settings(rate=1e-2, gain=100.0).decorrelation.rule
    'covariance'
    """

    rule: Literal["copi", "gradient", "adam"] = "copi"
    rate: float = 1e-3
    gain: float = 1000.0
    credit: Literal["backpropagation", "feedback_alignment"] = "backpropagation"
    loss: Literal["squared_error", "cross_entropy"] = "squared_error"
    variance_scaled: bool = False
    epsilon: float = EPSILON
    step_bound: float | None = None
    decorrelation: Decorrelation = field(default_factory=Decorrelation)
    adam: Adam = field(default_factory=Adam)

    def __post_init__(self) -> None:
        """Check the fields."""
        choices = {"rule": WEIGHT_RULES, "credit": tuple(CREDIT), "loss": tuple(LOSSES)}
        for name, names in choices.items():
            if getattr(self, name) not in names:
                value = getattr(self, name)
                msg = f"{name} is {value!r}; expected one of {', '.join(names)}"
                raise ValueError(msg)
        for name in ("rate", "gain", "epsilon"):
            object.__setattr__(self, name, as_float(name, getattr(self, name)))
        object.__setattr__(self, "step_bound", checked_bound(self.step_bound))
        if self.step_bound is not None and self.rule == "adam":
            msg = "step_bound is given with the rule 'adam', which scales its steps itself; leave it out"
            raise ValueError(msg)
        for name, kind in (("decorrelation", Decorrelation), ("adam", Adam)):
            if not isinstance(getattr(self, name), kind):
                msg = f"{name} is a {type(getattr(self, name)).__name__}; expected a pycopi.{kind.__name__}"
                raise TypeError(msg)


class Rates(NamedTuple):
    """The two step sizes of one training step, dimensionless; None leaves that part as it is.

    ``decorrelation`` may be a tuple: one step size for each layer, the last for all layers beyond. ``share``,
    above 0 and at most 1, is the part of a full batch that the batch is: every step is multiplied by it, after
    its bound. They are apart from `Settings` because they change from step to step, and a new number must not
    make JAX compile the step again.
    """

    weights: Any = None
    decorrelation: Any = None
    share: Any = 1.0

    def for_layer(self, layer: int) -> "Rates":
        """Return the step sizes of one layer, counted from 0."""
        return self._replace(decorrelation=for_layer(self.decorrelation, layer))


def checked_rates(rates: Rates | None, settings: Settings) -> Rates:
    """Return rates as Python floats, checked; None stands for those of the settings."""
    if rates is None:
        return Rates(settings.rate, settings.decorrelation.rate)
    if not isinstance(rates, Rates):
        msg = f"rates is a {type(rates).__name__}; expected a pycopi.Rates, or None for those of the settings"
        raise TypeError(msg)
    weights, decorrelation = _checked("rates.weights", rates.weights), rates.decorrelation
    if isinstance(decorrelation, tuple) and decorrelation:
        decorrelation = tuple(_checked("rates.decorrelation", one) for one in decorrelation)
    else:
        decorrelation = _checked("rates.decorrelation", decorrelation)
    share = as_float("rates.share", rates.share, most=1.0)
    if not is_traced(share) and share == 0.0:
        msg = "rates.share is 0.0, which allows no step; expected a number above 0 and at most 1"
        raise ValueError(msg)
    return Rates(weights, decorrelation, share)


def _checked(name: str, value: Any) -> Any:
    return None if value is None else as_float(name, value)
