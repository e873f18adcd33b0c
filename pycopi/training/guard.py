"""The guard that ends a diverging run while its last good parameters are still there."""

from dataclasses import dataclass

from pycopi._array import Array, check_rate, namespace, number
from pycopi.network import Parameters, check_whole
from pycopi.training.history import TrainingState, copy_parameters


class DivergenceError(ArithmeticError):
    """Raised when parameters or loss are no longer finite, or grow beyond all bounds.

    Attributes
    ----------
    layer : int
        The layer that diverged, counted from 1; where only the loss did, the one with the largest value.
    epoch, step : int
        Where the run was when it was noticed, both counted from 1.
    parameters : tuple of DenseParameters
        The last parameters that were found to be good, at most ``Guard.every`` steps older.
    state : TrainingState
        The state after the last complete epoch.
    """

    def __init__(
        self, what: str, layer: int, epoch: int, step: int, parameters: Parameters, state: TrainingState
    ) -> None:
        super().__init__(
            f"training diverged in layer {layer}, epoch {epoch}, step {step}: {what}; "
            f"lower the gain or the rates, or let more epochs only decorrelate before the weights learn"
        )
        self.layer, self.epoch, self.step = layer, epoch, step
        self.parameters, self.state = parameters, state


@dataclass(frozen=True, kw_only=True)
class Guard:
    """When to look for divergence, and what counts as such.

    Parameters
    ----------
    every : int
        Steps between two looks, each of which reads all parameters once; an epoch ends with a look.
    limit : float
        Absolute value beyond which a parameter or the loss counts as diverged.
    """

    every: int = 100
    limit: float = 1e6

    def __post_init__(self) -> None:
        """Check the fields."""
        check_whole("every", self.every)
        check_rate("limit", self.limit)


class Watch:
    """Looks at one run, and keeps the last parameters that it found good."""

    def __init__(self, guard: Guard, state: TrainingState) -> None:
        self.guard, self.state = guard, state
        self.parameters = state.parameters

    def look(self, parameters: Parameters, loss: Array, epoch: int, step: int) -> Parameters:
        """Keep a copy of good parameters and return it; raise DivergenceError for bad ones."""
        extremes = [(_extreme(own), index) for index, own in enumerate(parameters, 1)]
        (worst, name), layer = max(extremes, key=lambda found: found[0][0])
        value = number(loss)
        what = ""
        if not worst <= self.guard.limit:
            what = f"{name} reached {worst:.3g}"
        elif not abs(value) <= self.guard.limit:
            what = f"the loss reached {value:.3g}"
        if what:
            raise DivergenceError(what, layer, epoch, step, self.parameters, self.state)
        self.parameters = copy_parameters(parameters)
        return self.parameters


def _extreme(own: tuple[Array | None, ...]) -> tuple[float, str]:
    """Return the largest absolute value of a layer's parameters, infinite for NaN, and whose it is."""
    found = [(0.0, "")]
    for name, array in zip(getattr(own, "_fields", ()), own, strict=True):
        if array is not None:
            xp = namespace(array)
            size = max(number(xp.max(array)), -number(xp.min(array)))
            found.append((size if size == size else float("inf"), name))
    return max(found)
