"""Steps along the gradient in decorrelated inputs and perturbations, for layers that keep A = W R."""

from dataclasses import dataclass
from operator import is_not
from typing import Any, ClassVar

from pycopi import kernels
from pycopi._array import Array, copy_array, division_ignored, is_writable, may_overwrite, namespace
from pycopi._checks import as_float
from pycopi._trees import Tree, map_arrays, paired
from pycopi.optimizers.base import Change, Changes, Optimizer
from pycopi.rules.directions import Directions, mean_power, row_squares
from pycopi.rules.stability import checked_bound
from pycopi.rules.subspace import SubspaceDecorrelation, beside_one

_LEAST = 0.3
"""Least length of a unit's weights, times the root mean square of its inputs, that a bound reckons with."""


@dataclass(frozen=True, kw_only=True)
class Decorrelated(Optimizer):
    """Takes the step that a change is in decorrelated inputs, and goes on a little in its direction.

    Parameters
    ----------
    inputs : SubspaceDecorrelation or None
        How the inputs of each layer are decorrelated; None leaves them as they are.
    perturbations : SubspaceDecorrelation or None
        How the perturbations are; None leaves them as they are. A layer with no more outputs than directions
        keeps its own, unless the rank is None.
    momentum : float
        Share of the velocity that a step keeps, in [0, 1); 0 keeps none, and no memory for it.
    decay : float
        Share of a weight that a step at a rate of 1 takes away, at least 0; biases keep theirs.
    step_bound : float or None
        The longest step of a unit's weights, as a multiple of the length of these weights, above 0; None for no
        bound.

    Raises
    ------
    ValueError
        If a field is out of its range.

    Notes
    -----
    A change ``(rate / B) delta.T y`` becomes ``(rate / B) (delta Q).T (y P)``. ``P = (M + d I)^(-1)`` is that
    of `SubspaceDecorrelation` for the inputs, so that the step is one along the gradient in ``x = y R.T``, seen
    in A = W R. ``Q`` is the same for the perturbations, but 1 in the directions that are left out. With the
    full rank on both sides these are the factors of K-FAC (Martens and Grosse, arXiv 1503.05671); with
    ``perturbations=None`` they are FOOF's (Benzing, arXiv 2201.12250). In hidden layers, and with standardised
    inputs, d takes the mean power as at least 1 / (n + 1), what an input of 1, as a bias has, adds to it: units
    that are 0, or nearly so, take no steps without end. Both sides cost 6k / n of a step of backpropagation.
    Forward and backward passes are those of a plain network, so give the layers ``decorrelated=False``.

    The bound is that of adaptive gradient clipping (Brock et al., arXiv 2102.06171), on steps: a longer one
    keeps its direction, and so does the velocity that it came from. For inputs of mean square p, weights count
    as at least ``0.3 / sqrt(p)`` long, so that small inputs soon get the large weights that they need.
    """

    rescales: ClassVar[bool] = True

    inputs: SubspaceDecorrelation | None = SubspaceDecorrelation()  # noqa: RUF009  (frozen)
    perturbations: SubspaceDecorrelation | None = SubspaceDecorrelation()  # noqa: RUF009  (frozen)
    momentum: float = 0.0
    decay: float = 0.0
    step_bound: float | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        object.__setattr__(self, "step_bound", checked_bound(self.step_bound))
        for name in ("momentum", "decay"):
            object.__setattr__(self, name, as_float(name, getattr(self, name)))
        if self.momentum >= 1.0:
            msg = f"momentum is {self.momentum}; expected a number of at least 0 and less than 1"
            raise ValueError(msg)

    def init(self, parameter: Array) -> Tree:
        """Return what is remembered before the first step: of a matrix all, of a vector its velocity."""
        memory: dict[str, Tree] = {}
        if self.momentum:
            memory["velocity"] = namespace(parameter).zeros_like(parameter)
        if parameter.ndim == 2:
            m, n = parameter.shape
            inputs, perturbations = self.inputs, self.perturbations
            if inputs is not None:
                memory["inputs"] = inputs.unknown(n, parameter)._asdict()
            if perturbations is not None and (perturbations.rank is None or perturbations.rank < m):
                memory["perturbations"] = perturbations.unknown(m, parameter)._asdict()
        return memory

    def step(self, parameter: Array, memory: Tree, change: Array, rate: Any) -> tuple[Array, Tree]:
        """Return a parameter and its velocity after a change in which nothing is decorrelated."""
        change = rate * change
        if self.momentum:
            change = self.momentum * memory["velocity"] + change
            memory = {**memory, "velocity": change}
        return parameter + change, memory

    def apply(
        self, own: Any, memory: Any, changes: Changes, rate: Any, copy: bool | None, *, within: bool = False
    ) -> tuple[Any, Any]:
        """Return the parameters of a layer and what is remembered of them after a step."""
        matrices = {
            name: change for name, change in changes.items() if name in memory and getattr(own, name).ndim == 2
        }
        others = {name: change for name, change in changes.items() if name not in matrices}
        learned, kept = super().apply(own, memory, others, rate, copy)
        values: dict[str, Array] = {}
        for name, change in matrices.items():
            array = getattr(own, name)
            inputs = beside_one(self.inputs, array.shape[1]) if self.inputs and within else self.inputs
            values[name], found = self._step(name, array, memory[name], change, rate, copy, inputs)
            kept[name] = _written(memory[name], found, copy)
        return learned._replace(**values), kept

    def between(self, memory: tuple[Any, ...], copy: bool | None) -> tuple[Any, ...]:
        """Return what is remembered, with directions that are refreshed where it is time for that."""
        for side, how in (("inputs", self.inputs), ("perturbations", self.perturbations)):
            parts = {
                (layer, name): part[side]
                for layer, own in enumerate(memory)
                for name, part in own.items()
                if how is not None and side in part
            }
            states = tuple(Directions(**part) for part in parts.values())
            found = how.in_time(states) if how is not None and states else states
            if found is states:
                continue
            kept = [dict(own) for own in memory]
            for ((layer, name), part), state in zip(parts.items(), found, strict=True):
                written = _written(part, state._asdict(), copy)
                kept[layer][name] = {**kept[layer][name], side: written}
            memory = tuple(kept)
        return memory

    def _step(
        self,
        name: str,
        matrix: Array,
        memory: dict[str, Tree],
        change: Change,
        rate: Any,
        copy: bool | None,
        inputs: SubspaceDecorrelation | None,
    ) -> tuple[Array, dict[str, Tree]]:
        """Return a matrix and what is remembered of it after a step along a gradient."""
        if not isinstance(change, kernels.RankK) or change.column_scale is not None:
            msg = f"{type(self).__name__} takes the gradient of a batch, but the rule proposed another "
            msg += f"change of {name}; choose rule='gradient'"
            raise ValueError(msg)
        kept = dict(memory)
        left, *_ = _followed(self.perturbations, kept, "perturbations", change.left, copy)
        right, unit, power = _followed(inputs, kept, "inputs", change.right, copy)
        bound = None
        if self.step_bound is not None:
            if power is None:
                power = mean_power(row_squares(change.right), matrix.shape[1])
            bound = _bound(self.step_bound, power)
        change = kernels.RankK(left, right, change.scale * rate * unit)
        keeps = 1.0 - rate * self.decay if self.decay else 1.0
        if not self.momentum and bound is None:
            decayed = _alike(matrix, keeps) if self.decay else None
            return kernels.apply(matrix, change._replace(row_scale=decayed), copy), kept
        velocity = None
        if self.momentum:
            velocity, change = memory["velocity"], change._replace(row_scale=_alike(matrix, self.momentum))
        stepped, velocity = kernels.move(matrix, velocity, change, kept=keeps, bound=bound, copy=copy)
        return stepped, kept if velocity is None else {**kept, "velocity": velocity}


