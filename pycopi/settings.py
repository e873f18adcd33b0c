"""How a network learns: one frozen, hashable description, and the rates that a schedule may change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pycopi._array import is_traced
from pycopi._checks import as_float
from pycopi.credit import CREDIT
from pycopi.losses import LOSSES
from pycopi.optimizers import PLAIN, Adam, Optimizer
from pycopi.rules.decorrelation import Decorrelation
from pycopi.rules.inference import Descent, Direction, Inference, WeightRule
from pycopi.rules.learning import Learning, Rates
from pycopi.rules.stability import checked_bound
from pycopi.rules.weights import EPSILON

__all__ = ["WEIGHT_RULES", "Rates", "Settings", "checked_rates"]


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
    credit : {"backpropagation", "feedback_alignment", "direct_feedback_alignment"}
        Where the perturbations of the lower layers come from. The last two need
        ``network.init(seed, feedback=True)``.
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
    credit: str = "backpropagation"
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

    @cached_property
    def weight_rule(self) -> WeightRule:
        """The rule that proposes the changes of weights and biases."""
        return _RULES[self.rule](self)[0]

    @cached_property
    def optimizer(self) -> Optimizer:
        """What makes new parameters of proposed changes."""
        return _RULES[self.rule](self)[1]

    def for_layers(self, rates: Rates, count: int) -> tuple[Learning, ...]:
        """Return how each of the layers learns in a step at these rates."""
        if not isinstance(rates.decorrelation, tuple) and not isinstance(self.decorrelation.fraction, tuple):
            return (self._for_layer(rates, 0),) * count
        return tuple(self._for_layer(rates.for_layer(layer), layer) for layer in range(count))

    def _for_layer(self, rates: Rates, layer: int) -> Learning:
        how = None if rates.decorrelation is None else self.decorrelation.for_layer(layer)
        return Learning(self.weight_rule, how, rates)


_RULES: dict[str, Callable[[Settings], tuple[WeightRule, Optimizer]]] = {
    "copi": lambda how: (
        Inference(how.gain, how.step_bound, how.epsilon if how.variance_scaled else None),
        PLAIN,
    ),
    "gradient": lambda how: (Descent(how.gain, how.step_bound), PLAIN),
    "adam": lambda how: (Direction(), how.adam),
}
"""The rule of the weights and the optimizer by the names of `Settings.rule`."""

WEIGHT_RULES = tuple(_RULES)


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
