"""What every way of assigning credit offers, and the problem that it is given."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from pycopi._array import Array
from pycopi.layers import Layer, Trace


class Problem:
    """What credit is assigned in: layers, their parameters, the trace of a batch, and its error.

    ``error`` (B, m) is the perturbation of the last layer; layers are counted from 0. ``records`` are those of
    the trace, with what layers have found out while perturbations were pulled back.
    """

    def __init__(self, layers: Sequence[Layer], parameters: Sequence[Any], trace: Trace, error: Array) -> None:
        self.layers, self.parameters, self.trace, self.error = layers, parameters, trace, error
        self.records = list(trace.records)

    def pull_back(self, index: int, perturbations: Array) -> Array:
        """Return the change of a layer's inputs (B, n) that its perturbations (B, m) ask for."""
        layer, own = self.layers[index], self.parameters[index]
        wanted, self.records[index] = layer.pull_back(own, self.records[index], perturbations)
        return wanted

    def perturb(self, index: int, wanted: Array) -> Array:
        """Return the perturbations (B, m) of a layer that change its outputs as wanted (B, m)."""
        return self.layers[index].perturb(self.records[index], wanted)


class Credit(ABC):
    """How an error is assigned to layers: a frozen, hashable object."""

    needs_feedback: ClassVar[bool] = False
    """Whether it works with the feedback matrices that ``network.init(feedback=True)`` makes."""

    layer_by_layer: ClassVar[bool] = False
    """Whether `assign` is `perturb` of what `pull_back` makes of the perturbations of the layer above.

    One row is then pulled back in the sweep that changes the layer's matrices.
    """

    @abstractmethod
    def assign(self, problem: Problem) -> tuple[Array, ...]:
        """Return the perturbations (B, m) of each layer, the lowest first, before any parameter changes."""
