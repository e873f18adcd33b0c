"""The rules of weights as objects: which change each proposes, and how large its step may be."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pycopi import kernels
from pycopi._array import Array, namespace
from pycopi._checks import as_float
from pycopi.rules.weights import EPSILON, descent, inference, scaling_divisor


class Sent(Protocol):
    """What a layer has sent: its ``decorrelated`` inputs x (B, n) and ``preactivations`` a (B, m)."""

    @property
    def decorrelated(self) -> Array:
        """The inputs that the weights act on."""

    @property
    def preactivations(self) -> Array:
        """What they make of them, with the bias where there is one."""


class WeightRule(ABC):
    """How the weights of a layer learn from its perturbations: a frozen, hashable object."""

    needs_power: ClassVar[bool] = True
    """Whether its change depends on the power of the inputs; else that may be None."""

    @abstractmethod
    def change(
        self, sent: Sent, power: Any, perturbations: Array, bias: Array | None, rate: Any
    ) -> kernels.RankK:
        """Return the change of the weights (m, n) that perturbations (B, m) ask for.

        ``power`` (n,) is the mean square of the inputs.
        """

    def effective(self, gain: float, decorrelated: Array, power: Array) -> tuple[float, Array, Array]:
        """Return what the weights' step is in proportion to: the gain, and the inputs and their power."""
        return gain, decorrelated, power


@dataclass(frozen=True, kw_only=True)
class COPI(WeightRule):
    """Constrained parameter inference: the step from W towards ``E[z x.T] / E[x**2]``, see `copi_update`.

    W is inferred from the perturbed state without the bias. The weights move by the rate even where the gain is
    less than 1, and variance-scaled by inputs that are divided by the root of their power.

    Parameters
    ----------
    variance_scaled : bool
        Divide each step by the power of its input.
    epsilon : float
        Added to that power, in squared units of the inputs.
    """

    variance_scaled: bool = False
    epsilon: float = EPSILON

    def __post_init__(self) -> None:
        """Check the fields."""
        object.__setattr__(self, "epsilon", as_float("epsilon", self.epsilon))

    def change(
        self, sent: Sent, power: Any, perturbations: Array, bias: Array | None, rate: Any
    ) -> kernels.RankK:
        """Return the step towards what the perturbed state infers."""
        targets = sent.preactivations + perturbations
        if bias is not None:
            targets = targets - bias[None, :]
        return inference(
            targets, sent.decorrelated, power, rate, self.epsilon if self.variance_scaled else None
        )

    def effective(self, gain: float, decorrelated: Array, power: Array) -> tuple[float, Array, Array]:
        """Return a gain of at least 1, and the inputs and their power as they are scaled."""
        gain = max(gain, 1.0)
        if not self.variance_scaled:
            return gain, decorrelated, power
        divisor = scaling_divisor(power, self.epsilon)
        return gain, decorrelated / namespace(divisor).sqrt(divisor)[None, :], power / divisor


@dataclass(frozen=True)
class Gradient(WeightRule):
    """The plain gradient form, see `gradient_update`."""

    needs_power: ClassVar[bool] = False

    def change(
        self, sent: Sent, power: Any, perturbations: Array, bias: Array | None, rate: Any
    ) -> kernels.RankK:
        """Return the step that the perturbations point to."""
        return descent(perturbations, sent.decorrelated, rate)


RULES: dict[str, WeightRule] = {"copi": COPI(), "gradient": Gradient()}
"""The rules by the names that `pycopi.Settings` uses."""
