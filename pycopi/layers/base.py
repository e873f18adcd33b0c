"""What every layer offers, and the trace of a forward pass through layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pycopi._array import Array
from pycopi._checks import check_array, check_shape
from pycopi.activations import Activation, Identity
from pycopi.optimizers import PLAIN, Changes, Optimizer
from pycopi.rules.learning import Learning


class Record(NamedTuple):
    """What a forward pass leaves of a layer.

    ``decorrelated`` x (B, n), ``preactivations`` a (B, m) and ``outputs`` f(a) (B, m). Of a layer with a
    decorrelating matrix R, ``sampled`` (k, n) are the rows of x that are still to be multiplied by R for its
    learning, or None, and ``reprojected`` (k, n) those that were: x R, or x R.T by the rule ``local``.
    """

    decorrelated: Array
    preactivations: Array
    outputs: Array
    sampled: Array | None = None
    reprojected: Array | None = None


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
    is a NamedTuple with at least ``decorrelated`` (B, n), the inputs that the parameters act on,
    ``preactivations`` (B, m) and ``outputs`` (B, m); `Record` is one.
    """

    inputs: int
    outputs: int
    activation: Activation = Identity()
    bias: bool = False
    decorrelated: bool = False
    standardized: bool = False

    parameters: ClassVar[type[Any]]
    """The NamedTuple of the layer's parameters; None stands in it for one that a layer does not have."""

    learned: ClassVar[tuple[str, ...]] = ("weight", "bias")
    """The parameters that perturbations change: an optimizer may remember something of each."""

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter that the layer has, by its name."""

    @abstractmethod
    def init(self, generator: np.random.Generator) -> Any:
        """Return fresh float64 NumPy parameters."""

    def check_parameters(self, own: Any, place: str) -> None:
        """Check that parameters are those of this layer; ``place`` says in errors where it stands."""
        named: Any = own
        if not isinstance(own, self.parameters):
            msg = f"parameters of {place} are a {type(own).__name__}; expected {self.parameters.__name__}"
            raise TypeError(msg)
        expected = self.shapes()
        for name, array in named._asdict().items():
            if (array is None) == (name in expected):
                state = "is None" if array is None else "is an array"
                msg = f"{name} of {place} {state}, unlike the layer's description {self}"
                msg += "; use the parameters that network.init() made for it"
                raise ValueError(msg)
            if array is None:
                continue
            check_array(f"{name} of {place}", array)
            if tuple(array.shape) != expected[name]:  # the layer's text takes longer than the question
                check_shape(f"{name} of {place}", array, expected[name], f"the layer is {self}")

    def check_optimizer(self, optimizer: Optimizer) -> None:  # noqa: B027  (most learn by all)
        """Check that the layer can learn by an optimizer."""

    @abstractmethod
    def forward(self, own: Any, inputs: Array, learning: Learning | None = None) -> Any:
        """Return the record of inputs y (B, n).

        ``learning`` says how the layer will learn from them, so that the record can hold what that needs; None
        is for inputs that nothing is learned from.
        """

    def decorrelate(self, own: Any, inputs: Array) -> Array:
        """Return the inputs (B, n) that the parameters act on, of inputs y (B, n)."""
        return inputs

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
        return PLAIN.apply(own, {}, changes, None, copy)[0], wanted

    def fold(self, own: Any) -> tuple[Layer, Any]:
        """Return the same layer without its decorrelating matrix, and its parameters; itself if it has none."""
        return self, own
