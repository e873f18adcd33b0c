"""Credit: how the error of the outputs becomes a perturbation of each layer below.

Each function sees the layers with their parameters, a trace and an output error, and computes all
perturbations before any parameter changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pycopi._array import Array

if TYPE_CHECKING:
    from pycopi.layers import Dense, DenseParameters


class Trace(NamedTuple):
    """What a forward pass leaves behind.

    ``decorrelated`` and ``preactivations`` hold one array a layer, shapes (B, n) and (B, m);
    ``outputs`` is the last layer's, shape (B, m).
    """

    decorrelated: tuple[Array, ...]
    preactivations: tuple[Array, ...]
    outputs: Array


def backpropagate(
    layers: Sequence[Dense], parameters: Sequence[DenseParameters], trace: Trace, error: Array
) -> tuple[Array, ...]:
    """Return each layer's perturbations by backpropagation through the layers' own matrices.

    ``delta_l = (delta_{l+1} W_{l+1} R_{l+1}) f'(a_l)``, beginning with ``error`` (B, m) at the output.
    """
    return _descend(layers, parameters, trace, error, lambda layer, own, delta: layer.pull_back(own, delta))


def align_feedback(
    layers: Sequence[Dense], parameters: Sequence[DenseParameters], trace: Trace, error: Array
) -> tuple[Array, ...]:
    """Return each layer's perturbations by feedback alignment.

    ``delta_l = (delta_{l+1} F_{l+1}) f'(a_l)``, where the fixed random F, of the shape of W, replaces W and R
    together.
    """
    return _descend(layers, parameters, trace, error, lambda layer, own, delta: layer.feed_back(own, delta))


def _descend(
    layers: Sequence[Dense],
    parameters: Sequence[DenseParameters],
    trace: Trace,
    error: Array,
    backward: Callable[[Dense, DenseParameters, Array], Array],
) -> tuple[Array, ...]:
    perturbations = [error]
    for index in range(len(layers) - 1, 0, -1):
        asked = backward(layers[index], parameters[index], perturbations[-1])
        below = layers[index - 1].activation
        perturbations.append(asked * below.derivative(trace.preactivations[index - 1]))
    return tuple(reversed(perturbations))


CREDIT = {"backpropagation": backpropagate, "feedback_alignment": align_feedback}
"""The ways of assigning credit by the names that `pycopi.Settings` uses."""
