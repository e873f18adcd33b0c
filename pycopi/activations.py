"""Activation functions and their derivatives: small frozen objects that act on arrays of any library."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pycopi._array import Array, from_numpy, namespace, to_numpy
from pycopi._checks import as_float


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

    def invert(self, outputs: Array) -> Array:
        """Return the outputs themselves."""
        return outputs


@dataclass(frozen=True)
class Affine:
    """A change of units, f(a) = offset + scale a: outputs in those of regression targets, a of about 1.

    Parameters
    ----------
    scale, offset : tuple of float
        In the units of the targets: one number for each output, or one for all; scales are above 0.
    """

    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        """Check the fields."""
        for name, least in (("scale", 5e-324), ("offset", -math.inf)):
            values = getattr(self, name)
            values = tuple(values) if isinstance(values, (tuple, list)) else (values,)
            object.__setattr__(self, name, tuple(as_float(name, value, least=least) for value in values))

    @classmethod
    def of(cls, targets: Array) -> "Affine":
        """Return the units in which targets (N,) or (N, m) have mean 0 and standard deviation 1."""
        columns = to_numpy(targets).astype(np.float64)
        columns = columns[:, None] if columns.ndim == 1 else columns
        unit = np.max(np.abs(columns), axis=0, initial=np.finfo(np.float64).tiny)
        mean, spread = (columns / unit).mean(axis=0) * unit, (columns / unit).std(axis=0) * unit
        spread[spread == 0.0] = 1.0
        return cls(tuple(map(float, spread)), tuple(map(float, mean)))

    def __call__(self, preactivations: Array) -> Array:
        """Return offset + scale a."""
        scale, offset = self._rows(preactivations)
        return preactivations * scale + offset

    def derivative(self, preactivations: Array) -> Array:
        """Return the scale, in the shape of a."""
        return namespace(preactivations).ones_like(preactivations) * self._rows(preactivations)[0]

    def invert(self, outputs: Array) -> Array:
        """Return the preactivations (B, m) whose outputs these are."""
        scale, offset = self._rows(outputs)
        return (outputs - offset) / scale

    def _rows(self, like: Array) -> list[Array]:
        """Return scale and offset as rows (1, m) of the library, device and dtype of ``like``."""
        return [from_numpy(np.array([row]), like, dtype=like.dtype) for row in (self.scale, self.offset)]


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
    "affine": Affine,
}
"""The activations by the names that `pycopi.mlp` and model files use."""


def resolve(activation: str | Activation) -> Activation:
    """Return an activation given by name or as the object itself."""
    if not isinstance(activation, str):
        if not (callable(activation) and hasattr(activation, "derivative")):
            msg = f"the activation is a {type(activation).__name__}; expected one of {', '.join(ACTIVATIONS)}"
            msg += ", or an object that can be called and has a method derivative"
            raise TypeError(msg)
        return activation
    if activation not in ACTIVATIONS:
        names = ", ".join(ACTIVATIONS)
        msg = f"there is no activation {activation!r}; expected one of {names}"
        raise ValueError(msg)
    return ACTIVATIONS[activation]()
