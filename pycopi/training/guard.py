"""The guard that ends a diverging run while its last good parameters are still there."""

import math
from dataclasses import dataclass
from typing import Any

from pycopi._array import Array, copy_array, namespace, number
from pycopi._checks import as_float, as_whole
from pycopi._trees import named_arrays
from pycopi.layers import Layer
from pycopi.losses import encode_targets, mean_loss
from pycopi.network import Parameters
from pycopi.settings import Rates, Settings
from pycopi.state import State
from pycopi.training.diagnosis import causes
from pycopi.training.divergence import DivergenceError
from pycopi.training.frozen import View


@dataclass(frozen=True, kw_only=True)
class Guard:
    """When to look for divergence, and what counts as such.

    Parameters
    ----------
    every : int
        Steps between two looks, each of which reads all parameters once; an epoch ends with a look.
    limit : float
        Absolute value beyond which a weight, a bias or an entry of R counts as diverged, and the loss as well,
        which is counted in units of the loss that the run began with if that was more than 1. Moments of an
        optimizer need only be finite, and fixed matrices of feedback are not judged.
    """

    every: int = 100
    limit: float = 1e6

    def __post_init__(self) -> None:
        """Check the fields."""
        object.__setattr__(self, "every", as_whole("every", self.every))
        object.__setattr__(self, "limit", as_float("limit", self.limit))


def check_guard(guard: Any) -> None:
    """Check that a guard is one: a run ends with the last state that it found good."""
    if not isinstance(guard, Guard):
        msg = f"guard is a {type(guard).__name__}; expected a pycopi.Guard, which every run needs"
        msg += "; to look only at the end of each epoch, give pycopi.Guard(every=10**9)"
        raise TypeError(msg)


class Watch:
    """Looks at one run, and keeps the last state that it found good, without its history.

    ``first_loss`` is the loss that the run began with, by which a later one is judged.
    """

    def __init__(self, guard: Guard, view: View, settings: Settings, rates: Rates, state: State) -> None:
        self.guard, self.view, self.settings, self.rates = guard, view, settings, rates
        self.state = state
        self.good = State(*state[:3])
        self.first_loss = state.history[0].loss if state.history else None

    def look(self, live: State, batch: tuple[Array, Array], epoch: int, step: int) -> None:
        """Keep a copy of a state that answers a batch well enough, or raise."""
        layers = self.view.batches.network.layers
        memories = live.optimizer or ((),) * len(layers)
        rows = enumerate(zip(layers, live.parameters, memories, strict=True), 1)
        extremes = [(_extreme(*row), index) for index, row in rows]
        (worst, name), layer = max(extremes, key=lambda found: found[0][0])
        if not worst <= self.guard.limit:
            what = f"{name} reached {worst:.3g}" if math.isfinite(worst) else f"{name} is no longer finite"
            raise self.divergence(what, batch, layer, epoch, step)
        loss = self._loss_of(live.parameters, batch)
        if not loss <= self.guard.limit * max(1.0, self.first_loss or 0.0):
            what = f"the loss reached {loss:.3g}"
            raise self.divergence(what, batch, layer, epoch, step)
        good = live.map(copy_array)
        self.good = good._replace(parameters=self.view.outer(good.parameters))

    def divergence(
        self, what: str, batch: tuple[Array, Array], layer: int, epoch: int, step: int
    ) -> DivergenceError:
        """Return the error that says what diverged and why, with the last good parameters."""
        batches = self.view.batches
        good = self.good.parameters
        found = causes(batches.network, self.view.inner(good), batch, self.settings, self.rates)
        return DivergenceError(what, layer, good, found, epoch=epoch, step=step, state=self.state)

    def _loss_of(self, parameters: Parameters, batch: tuple[Array, Array]) -> float:
        outputs = self.view.batches.network.trace(parameters, batch[0]).outputs
        return number(mean_loss(self.settings.method.loss, outputs, encode_targets(batch[1], outputs)))


def _extreme(layer: Layer, own: Any, memory: Any) -> tuple[float, str]:
    """Return the largest absolute value that a layer has learned, and its name; infinite for NaN."""
    found = [(0.0, "")]
    judged = {"decorrelator", *layer.learned}
    for name, array in {**named_arrays(own), **named_arrays(memory)}.items():
        xp = namespace(array)
        size = max(number(xp.max(array)), -number(xp.min(array)))
        if not math.isfinite(size):
            found.append((math.inf, name))
        elif name in judged:
            found.append((size, name))
    return max(found)
