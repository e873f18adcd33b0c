"""Plain steps: each change is made as it was proposed."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pycopi import kernels
from pycopi._array import Array
from pycopi._trees import Tree
from pycopi.optimizers.base import Changes, Optimizer, changed


@dataclass(frozen=True)
class Plain(Optimizer):
    """Takes each change as it is."""

    sweeps: ClassVar[bool] = True

    def step(self, parameter: Array, memory: Tree, change: Array, rate: Any) -> tuple[Array, Tree]:
        """Return a parameter after a change."""
        return parameter + change, memory


def pull_and_apply(
    own: Any, path: tuple[str, ...], vector: Array, changes: Changes, copy: bool | None
) -> tuple[Any, Array]:
    """Return the parameters after changes of rank 1, and a vector times matrices as they were before.

    ``path`` has the names of these matrices in their order; each is read and written once.
    """
    values: dict[str, Array] = {}
    for name in path:
        matrix = getattr(own, name)
        if matrix is not None:
            values[name], vector = kernels.pull_then_update(matrix, vector, changes.get(name), copy=copy)
    for name, change in changes.items():
        if name not in path:
            values[name] = changed(name, getattr(own, name), change, copy)
    return own._replace(**values), vector


PLAIN = Plain()