def _alike(matrix: Array, number: Any) -> Array:
    """Return a number for each row of a matrix."""
    return namespace(matrix).ones_like(matrix[:, 0]) * number


def _written(memory: Tree, found: Tree, copy: bool | None) -> Tree:
    """Return what is remembered now, in the arrays of before where ``copy`` lets these be overwritten.

    Else no array is one of before, which the next step may overwrite.
    """
    if all(part is memory[name] for name, part in found.items()):
        return memory  # all of it was written in place, or there is none
    pairs = paired(memory, found)
    changes = [(array, values) for array, values in pairs if array is not values]
    if not all([may_overwrite("memory", array, copy) for array, _ in changes]):
        same = {id(array) for array, _ in pairs if is_writable(array)}
        return map_arrays(lambda array: copy_array(array) if id(array) in same else array, found)
    for array, values in changes:
        array[...] = values
    return memory


def _bound(times: float, power: Array) -> kernels.Bound:
    """Return the bound of each step by the mean power (1,) of inputs; there is none where that is 0."""
    with division_ignored():
        return kernels.Bound(times, _LEAST * times / namespace(power).sqrt(power))


def _followed(
    how: SubspaceDecorrelation | None, memory: dict[str, Tree], name: str, rows: Array, copy: bool | None
) -> tuple[Array, Any, Array | None]:
    """Return decorrelated rows (B, n) by their unit, the unit, and the mean power of the rows, if it is known.

    The memory has the directions after them.
    """
    if how is None or (name == "perturbations" and name not in memory):
        return rows, 1.0, None
    before = Directions(**memory[name])
    rows, unit, power, state = how.followed(before, rows, copy)
    if any(map(is_not, state, before)):
        memory[name] = state._asdict()
    return rows, unit, power
