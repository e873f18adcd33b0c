"""What a layer is told of one training step: the rules it learns by, and its step sizes."""

from typing import Any, NamedTuple

from pycopi.rules.decorrelation import Decorrelation, for_layer
from pycopi.rules.inference import WeightRule


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

    ``weights`` is the rule of its weights and bias, ``decorrelation`` that of its decorrelating matrix, or None
    where that stays as it is, and ``rates`` are the layer's own.
    """

    weights: WeightRule
    decorrelation: Decorrelation | None
    rates: Rates
