"""One row at a time through dense layers in the C core, whose calls are made ready before the first row."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pycopi._array import HostArray
from pycopi.activations import Identity, LeakyReLU, ReLU
from pycopi.kernels import RankK, native
from pycopi.kernels.engine import engine_for, forced_engine
from pycopi.layers.base import Layer
from pycopi.layers.dense import Dense, DenseParameters
from pycopi.rules.inference import COPI, Gradient
from pycopi.rules.learning import Learning

_ACTIVATIONS = (LeakyReLU, ReLU, Identity)


class RowPass:
    """What a network's trace of one row and plain steps by backpropagation do, in two calls a layer.

    The calls change the parameters that they were made for, those of the first layer one row later: the next
    row makes the change in the sweep that it takes anyway, or `settle` does. `takes` says which layers the
    calls know; the general path defines what they do, to rounding.
    """

    def __init__(
        self, layers: Sequence[Layer], parameters: Sequence[DenseParameters], learning: Sequence[Learning]
    ) -> None:
        dtype = parameters[0].weight.dtype
        self._first = parameters[0]
        self._late = _late(self._first.weight, by_rows=False), _late(self._first.decorrelator, by_rows=True)
        self._waits = False  # whether what was learned last is in `_late`, and not in the parameters
        self._inputs = inputs = np.empty(layers[0].inputs, dtype)
        self._forward: list[tuple[Any, ...]] = []
        self._learn: list[tuple[Any, ...]] = []
        below: HostArray | None = None
        (left, right, _, columns), (x, returned, rows, _) = self._late
        late, slope = [left, right, columns, x, returned, rows], 1.0
        for layer, own, how in zip(layers, parameters, learning, strict=True):
            m, n = own.weight.shape
            x, returned = (None, None) if own.decorrelator is None else (np.empty(n, dtype), np.empty(n, dtype))
            preactivations, outputs, delta = (np.empty(m, dtype) for _ in range(3))
            arrays = own.weight, own.decorrelator, own.bias, *late, inputs, x, returned, preactivations
            self._learn.append((*arrays, delta, below, slope, *_steps(how)))
            inputs, below, late = outputs, delta, [None] * 6
            slope = getattr(layer.activation, "slope", 1.0)  # where it is not positive
            self._forward.append((*arrays, outputs, slope))
        self._learn.reverse()
        assert below is not None  # there is a layer
        self._outputs, self._error = inputs, below

    @staticmethod
    def takes(layers: Sequence[Layer], parameters: Sequence[Any], learning: Sequence[Learning]) -> bool:
        """Return whether the C core works on the parameters, and knows the layers and how they learn."""
        return all(
            type(layer) is Dense
            and not layer.standardized
            and type(layer.activation) in _ACTIVATIONS
            and _is_plain(how)
            for layer, how in zip(layers, learning, strict=True)
        ) and all(engine_for(own.weight) is native for own in parameters)

    @staticmethod
    def allowed() -> bool:
        """Return whether the user lets the C core work now; see `pycopi.use_engine`."""
        return forced_engine() in (None, "native")

    def forward(self, inputs: HostArray) -> HostArray:
        """Return the outputs (1, m) for a row (1, n) to learn from; the next row overwrites them."""
        if not self._waits:
            self._forget()
        self._inputs[:] = inputs[0]
        self._waits = False
        for call in self._forward:
            native.row_forward(*call)
        return self._outputs[None, :]

    def learn(self, error: HostArray) -> None:
        """Change all parameters by the perturbations (1, m) of the last layer for the row that was sent."""
        self._error[:] = error[0]
        for call in self._learn:
            native.row_learn(*call)
        self._waits = True

    def outputs(self, inputs: HostArray) -> HostArray:
        """Return the outputs (1, m) for a row (1, n) that nothing is learned from, in memory of their own."""
        self.settle()
        row: HostArray = inputs[0]
        for weight, matrix, bias, *_, x, _, a, _, slope in self._forward:
            outputs = np.empty_like(a)
            found = None if x is None else np.empty_like(x), None, np.empty_like(a), outputs
            call: tuple[Any, ...] = (weight, matrix, bias, *[None] * 6, row, *found, slope)
            native.row_forward(*call)
            row = outputs
        return row[None, :]

    def settle(self) -> None:
        """Make the changes that are late, so that the parameters are what was learned."""
        if not self._waits:
            return
        self._waits = False
        for matrix, (left, right, rows, columns) in zip(self._first[:2], self._late, strict=True):
            if left is not None:
                native.rank_k_update(matrix, RankK(left[None, :], right[None, :], 1.0, rows, columns), False)

    def _forget(self) -> None:
        """Let the changes that are late change nothing."""
        for left, right, *scales in self._late:
            for array, value in ((left, 0.0), (right, 0.0), *((scale, 1.0) for scale in scales)):
                if array is not None:
                    array[:] = value


def _late(matrix: HostArray | None, *, by_rows: bool) -> tuple[Any, Any, Any, Any]:
    """Return room for a change of a matrix: left, right, and the scales of rows or of columns."""
    if matrix is None:
        return None, None, None, None
    (m, n), dtype = matrix.shape, matrix.dtype
    scale = np.empty(m if by_rows else n, dtype)
    return np.empty(m, dtype), np.empty(n, dtype), *((scale, None) if by_rows else (None, scale))


def _is_plain(how: Learning) -> bool:
    rule, matrix = how.rule, how.decorrelation
    known = type(rule) is Gradient or (type(rule) is COPI and not rule.variance_scaled)
    return (
        known and how.rates.share == 1.0 and not how.rescales and matrix is not None and not matrix.transposed
    )


def _steps(how: Learning) -> tuple[float, ...]:
    """Return what a call of `row_learn` takes of the rules and their rates, in its order."""
    decorrelation, rates = how.decorrelation, how.rates
    assert decorrelation is not None
    gain = max(how.gain, 1.0) if type(how.rule) is COPI else how.gain
    bound = math.inf if how.bound is None or gain == 0.0 else how.bound / gain
    own = math.inf if decorrelation.step_bound is None else decorrelation.step_bound
    infers = float(type(how.rule) is COPI)
    return infers, rates.weights, bound, rates.decorrelation, own, decorrelation.whitening
