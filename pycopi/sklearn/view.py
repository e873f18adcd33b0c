"""A trained network in the form of scikit-learn's MLP: ``coefs_`` and ``intercepts_`` of plain layers."""

from functools import cached_property
from typing import Any, NamedTuple

from pycopi._array import Array, namespace
from pycopi.activations import Affine
from pycopi.network import FoldedNetwork, Network, Parameters
from pycopi.rules.standardisation import LIMIT


class PlainLayers(NamedTuple):
    """Matrices (n, m) and biases (m,) of plain layers, the lowest first."""

    coefs: list[Array]
    intercepts: list[Array]


class Trained:
    """A trained network, and what it looks like without its decorrelating matrices, made when first needed."""

    def __init__(self, network: Network, parameters: Parameters) -> None:
        self.network, self.parameters = network, parameters

    @property
    def like(self) -> Array:
        """An array of the library, device and dtype of the network."""
        return self.parameters[0].weight

    @cached_property
    def folded(self) -> FoldedNetwork:
        """The network with one matrix in each layer."""
        return self.network.fold(self.parameters)

    @cached_property
    def limits(self) -> tuple[Array, Array] | None:
        """The values (n,) between which the network clips its inputs; None where it does not."""
        first = self.parameters[0]
        if first.mean is None or first.spread is None:
            return None
        return first.mean - LIMIT * first.spread, first.mean + LIMIT * first.spread

    def outputs(self, inputs: Array) -> Array:
        """Return what the network answers, shape (N, m)."""
        return self.folded.network.predict(self.folded.parameters, inputs)

    def plain_layers(self, *, binary: bool = False) -> PlainLayers:
        """Return plain layers that answer the same to inputs that are not clipped.

        The change of units of inputs and targets is in the first and the last of them. ``binary`` makes the one
        logistic output of two outputs under a softmax.
        """
        xp = namespace(self.like)
        weights = [own.weight for own in self.folded.parameters]
        biases: list[Any] = [own.bias for own in self.folded.parameters]
        first = self.folded.parameters[0]
        if first.spread is not None:
            weights[0] = weights[0] / first.spread[None, :]
            biases[0] = biases[0] - xp.matmul(weights[0], first.mean)
        last = self.network.layers[-1].activation
        if isinstance(last, Affine):
            row = biases[-1][None, :]
            biases[-1] = last(row)[0, :]
            weights[-1] = weights[-1] * xp.matrix_transpose(last.derivative(row))
        if binary:
            weights[-1] = weights[-1][1:, :] - weights[-1][:1, :]
            biases[-1] = biases[-1][1:] - biases[-1][:1]
        return PlainLayers([xp.matrix_transpose(weight) for weight in weights], biases)
