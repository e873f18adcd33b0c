"""What every optimizer offers, and the one place where a change of a parameter is made."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pycopi import kernels
from pycopi._array import Array, may_overwrite

Change = kernels.RankK | Array
"""The change of one parameter: a `kernels.RankK` of a matrix, or an array that is added."""

Changes = dict[str, Change]
"""The changes of a layer's parameters by their names; what is left out stays as it is."""


class Optimizer(ABC):
    """How the parameters of a layer, a NamedTuple of arrays, take the changes that the layer proposes."""

    needs_moments: ClassVar[bool] = False
    """Whether it works with the moments that ``network.init(moments=True)`` makes."""

    sweeps: ClassVar[bool] = False
    """Whether it takes changes as they are, so that one sweep can pull back a row and change the matrix."""

    def check_range(self, parameter: Array) -> None:  # noqa: B027  (most work with every dtype)
        """Check that the optimizer can work in the dtype of the parameters."""

    @abstractmethod
    def apply(self, own: Any, changes: Changes, copy: bool | None, rate: Any = None) -> Any:
        """Return the parameters after a step.

        ``copy`` says what may be overwritten, as in `pycopi.train_step`; ``rate`` is the step size of weights
        and biases for an optimizer whose steps are not in proportion to the changes.
        """

    @abstractmethod
    def direction(self, own: Any, name: str, change: Change) -> Array:
        """Return what a step at a rate of 1 adds to the parameter of this name, in its shape."""


def changed(name: str, array: Array, change: Change, copy: bool | None) -> Array:
    """Return a parameter after a change."""
    if isinstance(change, kernels.RankK):
        return kernels.apply(array, change, copy)
    if not may_overwrite(name, array, copy):
        return array + change
    array += change
    return array
