"""Training steps on a GPU that are recorded once and launched from then on, where steps repeat."""

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any

from pycopi._array import Array, copy_array, device, namespace, share_memory, wide_floats
from pycopi._control import jit, waiting
from pycopi._recording import Recording, can_record, record
from pycopi._trees import first_array, leaves, map_arrays, named_arrays, paired
from pycopi.network import Network
from pycopi.settings import Rates, Settings
from pycopi.state import State
from pycopi.training.step import Metrics, step

_MOST = 4  # kinds that are recorded: full and last batch, with the decorrelation and, between, without
_REMEMBERED = 64  # kinds of which it is known that they have come

TakeStep = Callable[..., tuple[State, Metrics]]
"""What takes a training step as `step` does."""


def steps_on(like: Array) -> TakeStep:
    """Return what takes training steps in place on arrays like this one: `step`, compiled or recorded."""
    if can_record(like):
        return RecordedSteps()
    taken: TakeStep = jit(step, like, static=("network", "settings"), donate="state")
    return taken


class _Kind:
    """The steps of some arrays and shapes: their rates on the device, and what is recorded of them."""

    def __init__(self, owners: tuple[Any, ...], rates: Rates, like: Array) -> None:
        self.owners = owners  # held, so that no other object gets their identity
        self.rates = map_arrays(lambda value: _as_array(value, like), rates)
        self._numbers = [float(value) for value in leaves(rates)]
        self.batch: tuple[Array, Array] | None = None
        self.graph: Recording | None = None

    def refill(self, rates: Rates) -> None:
        """Write the rates of a step to the device, where they are others than before."""
        for index, (array, value) in enumerate(paired(self.rates, rates)):
            if self._numbers[index] != value:
                array[...] = self._numbers[index] = value


class RecordedSteps:
    """Takes training steps as `step` does, in place; the next step overwrites the metrics.

    A step is recorded when it comes for the second time with the same arrays and shapes; rates may differ. What
    cannot be recorded is taken as it comes.
    """

    def __init__(self) -> None:
        self._kinds: dict[Any, _Kind] = {}
        self._recorded = 0
        self._possible = True

    def __call__(
        self,
        network: Network,
        state: State,
        inputs: Array,
        targets: Array,
        settings: Settings,
        rates: Rates,
    ) -> tuple[State, Metrics]:
        """Return the state after a step on a batch, and how the batch was answered before it."""
        batch = inputs, targets
        if not self._possible:
            return step(network, state, *batch, settings, rates)
        owners = network, settings, *leaves(state[:3])
        key = (
            tuple(map(id, owners)),
            tuple((tuple(array.shape), array.dtype) for array in batch),
            map_arrays(lambda _: True, rates),
        )
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) == _REMEMBERED:
                self._kinds.clear()
                self._recorded = 0
            self._kinds[key] = kind = _Kind(owners, rates, first_array(state))
        else:
            kind.refill(rates)
            if kind.graph is None and self._recorded < _MOST:
                self._record(kind, state, batch)
        if kind.graph is not None:
            return self._launched(kind, state, batch)
        learned, metrics = step(network, state, *batch, settings, kind.rates)
        if not _written(state[:3], learned[:3]):
            self._possible = False
            return learned, metrics
        return state, metrics

    def _launched(self, kind: _Kind, state: State, batch: tuple[Array, Array]) -> tuple[State, Metrics]:
        """Return what a recorded step makes of a batch."""
        for held, values in zip(kind.batch or (), batch, strict=True):
            held[...] = values
        graph: Any = kind.graph
        graph.launch()
        metrics, due = graph.result
        if due is not None and bool(due):
            optimizer = kind.owners[1].method.optimizer
            _written(state.optimizer, optimizer.between(state.optimizer, None))
        return state, metrics

    def _record(self, kind: _Kind, state: State, batch: tuple[Array, Array]) -> None:
        """Record a step where that can be done; where not, take all others as they come."""

        def whole() -> tuple[Metrics, Array | None]:
            network, settings = kind.owners[:2]
            learned, metrics = step(network, state, held[0], held[1], settings, kind.rates)
            if not _written(state[:3], learned[:3]):
                msg = "a step that changes what there is of a state cannot be recorded"
                raise RuntimeError(msg)
            conditions = waiting()
            return metrics, reduce(or_, conditions) if conditions else None

        try:
            kind.batch = held = copy_array(batch[0]), copy_array(batch[1])
            kind.graph = record(whole, first_array(state))
        except Exception:  # a fault of the step itself shows when it is taken as it comes
            self._possible = False
        else:
            self._recorded += 1


def _as_array(value: float, like: Array) -> Array:
    """Return a number as a 0-d array that can be refilled, of at least 32 bits."""
    dtype = wide_floats(like[..., :0]).dtype
    return namespace(like).full((), float(value), dtype=dtype, device=device(like))


def _written(old: Any, new: Any) -> bool:
    """Write the arrays of a tree into those of another, and return whether both have the same."""
    if named_arrays(old).keys() != named_arrays(new).keys():
        return False
    pairs = [pair for pair in paired(old, new) if pair[0] is not pair[1]]
    held = leaves(old) if pairs else []
    values = [copy_array(one) if any(share_memory(own, one) for own in held) else one for _, one in pairs]
    for (array, _), value in zip(pairs, values, strict=True):
        array[...] = value
    return True
