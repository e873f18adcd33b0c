"""How a network learns: one frozen, hashable description, and the rates that a schedule may change."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from pycopi._array import is_traced
from pycopi._checks import as_choice, as_float
from pycopi.credit import CREDIT, Credit
from pycopi.losses import LOSSES, Loss
from pycopi.optimizers import OPTIMIZERS, Optimizer
from pycopi.rules.decorrelation import Decorrelation, for_layer
from pycopi.rules.inference import RULES, WeightRule
from pycopi.rules.learning import Learning, Rates
from pycopi.rules.stability import BOUND, checked_bound
from pycopi.rules.subspace import SubspaceDecorrelation

__all__ = ["Method", "Rates", "Settings", "checked_rates"]


class Method(NamedTuple):
    """The objects that settings are composed of."""

    rule: WeightRule
    credit: Credit
    loss: Loss
    optimizer: Optimizer


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network learns; by default every step is within what is stable, whatever the scale of the data.

    The paper's settings are `pycopi.presets.PAPER`: the same rates and gain, without bounds.

    Parameters
    ----------
    rule : {"copi", "gradient", "adam"} or WeightRule
        How weights learn: constrained parameter inference, the plain gradient form, or an object such as
        ``COPI(variance_scaled=True)``. ``"adam"`` is short for that gradient with ``optimizer="adam"``.
    rate : float
        Step size of the weights, dimensionless, at least 0.
    gain : float
        Factor of the output error, dimensionless, at least 0. With COPI the effective gradient step is
        ``gain * rate``; with the other rules, 1 is usual.
    credit : {"backpropagation", "feedback_alignment", "direct_feedback_alignment", "sign_symmetric", \
"node_perturbation"} or Credit
        Where the perturbations of the layers come from.
    loss : {"squared_error", "cross_entropy", "binary_cross_entropy"} or Loss
        What the output error is the derivative of.
    optimizer : {"plain", "momentum", "adam"} or Optimizer
        How weights and biases take their changes: as they are, or by an object such as ``Adam(beta1=0.8)``.
    step_bound : float or None
        Largest effective step ``gain * rate * lambda`` of a layer's weights, where lambda bounds the largest
        eigenvalue of the second moment of its decorrelated inputs over the batch; a larger step is
        scaled down to it. Beyond 2 a step overshoots. None, as in the paper, takes every step as it is.
        Optimizers that scale their steps themselves, such as Adam, have no use for it.
    decorrelation : Decorrelation or tuple of Decorrelation
        How the decorrelating matrices learn; a tuple has one for each layer, the last for all layers beyond.

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

    rule: str | WeightRule = "copi"
    rate: float = 1e-3
    gain: float = 1000.0
    credit: str | Credit = "backpropagation"
    loss: str | Loss = "squared_error"
    optimizer: str | Optimizer = "plain"
    step_bound: float | None = BOUND
    decorrelation: Decorrelation | tuple[Decorrelation, ...] = field(default_factory=Decorrelation)

    def __post_init__(self) -> None:
        """Check the fields."""
        for name in ("rate", "gain"):
            object.__setattr__(self, name, as_float(name, getattr(self, name)))
        object.__setattr__(self, "step_bound", checked_bound(self.step_bound))
        optimizer = self.method.optimizer
        if self.step_bound not in (None, BOUND) and optimizer.rescales:
            name = type(optimizer).__name__
            msg = f"step_bound is given with the optimizer {name}, which scales its steps itself; leave it out"
            raise ValueError(msg)
        for one in self.decorrelations or ((),):
            if not isinstance(one, Decorrelation):
                msg = f"decorrelation is a {type(self.decorrelation).__name__}"
                msg += "; expected a pycopi.Decorrelation, or a tuple of them"
                if isinstance(one, SubspaceDecorrelation):
                    msg += "; give it to the network, pycopi.mlp(sizes, decorrelated=...), "
                    msg += "or to rule='gradient' with optimizer=pycopi.Decorrelated(inputs=...)"
                raise TypeError(msg)

    @cached_property
    def method(self) -> Method:
        """The objects that the names stand for."""
        optimizer, rule = self.optimizer, self.rule
        if rule == "adam":
            optimizer, rule = ("adam" if optimizer == "plain" else optimizer), "gradient"
        return Method(
            as_choice("rule", rule, {**RULES, "adam": None}, WeightRule),
            as_choice("credit", self.credit, CREDIT, Credit),
            as_choice("loss", self.loss, LOSSES, Loss),
            as_choice("optimizer", optimizer, OPTIMIZERS, Optimizer),
        )

    @property
    def decorrelations(self) -> tuple[Decorrelation, ...]:
        """How the decorrelating matrices learn, one for each layer, the last for all layers beyond."""
        return self.decorrelation if isinstance(self.decorrelation, tuple) else (self.decorrelation,)

    @property
    def rates(self) -> Rates:
        """The step sizes of a step without a schedule."""
        rates = tuple(one.rate for one in self.decorrelations)
        return Rates(self.rate, rates if len(rates) > 1 else rates[0])

    def for_layers(self, rates: Rates, count: int) -> tuple[Learning, ...]:
        """Return how each of the layers learns in a step at these rates."""
        hows = self.decorrelations
        if not isinstance(rates.decorrelation, tuple) and len(hows) == 1:
            return (self._learning(rates, hows[0]),) * count
        return tuple(self._learning(rates.for_layer(one), for_layer(hows, one)) for one in range(count))

    def _learning(self, rates: Rates, how: Decorrelation) -> Learning:
        rule, _, _, optimizer = self.method
        learns = None if rates.decorrelation is None else how
        return Learning(rule, learns, rates, self.gain, self.step_bound, optimizer.rescales)


def checked_rates(rates: Rates | None, settings: Settings) -> Rates:
    """Return rates as Python floats, checked; None stands for those of the settings."""
    if rates is None:
        return settings.rates
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
