"""Plain steps: each change is made as it was proposed."""

from typing import Any, ClassVar

from pycopi import kernels
from pycopi._array import Array, namespace
from pycopi.optimizers.base import Change, Changes, Optimizer, changed


class Plain(Optimizer):
    """Takes each change as it is."""

    sweeps: ClassVar[bool] = True

    def apply(self, own: Any, changes: Changes, copy: bool | None, rate: Any = None) -> Any:
        """Return the parameters after their changes, which hold the rate already."""
        values = {name: changed(name, getattr(own, name), change, copy) for name, change in changes.items()}
        return own._replace(**values)

    def pull_and_apply(
        self, own: Any, path: tuple[str, ...], vector: Array, changes: Changes, copy: bool | None
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

    def direction(self, own: Any, name: str, change: Change) -> Array:
        """Return the change itself, as an array in the shape of the parameter."""
        if not isinstance(change, kernels.RankK):
            return change
        matrix, kept = getattr(own, name), 1.0
        xp = namespace(matrix)
        if change.row_scale is not None:
            kept = kept * change.row_scale[:, None]
        if change.column_scale is not None:
            kept = kept * change.column_scale[None, :]
        return matrix * (kept - 1.0) + xp.matmul(xp.matrix_transpose(change.left), change.right) * change.scale


PLAIN = Plain()
