"""Activation functions and their derivatives: small frozen objects that act on arrays of any library."""

from dataclasses import dataclass
from typing import Protocol

from pycopi._array import Array, namespace


class Activation(Protocol):
    """What an activation offers; any hashable object that has these two methods will do."""

    def __call__(self, preactivations: Array) -> Array:
        """Return the outputs f(a), in the shape and dtype of a."""

    def derivative(self, preactivations: Array) -> Array:
        """Return f'(a), in the shape and dtype of a."""


@dataclass(frozen=True)
class Identity:
    """The identity, f(a) = a."""

    def __call__(self, preactivations: Array) -> Array:
        """Return the preactivations themselves."""
        return preactivations

    def derivative(self, preactivations: Array) -> Array:
        """Return ones."""
        return namespace(preactivations).ones_like(preactivations)


@dataclass(frozen=True)
class LeakyReLU:
    """The leaky rectifier, f(a) = a where a > 0 and slope a elsewhere.

    Parameters
    ----------
    slope : float
        Slope left of zero, dimensionless, in [0, 1]; 0.1 in the paper.
    """

    slope: float = 0.1

    def __post_init__(self) -> None:
        """Check the slope."""
        if not 0.0 <= self.slope <= 1.0:
            msg = f"slope is {self.slope}; expected a number from 0 to 1"
            raise ValueError(msg)

    def __call__(self, preactivations: Array) -> Array:
        """Return a where it is positive and slope a elsewhere."""
        return namespace(preactivations).maximum(preactivations, self.slope * preactivations)

    def derivative(self, preactivations: Array) -> Array:
        """Return 1 where a > 0 and the slope elsewhere."""
        xp = namespace(preactivations)
        slopes = xp.astype(preactivations > 0, preactivations.dtype)  # fresh memory: changed in place
        slopes *= 1.0 - self.slope
        slopes += self.slope
        return slopes


@dataclass(frozen=True)
class ReLU(LeakyReLU):
    """The rectifier, f(a) = max(a, 0)."""

    slope: float = 0.0


@dataclass(frozen=True)
class Tanh:
    """The hyperbolic tangent."""

    def __call__(self, preactivations: Array) -> Array:
        """Return tanh(a)."""
        return namespace(preactivations).tanh(preactivations)

    def derivative(self, preactivations: Array) -> Array:
        """Return 1 - tanh(a)^2."""
        return 1.0 - namespace(preactivations).square(self(preactivations))


@dataclass(frozen=True)
class Sigmoid:
    """The logistic function, f(a) = 1 / (1 + exp(-a))."""

    def __call__(self, preactivations: Array) -> Array:
        """Return the logistic function of a, without overflow at either end."""
        return 0.5 + 0.5 * namespace(preactivations).tanh(0.5 * preactivations)

    def derivative(self, preactivations: Array) -> Array:
        """Return f(a) (1 - f(a))."""
        outputs = self(preactivations)
        return outputs * (1.0 - outputs)


ACTIVATIONS: dict[str, type[Activation]] = {
    "identity": Identity,
    "leaky_relu": LeakyReLU,
    "relu": ReLU,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
}
"""The activations by the names that `pycopi.mlp` and model files use."""


def resolve(activation: str | Activation) -> Activation:
    """Return an activation given by name or as the object itself."""
    if not isinstance(activation, str):
        return activation
    if activation not in ACTIVATIONS:
        names = ", ".join(ACTIVATIONS)
        msg = f"there is no activation {activation!r}; expected one of {names}"
        raise ValueError(msg)
    return ACTIVATIONS[activation]()
