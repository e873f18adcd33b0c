"""What every way of assigning credit offers, and the problem that it is given."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from pycopi._array import Array
from pycopi._trees import Tree
from pycopi.layers import Layer, Trace
from pycopi.losses import Loss

Perturbations = tuple[Array, ...]
"""The wanted changes (B, m) of the preactivations of each layer, the lowest first."""


class Problem:
    """What credit is assigned in: layers, their parameters, and what they made of a batch.

    ``wanted`` (B, m) are the targets of the outputs, and ``error`` (B, m) is the perturbation of the last
    layer: minus the derivative of the loss, times the gain. Layers are counted from 0. ``records`` are those
    of the trace, with what layers have found out while perturbations were pulled back.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        parameters: Sequence[Any],
        inputs: Array,
        wanted: Array,
        trace: Trace,
        loss: Loss,
        *,
        gain: float = 1.0,
    ) -> None:
        self.layers, self.parameters, self.inputs, self.wanted = layers, parameters, inputs, wanted
        self.trace, self.loss, self.gain = trace, loss, gain
        self.records = list(trace.records)
        preactivations = self.records[-1].preactivations
        self.error: Array = gain * loss.error(preactivations, wanted, layers[-1].activation)

    def losses(self, outputs: Array) -> Array:
        """Return the loss of each sample (B,) for outputs (B, m), times the gain."""
        return self.gain * self.loss.value(outputs, self.wanted)

    def pull_back(self, index: int, perturbations: Array) -> Array:
        """Return the change of a layer's inputs (B, n) that its perturbations (B, m) ask for."""
        layer, own = self.layers[index], self.parameters[index]
        wanted, self.records[index] = layer.pull_back(own, self.records[index], perturbations)
        return wanted

    def perturb(self, index: int, wanted: Array) -> Array:
        """Return the perturbations (B, m) of a layer that change its outputs as wanted (B, m)."""
        return self.layers[index].perturb(self.records[index], wanted)

    def downwards(self, wanted_below: Callable[[int, Array], Array]) -> Perturbations:
        """Return the perturbations of all layers, from the error of the last one down.

        ``wanted_below(index, perturbations)`` is the change of a layer's inputs that its perturbations ask for.
        """
        perturbations = [self.error]
        for index in range(len(self.layers) - 1, 0, -1):
            perturbations.append(self.perturb(index - 1, wanted_below(index, perturbations[-1])))
        return tuple(reversed(perturbations))


class Credit(ABC):
    """How an error is assigned to layers: a frozen, hashable object.

    What it keeps beside the parameters, such as random matrices, is made by `init`; by default that is nothing.
    """

    layer_by_layer: ClassVar[bool] = False
    """Whether `assign` is `perturb` of what `pull_back` makes of the perturbations of the layer above.

    One row is then pulled back in the sweep that changes the layer's matrices.
    """

    @property
    def remembers(self) -> bool:
        """Whether it keeps anything beside the parameters."""
        return type(self).init is not Credit.init

    def init(self, layers: Sequence[Layer], generator: np.random.Generator) -> Tree:
        """Return what the credit keeps, as a tree of NumPy arrays; floats get the dtype of the parameters."""
        return ()

    @abstractmethod
    def assign(self, problem: Problem, kept: Tree) -> tuple[Perturbations, Tree]:
        """Return the perturbations of each layer, before any parameter changes, and what is kept after it."""

    def assigned(self, problem: Problem, kept: Tree) -> tuple[Perturbations, Tree]:
        """Return what `assign` does; raise if that is not what it says."""
        found, layers = self.assign(problem, kept), len(problem.layers)
        if not isinstance(found, tuple) or len(found) != 2:
            came = f"a tuple of {len(found)}" if isinstance(found, tuple) else f"a {type(found).__name__}"
        elif len(found[0]) != layers:
            came = f"perturbations of {len(found[0])}"
        else:
            return found
        msg = f"{type(self).__name__}.assign returned {came}; expected a tuple of two: "
        msg += f"the perturbations of all {layers} layers, and what the credit keeps"
        raise ValueError(msg)
