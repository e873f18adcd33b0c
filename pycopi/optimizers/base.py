"""What every optimizer offers, and the one place where a change of a parameter is made."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pycopi import kernels
from pycopi._array import Array, may_overwrite, namespace
from pycopi._trees import Tree, leaves, paired

Change = kernels.RankK | Array
"""The change of one parameter: a `kernels.RankK` of a matrix, or an array that is added."""

Changes = dict[str, Change]
"""The changes of a layer's parameters by their names; what is left out stays as it is."""


class Optimizer(ABC):
    """How parameters take the changes that their layers propose: a frozen, hashable object.

    What it remembers of each parameter, such as moments, is made by `init`; by default that is nothing.
    """

    rescales: ClassVar[bool] = False
    """Whether it makes steps of its own size: changes then come at a rate of 1, and without a bound."""

    sweeps: ClassVar[bool] = False
    """Whether it takes changes as they are, so that one sweep can pull back a row and change the matrix."""

    def check(self, parameter: Array) -> None:  # noqa: B027  (most work with every dtype)
        """Check that the optimizer can work in the dtype of the parameters."""

    @property
    def remembers(self) -> bool:
        """Whether it remembers anything from step to step."""
        return type(self).init is not Optimizer.init

    def init(self, parameter: Array) -> Tree:
        """Return what is remembered of a parameter before its first step: a tree of arrays like it."""
        return ()

    @abstractmethod
    def step(self, parameter: Array, memory: Tree, change: Array, rate: Any) -> tuple[Array, Tree]:
        """Return a parameter and what is remembered of it after a change, both in fresh arrays.

        ``change`` has the shape of the parameter and holds the ``rate`` already, unless the optimizer rescales.
        """

    def overwrite(self, parameter: Array, memory: Tree, change: Array, rate: Any) -> tuple[Array, Tree]:
        """Return what `step` does, in the same arrays."""
        stepped, remembered = self.step(parameter, memory, change, rate)
        parameter[...] = stepped
        for old, new in paired(memory, remembered):
            old[...] = new
        return parameter, memory

    def apply(
        self, own: Any, memory: Any, changes: Changes, rate: Any, copy: bool | None, *, within: bool = False
    ) -> tuple[Any, Any]:
        """Return the parameters of a layer and what is remembered of them after a step.

        ``memory`` has what `init` made of each parameter that errors move, by its name; other changes, such as
        those of a decorrelating matrix, are made as they are. ``copy`` says what may be overwritten, as in
        `pycopi.train_step`, and ``within`` whether the inputs of the layer are in units of the network: those
        of hidden layers, and standardised ones.
        """
        values: dict[str, Array] = {}
        kept = dict(memory)
        for name, change in changes.items():
            array = getattr(own, name)
            if name not in memory:
                values[name] = changed(name, array, change, copy)
                continue
            arrays = [array, *leaves(memory[name])]
            make = self.overwrite if all([may_overwrite(name, one, copy) for one in arrays]) else self.step
            values[name], kept[name] = make(array, memory[name], as_array(array, change), rate)
        return own._replace(**values), kept

    def between(self, memory: tuple[Any, ...], copy: bool | None) -> tuple[Any, ...]:
        """Return what is remembered of all layers after a step, ready for the next.

        What only some steps need is done here, on one condition for all layers; ``copy`` is that of `apply`.
        """
        return memory


def changed(name: str, array: Array, change: Change, copy: bool | None) -> Array:
    """Return a parameter after a change."""
    if isinstance(change, kernels.RankK):
        return kernels.apply(array, change, copy)
    if not may_overwrite(name, array, copy):
        return array + change
    array += change
    return array


def as_array(parameter: Array, change: Change) -> Array:
    """Return what a change adds to a parameter, in its shape."""
    if not isinstance(change, kernels.RankK):
        return change
    left = namespace(parameter).matrix_transpose(change.left)
    added = kernels.product(left, change.right) / (1.0 / change.scale)
    if change.row_scale is not None:
        added = added + parameter * (change.row_scale - 1.0)[:, None]
    if change.column_scale is not None:
        added = added + parameter * (change.column_scale - 1.0)[None, :]
    return added


def added(parameter: Array, change: Change) -> Change:
    """Return a change that adds to zeros what ``change`` adds to a parameter."""
    if isinstance(change, kernels.RankK) and change.row_scale is None and change.column_scale is None:
        return change
    return as_array(parameter, change)
