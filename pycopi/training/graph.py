"""Training steps on CuPy arrays as CUDA graphs, where steps repeat: which step does what, and the doing of it.

`Plan` decides by what a step depends on, without touching an array. The first step of a kind is taken as usual,
the second is recorded and launched, and the others are launched; a graph holds its rates, shapes and arrays, so
that another rate, a shorter batch or other parameters are a kind of their own.
"""

from typing import Any, Literal, NamedTuple

from pycopi import _cuda_graph as cuda_graph
from pycopi._array import Array, copy_array
from pycopi.network import Network
from pycopi.settings import Rates, Settings
from pycopi.state import State
from pycopi.training.step import Metrics, step

_MOST = 4  # kinds that are remembered: full and last batch, with the decorrelation and, between, without

Action = Literal["plain", "prepare", "record", "launch"]


class Kind(NamedTuple):
    """What is fixed in a graph."""

    network: Network
    settings: Settings
    rates: Rates
    batch: tuple[tuple[tuple[int, ...], str], ...]
    arrays: tuple[int, ...]


class Plan:
    """Which kinds of steps have been seen, the latest last."""

    def __init__(self, *, possible: bool = True, most: int = _MOST) -> None:
        self._possible, self._most = possible, most
        self._recorded: dict[Kind, bool] = {}

    def __contains__(self, kind: Kind) -> bool:
        """Return whether a kind is remembered."""
        return kind in self._recorded

    def next(self, kind: Kind) -> Action:
        """Return what to do with a step of a kind, and note that it is done."""
        if not self._possible:
            return "plain"
        recorded = self._recorded.pop(kind, None)
        if recorded is None and len(self._recorded) == self._most:
            self._recorded.pop(next(iter(self._recorded)))
        self._recorded[kind] = recorded is not None
        return "prepare" if recorded is None else "launch" if recorded else "record"

    def give_up(self) -> None:
        """Take all further steps as usual."""
        self._possible = False
        self._recorded.clear()


class _Graph(NamedTuple):
    recording: cuda_graph.Recording
    batch: tuple[Array, Array]
    state: State  # held, so that no other array gets their identity


class GraphSteps:
    """Takes training steps as `step` does, in place; a graph's metrics are overwritten by its next step."""

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self._graphs: dict[Kind, _Graph] = {}

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
        plan = self._plan = self._plan or Plan(possible=cuda_graph.available())
        batch = inputs, targets
        signature = tuple((tuple(array.shape), str(array.dtype)) for array in batch)
        kind = Kind(network, settings, rates, signature, _identities(state))
        action = plan.next(kind)
        if action == "record" and not self._record(kind, state, batch):
            action = "plain"
        if action == "plain":
            return step(network, state, *batch, settings, rates)
        if action == "prepare":
            learned, metrics = cuda_graph.prepare(lambda: step(network, state, *batch, settings, rates))
            if _identities(learned) != kind.arrays:  # not in place: a graph would lose what it learns
                self._give_up()
            return learned, metrics
        graph = self._graphs[kind]
        for array, values in zip(graph.batch, batch, strict=True):
            cuda_graph.refill(array, values)
        graph.recording.launch()
        return state, Metrics(*graph.recording.result)

    def _record(self, kind: Kind, state: State, batch: tuple[Array, Array]) -> bool:
        """Record a step, and return whether that could be done."""
        held = copy_array(batch[0]), copy_array(batch[1])
        try:
            recording = cuda_graph.record(
                lambda: step(kind.network, state, *held, kind.settings, kind.rates)[1]
            )
        except RuntimeError:  # NotImplementedError too: what CuPy and CUDA raise while capturing
            self._give_up()
            return False
        self._graphs = {other: graph for other, graph in self._graphs.items() if other in (self._plan or ())}
        self._graphs[kind] = _Graph(recording, held, state)
        return True

    def _give_up(self) -> None:
        if self._plan is not None:
            self._plan.give_up()
        self._graphs.clear()


def _identities(state: State) -> tuple[Any, ...]:
    """Return which arrays a state is made of."""
    return tuple(map(id, state.named().values()))
