"""Momentum: steps that go on in the direction of those before them."""

from dataclasses import dataclass
from typing import Any

from pycopi._array import Array, namespace
from pycopi._checks import as_float
from pycopi._trees import Tree
from pycopi.optimizers.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class Momentum(Optimizer):
    """Adds to each change a share of the step before it, and may let weights decay.

    With the change c that a rule proposes at the rate eta, ``v' = momentum v + c`` and
    ``W' = (1 - eta decay) W + v'`` (Polyak 1964, in the form of Sutskever, Martens, Dahl and Hinton, *On the
    importance of initialization and momentum in deep learning*, ICML 2013; the decay is decoupled from the
    velocity, as in Loshchilov and Hutter, arXiv 1711.05101). Where changes agree, steps become
    ``1 / (1 - momentum)`` times as large. The decorrelating matrices take their changes as they are.

    Parameters
    ----------
    momentum : float
        Share of the velocity that a step keeps, in [0, 1).
    decay : float
        Share of a weight or bias that a step at a rate of 1 takes away, at least 0.
    """

    momentum: float = 0.9
    decay: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields."""
        for name in ("momentum", "decay"):
            object.__setattr__(self, name, as_float(name, getattr(self, name)))
        if self.momentum >= 1.0:
            msg = f"momentum is {self.momentum}; expected a number of at least 0 and less than 1"
            raise ValueError(msg)

    def init(self, parameter: Array) -> Tree:
        """Return the velocity, which begins at zero, in the shape of the parameter."""
        return namespace(parameter).zeros_like(parameter)

    def step(self, parameter: Array, memory: Tree, change: Array, rate: Any) -> tuple[Array, Tree]:
        """Return a parameter and its velocity after a change."""
        velocity = self.momentum * memory + change
        return (1.0 - rate * self.decay) * parameter + velocity, velocity
