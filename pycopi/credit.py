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


class Credit(NamedTuple):
    """What each layer is asked for: ``perturbations`` (B, m), and ``pulled``.

    ``pulled`` is x R of the rows x that were to be pulled back along with the perturbations, or None.
    """

    perturbations: tuple[Array | None, ...]
    pulled: tuple[Array | None, ...]


Rows = Sequence[Array | None]
"""For each layer the rows to pull back through R along with its perturbations, so that R is read once."""


def backpropagate(
    layers: Sequence[Dense],
    parameters: Sequence[DenseParameters],
    trace: Trace,
    error: Array,
    along: Rows | None = None,
) -> Credit:
    """Return each layer's perturbations by backpropagation through the layers' own matrices.

    ``delta_l = (delta_{l+1} W_{l+1} R_{l+1}) f'(a_l)``, beginning with ``error`` (B, m) at the output.
    """
    rows = along or (None,) * len(layers)

    def pull_back(index: int, delta: Array) -> tuple[Array, Array | None]:
        return layers[index].pull_back(parameters[index], delta, rows[index])

    return _descend(layers, trace, error, pull_back)


def align_feedback(
    layers: Sequence[Dense],
    parameters: Sequence[DenseParameters],
    trace: Trace,
    error: Array,
    along: Rows | None = None,
) -> Credit:
    """Return each layer's perturbations by feedback alignment, which pulls nothing back through R.

    ``delta_l = (delta_{l+1} F_{l+1}) f'(a_l)``, where the fixed random F, of the shape of W, replaces W and R
    together.
    """
    return _descend(
        layers, trace, error, lambda index, delta: (layers[index].feed_back(parameters[index], delta), None)
    )


def _descend(
    layers: Sequence[Dense],
    trace: Trace,
    error: Array,
    backward: Callable[[int, Array], tuple[Array, Array | None]],
) -> Credit:
    perturbations: list[Array] = [error]
    pulled: list[Array | None] = []
    for index in range(len(layers) - 1, 0, -1):
        asked, moved = backward(index, perturbations[-1])
        below = layers[index - 1].activation
        perturbations.append(asked * below.derivative(trace.preactivations[index - 1]))
        pulled.append(moved)
    return Credit(tuple(reversed(perturbations)), (None, *reversed(pulled)))


CREDIT = {"backpropagation": backpropagate, "feedback_alignment": align_feedback}
"""The ways of assigning credit by the names that `pycopi.Settings` uses."""
