"""The guard that ends a diverging run while its last good parameters are still there."""

import math
from dataclasses import dataclass

from pycopi._array import Array, namespace, number
from pycopi._checks import as_float, as_whole
from pycopi.layers import LEARNED, DenseParameters
from pycopi.losses import LOSSES, encode_targets
from pycopi.network import Parameters
from pycopi.settings import Rates, Settings
from pycopi.training.diagnosis import causes
from pycopi.training.divergence import DivergenceError
from pycopi.training.frozen import View
from pycopi.training.history import TrainingState, copy_parameters
from pycopi.training.step import mean_loss


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


class Watch:
    """Looks at one run, and keeps the last parameters that it found good.

    ``first_loss`` is the loss that the run began with, by which a later one is judged.
    """

    def __init__(
        self, guard: Guard, view: View, settings: Settings, rates: Rates, state: TrainingState
    ) -> None:
        self.guard, self.view, self.settings, self.rates = guard, view, settings, rates
        self.state = state
        self.parameters = state.parameters
        self.first_loss = state.history[0].loss if state.history else None

    def look(self, parameters: Parameters, batch: tuple[Array, Array], epoch: int, step: int) -> Parameters:
        """Keep a copy of parameters that answer a batch well enough and return it, or raise."""
        extremes = [(self._extreme(own), index) for index, own in enumerate(parameters, 1)]
        (worst, name), layer = max(extremes, key=lambda found: found[0][0])
        if not worst <= self.guard.limit:
            what = f"{name} reached {worst:.3g}" if math.isfinite(worst) else f"{name} is no longer finite"
            raise self.divergence(what, batch, layer, epoch, step)
        loss = self._loss_of(parameters, batch)
        if not loss <= self.guard.limit * max(1.0, self.first_loss or 0.0):
            what = f"the loss reached {loss:.3g}"
            raise self.divergence(what, batch, layer, epoch, step)
        self.parameters = self.view.outer(copy_parameters(parameters))
        return self.parameters

    def divergence(
        self, what: str, batch: tuple[Array, Array], layer: int, epoch: int, step: int
    ) -> DivergenceError:
        """Return the error that says what diverged and why, with the last good parameters."""
        batches = self.view.batches
        found = causes(batches.network, self.view.inner(self.parameters), batch, self.settings, self.rates)
        return DivergenceError(what, layer, self.parameters, found, epoch=epoch, step=step, state=self.state)

    def _loss_of(self, parameters: Parameters, batch: tuple[Array, Array]) -> float:
        outputs = self.view.batches.network.trace(parameters, batch[0]).outputs
        return number(mean_loss(LOSSES[self.settings.loss], outputs, encode_targets(batch[1], outputs)))

    def _extreme(self, own: DenseParameters) -> tuple[float, str]:
        """Return the largest absolute value that a layer has learned, and its name; infinite for NaN."""
        found = [(0.0, "")]
        for name, array in own.named().items():
            xp = namespace(array)
            size = max(number(xp.max(array)), -number(xp.min(array)))
            if not math.isfinite(size):
                found.append((math.inf, name))
            elif name in LEARNED:
                found.append((size, name))
        return max(found)
