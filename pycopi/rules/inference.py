"""The rules of weights as objects: which change each proposes, and how large its step may be."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from pycopi import kernels
from pycopi._array import Array, namespace
from pycopi.rules.stability import bounded_rate
from pycopi.rules.weights import descent, inference, scaling_divisor


@dataclass(frozen=True)
class WeightRule(ABC):
    """How the weights of a layer learn from its perturbations; frozen and hashable.

    ``gain`` is the factor of the output error, and ``step_bound`` the largest effective step or None, as in
    `pycopi.Settings`.
    """

    gain: float = 1.0
    step_bound: float | None = None

    @abstractmethod
    def change(
        self,
        decorrelated: Array,
        preactivations: Array,
        perturbations: Array,
        bias: Array | None,
        power: Array,
        rate: Any,
    ) -> kernels.RankK:
        """Return the change of the weights (m, n) that perturbations (B, m) ask for.

        ``decorrelated`` (B, n) are the inputs, ``power`` (n,) their mean square, ``preactivations`` (B, m) hold
        the ``bias`` (m,) where there is one.
        """

    def step_size(self, decorrelated: Array, power: Array, weights: Any, share: Any, constant: float) -> Any:
        """Return the step size of the weights, within the bound and times the share of a full batch.

        ``weights`` is the rate, and ``constant`` the power of an input that does not change: 1 with a bias.
        """
        if self.step_bound is None:
            return weights * share
        gain, decorrelated, power = self.effective(decorrelated, power)
        return share * bounded_rate(weights, gain, decorrelated, power, self.step_bound, constant)

    def effective(self, decorrelated: Array, power: Array) -> tuple[float, Array, Array]:
        """Return what the weights' step is in proportion to: the gain, and the inputs and their power."""
        return self.gain, decorrelated, power


@dataclass(frozen=True)
class Inference(WeightRule):
    """Constrained parameter inference; ``epsilon=None`` is the plain form, a number the variance-scaled one.

    W is inferred from the perturbed state without the bias. The weights move by the rate even where the gain is
    less than 1, and variance-scaled by inputs that are divided by the root of their power.
    """

    epsilon: float | None = None

    def change(
        self,
        decorrelated: Array,
        preactivations: Array,
        perturbations: Array,
        bias: Array | None,
        power: Array,
        rate: Any,
    ) -> kernels.RankK:
        """Return the step from the weights towards ``E[z x.T] / E[x**2]``."""
        targets = preactivations + perturbations
        if bias is not None:
            targets = targets - bias[None, :]
        return inference(targets, decorrelated, power, rate, self.epsilon)

    def effective(self, decorrelated: Array, power: Array) -> tuple[float, Array, Array]:
        """Return a gain of at least 1, and the inputs and their power as they are scaled."""
        gain = max(self.gain, 1.0)
        if self.epsilon is None:
            return gain, decorrelated, power
        divisor = scaling_divisor(power, self.epsilon)
        return gain, decorrelated / namespace(divisor).sqrt(divisor)[None, :], power / divisor


@dataclass(frozen=True)
class Descent(WeightRule):
    """The plain gradient form."""

    def change(
        self,
        decorrelated: Array,
        preactivations: Array,
        perturbations: Array,
        bias: Array | None,
        power: Array,
        rate: Any,
    ) -> kernels.RankK:
        """Return the step along the perturbations."""
        return descent(perturbations, decorrelated, rate)


@dataclass(frozen=True)
class Direction(Descent):
    """The plain gradient form at a rate of 1, for an optimizer that makes its own steps of it."""

    def step_size(self, decorrelated: Array, power: Array, weights: Any, share: Any, constant: float) -> Any:
        """Return 1."""
        return 1.0
