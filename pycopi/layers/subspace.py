"""Fully connected layers whose inputs are decorrelated in closed form, in few directions, W and R apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pycopi import kernels
from pycopi._array import Array, astype, namespace, wide_floats
from pycopi.activations import Activation, LeakyReLU
from pycopi.layers.base import Layer
from pycopi.layers.dense import (
    Dense,
    DenseParameters,
    check_description,
    inferred,
    preactivations,
    scaled,
    xavier_normal,
)
from pycopi.optimizers import Changes, Optimizer
from pycopi.rules.directions import Directions
from pycopi.rules.learning import Learning
from pycopi.rules.subspace import SubspaceDecorrelation


class SubspaceRecord(NamedTuple):
    """What a forward pass leaves of the layer: the fields of a `Record`, and the scaled ``inputs`` y (B, n)."""

    decorrelated: Array
    preactivations: Array
    outputs: Array
    inputs: Array


@dataclass(frozen=True)
class SubspaceDense(Layer):
    """A fully connected layer, a = x W.T + b, whose R is the closed form in few directions.

    Parameters
    ----------
    inputs, outputs : int
        Numbers of features n and m, at least 1.
    activation : str or Activation
        What makes outputs of preactivations, by name or as an object of `pycopi.activations`.
    bias : bool
        Whether the layer has a bias b.
    decorrelation : SubspaceDecorrelation
        What R is, and how it follows the inputs.
    standardized : bool
        Whether the layer first makes its inputs ``clip((y - mean) / spread, -3, 3)``, for the first of a
        network.

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1, or the name of the activation is unknown.

    Notes
    -----
    ``x = y R.T`` with ``R = (M + d I)^(-1/2)``, the closed form of `SubspaceDecorrelation` divided by the root
    of d: each of the directions has a power below 1 in x, whatever the scale of the inputs. R costs 4nk
    operations a row, forward and back. In a step, R first follows the batch to R' and W becomes
    ``W R R'^(-1)``, so that the layer goes on computing what it did; then W takes the step of its rule in the x
    of R'. Both are one update of W, of rank B + 2k. R follows in the steps in which decorrelating matrices
    learn (`Rates`, and the ``every`` of `Decorrelation`), at the pace of its own ``fraction``, ``refresh`` and
    ``memory``, without sums from step to step. Bound the steps (``step_bound`` of `Settings`): inputs that have
    grown since R last followed them have more power.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> network = pycopi.mlp([4, 8, 2], decorrelated=pycopi.SubspaceDecorrelation(rank=2))
    >>> x, classes = np.random.default_rng(0).random((50, 4), np.float32), np.arange(50) % 2
    >>> before, only_r = network.init(seed=0), pycopi.Rates(None, 1.0)
    >>> after, _ = pycopi.train_step(network, before, x, classes, pycopi.Settings(), only_r)
    >>> bool(np.allclose(network.predict(after, x), network.predict(before, x), atol=1e-6))
    True
    >>> bool(np.any(after[0].vectors != before[0].vectors))
    True
    """

    parameters: ClassVar[type[Any]] = DenseParameters

    inputs: int
    outputs: int
    activation: Activation = LeakyReLU()  # noqa: RUF009  (frozen)
    bias: bool = False
    decorrelation: SubspaceDecorrelation = SubspaceDecorrelation()  # noqa: RUF009  (frozen)
    standardized: bool = False

    decorrelated = True

    def __post_init__(self) -> None:
        """Check the sizes, and find the activation of a name."""
        check_description(self)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter that the layer has, by its name."""
        plain = Dense(self.inputs, self.outputs, self.activation, self.bias, False, self.standardized).shapes()
        k = self.decorrelation.count(self.inputs)
        return plain | {"vectors": (k, self.inputs), "powers": (k + 2,)}

    def init(self, generator: np.random.Generator) -> DenseParameters:
        """Return fresh float64 NumPy parameters: Xavier-normal W R, directions of which nothing is known."""
        values = {name: np.zeros(shape) for name, shape in self.shapes().items()}
        root = np.sqrt(self.decorrelation.damping)  # R begins as the identity divided by it
        values["weight"] = root * xavier_normal(generator, self.outputs, self.inputs)
        values["vectors"] = self.decorrelation.unknown(self.inputs, values["weight"]).vectors
        if self.standardized:
            values["spread"] = np.ones(self.inputs)
        return DenseParameters(**values)

    def check_optimizer(self, optimizer: Optimizer) -> None:
        """Check that an optimizer takes changes as they are: no memory of W goes where W goes with R."""
        if not optimizer.sweeps:
            msg = f"the optimizer {optimizer} makes steps of its own, but the weights of a SubspaceDense layer "
            msg += "also move with its R; choose optimizer='plain', or a network with decorrelated=False"
            raise ValueError(msg)

    def forward(self, own: DenseParameters, inputs: Array, learning: Learning | None = None) -> SubspaceRecord:
        """Return the record of inputs y (B, n)."""
        inputs = scaled(own, inputs)
        x = self.decorrelation.whiten(_directions(own), inputs)
        a = preactivations(own, x)
        return SubspaceRecord(x, a, self.activation(a), inputs)

    def decorrelate(self, own: DenseParameters, inputs: Array) -> Array:
        """Return decorrelated inputs x (B, n) of inputs y (B, n)."""
        return self.decorrelation.whiten(_directions(own), scaled(own, inputs))

    def pull_back(
        self, own: DenseParameters, record: SubspaceRecord, perturbations: Array
    ) -> tuple[Array, SubspaceRecord]:
        """Return delta W R, shape (B, n), and the record."""
        wanted = kernels.product(perturbations, own.weight)
        return self.decorrelation.whiten(_directions(own), wanted), record  # R is symmetric

    def changes(
        self, own: DenseParameters, record: SubspaceRecord, perturbations: Array | None, learning: Learning
    ) -> Changes:
        """Return the changes of W, b, and the directions, by their names."""
        if learning.decorrelation is None:
            return inferred(own, record, learning.power(record.decorrelated), perturbations, learning)
        how, old = self.decorrelation, _directions(own)
        new = how.learned(old, record.inputs)
        record = record._replace(decorrelated=how.whiten(new, record.inputs))
        proposed = inferred(own, record, learning.power(record.decorrelated), perturbations, learning)
        carried = how.carry(own.weight, old, new)
        step = proposed.get("weight")
        proposed["weight"] = carried if step is None else _after(carried, step)
        proposed["vectors"] = astype(new.vectors - old.vectors, own.weight.dtype)
        proposed["powers"] = astype(_powers(new) - _powers(old), own.weight.dtype)
        return proposed

    def fold(self, own: DenseParameters) -> tuple[Dense, DenseParameters]:
        """Return a layer with one matrix W R, without decorrelation."""
        weight = self.decorrelation.whiten(_directions(own), own.weight)
        layer = Dense(self.inputs, self.outputs, self.activation, self.bias, False, self.standardized)
        return layer, own._replace(weight=weight, vectors=None, powers=None)


def _directions(own: DenseParameters) -> Directions:
    """Return what the parameters know of the directions."""
    vectors, powers = wide_floats(own.vectors), wide_floats(own.powers)
    xp, count = namespace(vectors), vectors.shape[0]
    sums = xp.concat([xp.zeros_like(powers[:2]), powers[count + 1 :]])
    return Directions(vectors, powers[:count], powers[count : count + 1], xp.zeros_like(vectors), sums)


def _powers(state: Directions) -> Array:
    return namespace(state.values).concat([state.values, state.power, state.sums[2:]])


def _after(first: kernels.RankK, second: kernels.RankK) -> kernels.RankK:
    """Return two changes of a matrix, one after the other, as one."""
    left, right, columns = first.left, first.right, first.column_scale
    if second.row_scale is not None:
        left = left * second.row_scale[None, :]
    if second.column_scale is not None:
        right, columns = right * second.column_scale[None, :], columns * second.column_scale
    xp = namespace(left)
    left = xp.concat([left, astype(second.left * second.scale, left.dtype)], axis=0)
    return kernels.RankK(left, xp.concat([right, second.right], axis=0), 1.0, second.row_scale, columns)
