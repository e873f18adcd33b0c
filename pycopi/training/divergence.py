"""The error of training that has left all bounds."""

from functools import partial
from typing import Any

from pycopi.network import Parameters
from pycopi.state import State
from pycopi.training.diagnosis import Cause


class DivergenceError(ArithmeticError):
    """Raised when parameters or loss are no longer finite, or grow beyond all bounds.

    Attributes
    ----------
    layer : int
        The layer that diverged, counted from 1; where only the loss did, the one with the largest parameter.
    parameters : tuple of DenseParameters
        The last good parameters: in `fit` at most ``Guard.every`` steps older, in `train_step` those given.
    causes : tuple of Cause
        What can be seen in data and settings, and what to do about it.
    epoch, step : int or None
        Where a run was when it was noticed, both counted from 1; None outside `fit`.
    state : State or None
        The state of a run after its last complete epoch; None outside `fit`.
    """

    def __init__(
        self,
        what: str,
        layer: int,
        parameters: Parameters,
        causes: tuple[Cause, ...] = (),
        *,
        epoch: int | None = None,
        step: int | None = None,
        state: State | None = None,
    ) -> None:
        self.what, self.layer, self.parameters, self.causes = what, layer, parameters, causes
        self.epoch, self.step, self.state = epoch, step, state
        super().__init__(self.describe())

    def describe(self, *, flags: bool = False) -> str:
        """Return what happened, why and what to do; ``flags`` names those of the command, not of Python."""
        where = f"training diverged in layer {self.layer}"
        if self.epoch is not None:
            where += f", epoch {self.epoch}, step {self.step}"
        seen = "; ".join([self.what, *(cause.seen for cause in self.causes)])
        todo = " and ".join(cause.flag if flags else cause.python for cause in self.causes)
        return f"{where}: {seen}" + (f"; try {todo}" if todo else "")

    def __reduce__(self) -> tuple[Any, ...]:
        place: dict[str, Any] = {"epoch": self.epoch, "step": self.step, "state": self.state}
        return partial(type(self), **place), (self.what, self.layer, self.parameters, self.causes)
