"""What every layer offers, and the trace of a forward pass through layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from pycopi._array import Array
from pycopi.activations import Activation
from pycopi.optimizers import PLAIN, Changes
from pycopi.rules.learning import Learning


class Trace(NamedTuple):
    """What a forward pass leaves behind: one record a layer, the lowest first."""

    records: tuple[Any, ...]

    @property
    def decorrelated(self) -> tuple[Array, ...]:
        """The decorrelated inputs x (B, n) of each layer."""
        return tuple(record.decorrelated for record in self.records)

    @property
    def preactivations(self) -> tuple[Array, ...]:
        """The preactivations a (B, m) of each layer."""
        return tuple(record.preactivations for record in self.records)

    @property
    def outputs(self) -> Array:
        """The outputs (B, m) of the last layer."""
        return self.records[-1].outputs


class Layer(ABC):
    """A frozen, hashable description of a layer; its parameters are a NamedTuple of arrays beside it.

    In a training step `forward` makes a record, `perturb` and `pull_back` carry the wanted changes down, and
    `changes` proposes what the parameters learn; an optimizer applies it. No method changes an array. A record
    is a NamedTuple with at least ``preactivations`` (B, m) and ``outputs`` (B, m).
    """

    inputs: int
    outputs: int
    activation: Activation

    @abstractmethod
    def shapes(self, *, feedback: bool = False, moments: bool = False) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter that the layer has, by its name."""

    @abstractmethod
    def forward(self, own: Any, inputs: Array, learning: Learning | None = None) -> Any:
        """Return the record of inputs y (B, n).

        ``learning`` says how the layer will learn from them, so that the record can hold what that needs; None
        is for inputs that nothing is learned from.
        """

    def perturb(self, record: Any, wanted: Array) -> Array:
        """Return the perturbations (B, m) of the preactivations that change the outputs as wanted (B, m)."""
        return wanted * self.activation.derivative(record.preactivations)

    @abstractmethod
    def pull_back(self, own: Any, record: Any, perturbations: Array) -> tuple[Array, Any]:
        """Return the change of the inputs (B, n) that perturbations (B, m) ask for, and the record.

        The record may hold more than before: what `changes` needs of the same matrices.
        """

    @abstractmethod
    def changes(self, own: Any, record: Any, perturbations: Array | None, learning: Learning) -> Changes:
        """Return the change of each parameter that learns, by its name.

        A change is a `kernels.RankK` of a matrix, or what is added to a vector. Perturbations that are None
        leave everything but the decorrelation as it is. Every sum over the batch is made here.
        """

    def pull_and_apply(
        self, own: Any, record: Any, perturbations: Array, changes: Changes, copy: bool | None
    ) -> tuple[Any, Array]:
        """Return the parameters after plain changes, and what `pull_back` makes of those before them."""
        wanted, _ = self.pull_back(own, record, perturbations)
        return PLAIN.apply(own, changes, copy), wanted

    @abstractmethod
    def fold(self, own: Any) -> tuple[Layer, Any]:
        """Return the same layer without its decorrelating matrix, and its parameters."""
