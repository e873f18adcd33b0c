"""What a layer is told of one training step: the rules it learns by, and its step sizes."""

from typing import Any, NamedTuple

from pycopi._array import Array
from pycopi.rules.decorrelation import Decorrelation, for_layer
from pycopi.rules.inference import WeightRule
from pycopi.rules.power import mean_square
from pycopi.rules.stability import bounded_rate


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


class Learning(NamedTuple):
    """How one layer learns in one step.

    ``rule`` is that of its weights and bias, ``decorrelation`` that of its decorrelating matrix, or None where
    that stays as it is, and ``rates`` are the layer's own. ``gain`` is the factor of the output error and
    ``bound`` the largest effective step or None, as in `pycopi.Settings`. Where the optimizer ``rescales``
    changes, weights and bias propose them at a rate of 1.
    """

    rule: WeightRule
    decorrelation: Decorrelation | None
    rates: Rates
    gain: float = 1.0
    bound: float | None = None
    rescales: bool = False

    def power(self, decorrelated: Array) -> Array | None:
        """Return the mean square (n,) of inputs (B, n), or None where the weights learn without it."""
        bounded = self.bound is not None and not self.rescales
        return mean_square(decorrelated) if self.rule.needs_power or bounded else None

    def step_size(self, decorrelated: Array, power: Array | None = None, constant: float = 0.0) -> Any:
        """Return the step size for inputs (B, n), within the bound and times the share of a full batch.

        ``power`` (n,) is the mean square of the inputs, where it is known already, and ``constant`` the power
        of one beside them that does not change: 1 with a bias.
        """
        if self.rescales:
            return 1.0
        rates = self.rates
        if self.bound is None:
            return rates.weights * rates.share
        power = mean_square(decorrelated) if power is None else power
        gain, decorrelated, power = self.rule.effective(self.gain, decorrelated, power)
        return rates.share * bounded_rate(rates.weights, gain, decorrelated, power, self.bound, constant)
