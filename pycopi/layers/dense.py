"""Fully connected layers, with decorrelated inputs or without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pycopi import kernels
from pycopi._array import Array, namespace
from pycopi._checks import as_whole
from pycopi._trees import map_arrays, named_arrays
from pycopi.activations import Activation, LeakyReLU, resolve
from pycopi.layers.base import Layer, Record
from pycopi.optimizers import Changes, pull_and_apply
from pycopi.rules.decorrelation import Decorrelation
from pycopi.rules.inference import Sent
from pycopi.rules.learning import Learning
from pycopi.rules.power import mean_square
from pycopi.rules.standardisation import standardise


class DenseParameters(NamedTuple):
    """Parameters of a dense layer with n inputs and m outputs; what a layer does not have is None.

    ``weight`` is W, shape (m, n); ``decorrelator`` is R, shape (n, n); ``bias`` has shape (m,). ``mean`` and
    ``spread`` of a layer that standardises its inputs have shape (n,). A `SubspaceDense` layer makes R of k
    directions: ``vectors`` (k, n) are its orthonormal rows V, ``powers`` (k + 2,) their eigenvalues, the mean
    power of all inputs, and the number of samples that these rest on.
    """

    weight: Array
    decorrelator: Array | None = None
    bias: Array | None = None
    mean: Array | None = None
    spread: Array | None = None
    vectors: Array | None = None
    powers: Array | None = None

    def map(self, function: Callable[[Array], Array]) -> DenseParameters:
        """Return the same parameters with a function applied to every array that is there."""
        mapped: DenseParameters = map_arrays(function, self)
        return mapped

    def named(self) -> dict[str, Array]:
        """Return the arrays that are there by their names."""
        return named_arrays(self)

    def __repr__(self) -> str:
        """Return dtypes and shapes in place of the numbers, which would fill a screen."""
        shown = (f"{name}={_in_short(array)}" for name, array in self.named().items())
        return f"DenseParameters({', '.join(shown)})"


def _in_short(array: Any) -> str:
    """Return dtype and shape of an array; what is none, such as a leaf of a tree of JAX, as it is."""
    if not hasattr(array, "dtype"):
        return repr(array)
    return f"{str(array.dtype).rpartition('.')[2]} {tuple(array.shape)}"


_PATH = ("weight", "decorrelator")  # the matrices that what is pulled back goes through


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer, a = x W.T + b with decorrelated inputs x = y R.T.

    Parameters
    ----------
    inputs, outputs : int
        Numbers of features n and m, at least 1.
    activation : str or Activation
        What makes outputs of preactivations, by name or as an object of `pycopi.activations`.
    bias : bool
        Whether the layer has a bias b; the paper has none.
    decorrelated : bool
        Whether the layer has a decorrelating matrix R; without it, x = y.
    standardized : bool
        Whether the layer first makes its inputs ``clip((y - mean) / spread, -3, 3)``, for the first of a
        network.
    """

    parameters: ClassVar[type[Any]] = DenseParameters

    inputs: int
    outputs: int
    activation: Activation = LeakyReLU()  # noqa: RUF009  (frozen)
    bias: bool = False
    decorrelated: bool = True
    standardized: bool = False

    def __post_init__(self) -> None:
        """Check the sizes, and find the activation of a name."""
        check_description(self)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter that the layer has, by its name."""
        n, m = self.inputs, self.outputs
        parts = {
            "weight": (True, (m, n)),
            "decorrelator": (self.decorrelated, (n, n)),
            "bias": (self.bias, (m,)),
            "mean": (self.standardized, (n,)),
            "spread": (self.standardized, (n,)),
        }
        return {name: shape for name, (present, shape) in parts.items() if present}

    def init(self, generator: np.random.Generator) -> DenseParameters:
        """Return fresh float64 NumPy parameters: Xavier-normal W, the identity for R, zero for all else."""
        values = {name: np.zeros(shape) for name, shape in self.shapes().items()}
        values["weight"] = xavier_normal(generator, self.outputs, self.inputs)
        if self.decorrelated:
            values["decorrelator"] = np.eye(self.inputs)
        if self.standardized:
            values["spread"] = np.ones(self.inputs)
        return DenseParameters(**values)

    def forward(self, own: DenseParameters, inputs: Array, learning: Learning | None = None) -> Record:
        """Return the record of inputs y (B, n); a single row that is learned from takes one sweep a matrix."""
        if learning is not None and inputs.shape[0] == 1:
            return self._forward_row(own, inputs, learning.decorrelation)
        x = self.decorrelate(own, inputs)
        a = preactivations(own, x)
        sampled = None
        if learning is not None and own.decorrelator is not None:
            how = learning.decorrelation
            sampled = None if how is None or how.transposed else how.sample(x)
        return Record(x, a, self.activation(a), sampled)

    def _forward_row(self, own: DenseParameters, inputs: Array, how: Decorrelation | None) -> Record:
        """Return the record of one row (1, n): x and x R come from one read of R; x R.T needs one more."""
        x, reprojected = scaled(own, inputs)[0, :], None
        matrix = own.decorrelator
        if matrix is not None:
            back = how is not None and not how.transposed
            _, x, reprojected = kernels.update_then_project(matrix, None, x, back=back)
            if how is not None and how.transposed:
                reprojected = kernels.update_then_project(matrix, None, x, back=False)[1]
        a = kernels.update_then_project(own.weight, None, x, back=False)[1][None, :]
        if own.bias is not None:
            a = a + own.bias[None, :]
        reprojected = None if reprojected is None else reprojected[None, :]
        return Record(x[None, :], a, self.activation(a), None, reprojected)

    def decorrelate(self, own: DenseParameters, inputs: Array) -> Array:
        """Return decorrelated inputs x (B, n) of inputs y (B, n)."""
        inputs = scaled(own, inputs)
        if own.decorrelator is None:
            return inputs
        return kernels.product(inputs, own.decorrelator, transposed=True)

    def pull_back(self, own: DenseParameters, record: Record, perturbations: Array) -> tuple[Array, Record]:
        """Return delta W R, shape (B, n); the rows that R learns from go through it in the same product."""
        if perturbations.shape[0] == 1:
            return self.pull_and_apply(own, record, perturbations, {}, None)[1], record
        wanted = kernels.product(perturbations, own.weight)
        if own.decorrelator is None:
            return wanted, record
        if record.sampled is None:
            return kernels.product(wanted, own.decorrelator), record
        rows = namespace(wanted).concat([wanted, record.sampled], axis=0)
        product = kernels.product(rows, own.decorrelator)
        samples = wanted.shape[0]
        return product[:samples, :], record._replace(reprojected=product[samples:, :])

    def pull_and_apply(
        self, own: DenseParameters, record: Record, perturbations: Array, changes: Changes, copy: bool | None
    ) -> tuple[DenseParameters, Array]:
        """Return the parameters after plain changes, and delta W R of those before; one sweep for one row."""
        if perturbations.shape[0] != 1:
            return super().pull_and_apply(own, record, perturbations, changes, copy)
        learned, wanted = pull_and_apply(own, _PATH, perturbations[0, :], changes, copy)
        return learned, wanted[None, :]

    def changes(
        self, own: DenseParameters, record: Record, perturbations: Array | None, learning: Learning
    ) -> Changes:
        """Return the changes of W, R and b by their names."""
        power = learning.power(record.decorrelated)
        proposed = inferred(own, record, power, perturbations, learning)
        if own.decorrelator is not None and learning.decorrelation is not None:
            how, rates, product = learning.decorrelation, learning.rates, record.reprojected
            sampled = how.sample(record.decorrelated)
            if product is None:
                product = kernels.product(sampled, own.decorrelator, transposed=how.transposed)
            if power is None or sampled is not record.decorrelated:
                power = mean_square(sampled)
            change = how.change(sampled, product, power, rates.decorrelation, rates.share)
            proposed["decorrelator"] = change
        return proposed

    def fold(self, own: DenseParameters) -> tuple[Dense, DenseParameters]:
        """Return the same layer as one matrix W R, without a decorrelating matrix."""
        weight = own.weight
        if own.decorrelator is not None:
            weight = namespace(weight).matmul(weight, own.decorrelator)
        return replace(self, decorrelated=False), own._replace(weight=weight, decorrelator=None)


def check_description(layer: Layer) -> None:
    """Check the sizes of a layer, and find the activation of a name."""
    for name in ("inputs", "outputs"):
        object.__setattr__(layer, name, as_whole(name, getattr(layer, name)))
    object.__setattr__(layer, "activation", resolve(layer.activation))


def scaled(own: DenseParameters, inputs: Array) -> Array:
    """Return the inputs (B, n) as the layer scales them; as they are where it does not."""
    if own.mean is None:
        return inputs
    return standardise(inputs, own.mean, own.spread)


def preactivations(own: DenseParameters, decorrelated: Array) -> Array:
    """Return a = x W.T + b (B, m)."""
    a = kernels.product(decorrelated, own.weight, transposed=True)
    if own.bias is not None:
        a += own.bias[None, :]
    return a


def inferred(
    own: DenseParameters, record: Sent, power: Array | None, perturbations: Array | None, learning: Learning
) -> Changes:
    """Return the changes of W and b by their names; none where there are no perturbations."""
    if perturbations is None:
        return {}
    x = record.decorrelated
    rate = learning.step_size(x, power, 0.0 if own.bias is None else 1.0)
    proposed: Changes = {"weight": learning.rule.change(record, power, perturbations, own.bias, rate)}
    if own.bias is not None:  # a weight on a constant input of 1, under every rule
        one = x.shape[0] == 1
        mean = perturbations[0, :] if one else namespace(x).mean(perturbations, axis=0)
        proposed["bias"] = rate * mean
    return proposed


def xavier_normal(
    generator: np.random.Generator, outputs: int, inputs: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return a matrix (m, n) of standard deviation ``sqrt(2 / (n + m))``."""
    return generator.normal(0.0, np.sqrt(2.0 / (inputs + outputs)), (outputs, inputs))
