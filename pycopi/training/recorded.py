"""Training steps on a GPU that are recorded once and launched from then on, where steps repeat."""

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, copy_array, from_numpy, wide_floats
from pycopi._control import jit, waiting
from pycopi._recording import Recording, can_record, record
from pycopi._trees import first_array, leaves, map_arrays, named_arrays, paired
from pycopi.network import Network
from pycopi.settings import Rates, Settings
from pycopi.state import State
from pycopi.training.step import Metrics, step

_MOST = 4  # kinds that are recorded: full and last batch, with the decorrelation and, between, without


TakeStep = Callable[..., tuple[State, Metrics]]
"""What takes a training step as `step` does."""


def steps_on(like: Array) -> TakeStep:
    """Return what takes training steps in place on arrays like this one: `step`, compiled or recorded."""
    if can_record(like):
        return RecordedSteps()
    taken: TakeStep = jit(step, like, static=("network", "settings"), donate="state")
    return taken


class _Graph(NamedTuple):
    """A recorded step, what it reads, and what it belongs to, held so that no other gets their identity."""

    recording: Recording
    batch: tuple[Array, Array]
    rates: dict[str, Array]
    numbers: dict[str, float]
    owners: tuple[Any, ...]


class RecordedSteps:
    """Takes training steps as `step` does, in place; the next step overwrites the metrics.

    A step is recorded when it comes for the second time with the same arrays and shapes; rates may differ. What
    cannot be recorded is taken as it comes.
    """

    def __init__(self) -> None:
        self._graphs: dict[Any, _Graph] = {}
        self._seen: set[Any] = set()
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
        owners = network, settings, *leaves(state[:3])
        kind = (
            tuple(map(id, owners)),
            tuple((tuple(array.shape), array.dtype) for array in batch),
            tuple(named_arrays(rates)),
        )
        if kind not in self._graphs and not (
            kind in self._seen and self._record(kind, owners, state, batch, rates)
        ):
            self._seen.add(kind)
            learned, metrics = step(network, state, *batch, settings, rates)
            _write(state[:3], learned[:3])  # so that the next step has the same arrays
            return state, metrics
        return self._launched(self._graphs[kind], state, batch, rates)

    def _launched(
        self, graph: _Graph, state: State, batch: tuple[Array, Array], rates: Rates
    ) -> tuple[State, Metrics]:
        """Return what a recorded step makes of a batch."""
        for held, values in zip(graph.batch, batch, strict=True):
            held[...] = values
        for name, value in named_arrays(rates).items():
            if graph.numbers[name] != value:
                graph.rates[name][...] = graph.numbers[name] = value
        graph.recording.launch()
        metrics, due = graph.recording.result
        if due is not None and bool(due):
            optimizer = graph.owners[1].method.optimizer
            _write(state.optimizer, optimizer.between(state.optimizer, None))
        return state, metrics

    def _record(
        self, kind: Any, owners: tuple[Any, ...], state: State, batch: tuple[Array, Array], rates: Rates
    ) -> bool:
        """Record a step, and return whether that could be done."""
        if not self._possible or len(self._graphs) == _MOST:
            return False
        like = first_array(state)
        held = copy_array(batch[0]), copy_array(batch[1])
        numbers = {name: float(value) for name, value in named_arrays(rates).items()}
        real = wide_floats(like[..., :0]).dtype
        arrays = map_arrays(lambda value: from_numpy(np.asarray(value, np.float64), like, dtype=real), rates)

        def whole() -> tuple[Metrics, Array | None]:
            learned, metrics = step(owners[0], state, *held, owners[1], arrays)
            _write(state[:3], learned[:3])
            conditions = waiting()
            return metrics, reduce(or_, conditions) if conditions else None

        try:
            made = record(whole, like)
        except (RuntimeError, NotImplementedError):  # what CuPy, CUDA and PyTorch raise while they record
            self._possible = False
            return False
        self._graphs[kind] = _Graph(made, held, named_arrays(arrays), numbers, owners)
        return True


def _write(old: Any, new: Any) -> None:
    """Write the arrays of a tree into those of another."""
    for array, values in paired(old, new):
        if array is not values:
            array[...] = values
