"""What looks at a run after each epoch and may end it, and what carries its state out when it ends early."""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pycopi._checks import as_whole
from pycopi.state import State


class TrainingInterrupted(KeyboardInterrupt):
    """Raised by `fit` in place of KeyboardInterrupt; ``state`` is that of the last complete epoch."""

    def __init__(self, state: State) -> None:
        super().__init__(f"training interrupted after {len(state.history)} complete epochs")
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.state,)


Callback = Callable[[State], Any]
"""Called with the state after each epoch; returning True ends the run."""


class EarlyStopping:
    """Ends a run that no longer improves, and keeps its best parameters; `early_stopping` makes one.

    Attributes
    ----------
    best : State or None
        The state after the best epoch that this object has seen.
    after : int
        The number of epochs at the beginning of the history that do not count.
    """

    def __init__(self, patience: int, monitor: str, best: State | None = None, after: int = 0) -> None:
        self.patience, self.monitor, self.best, self.after = patience, monitor, best, after

    def __call__(self, state: State) -> bool:
        """Return whether the run should end after this state; keep the state if it is the best so far."""
        values = self._values(state)
        if not values or state.history[-1].weight_rate <= 0:
            return False
        if self.best is None or values[-1] < min(self._values(self.best), default=math.inf):
            self.best = state
        return len(values) - 1 - values.index(min(values)) >= self.patience

    def end(self, state: State) -> State:
        """Return the best state that was seen, with the history of the run."""
        if self.best is None or len(self.best.history) == len(state.history):
            return state
        return self.best._replace(step=state.step, history=state.history, selected=len(self.best.history))

    def _values(self, state: State) -> list[float]:
        """Return the monitored values of the epochs that trained the weights; smaller is better, NaN worst."""
        records = state.history[self.after :]
        values = [getattr(record, self.monitor) for record in records if record.weight_rate > 0]
        if None in values:
            msg = f"early_stopping monitors {self.monitor!r} but the history has none"
            msg += "; give fit validation data, or monitor another field"
            raise ValueError(msg)
        sign = -1.0 if self.monitor.endswith("accuracy") else 1.0
        return [math.inf if math.isnan(value) else sign * value for value in values]


def early_stopping(*, patience: int, monitor: str = "validation_loss") -> EarlyStopping:
    """Return a callback for `fit` that ends a run which no longer improves, and keeps its best parameters.

    Parameters
    ----------
    patience : int
        Epochs without a new best after which the run ends, at least 1.
    monitor : {"validation_loss", "validation_accuracy", "loss", "accuracy"}
        Field of the records to watch: a loss should fall, an accuracy should rise.

    Returns
    -------
    EarlyStopping
        A callable of the `State`. `fit` returns the parameters of the best epoch that it saw, with
        ``selected`` set to that epoch, whether the run ended early or not. When to end is read from the history
        alone, so that a run which goes on stops where an uninterrupted one does. Epochs that do not train the
        weights do not count. It can be pickled.

    Raises
    ------
    ValueError
        If ``patience`` or ``monitor`` is not as above, or a record has no such value.

    Examples
    --------
    >>> import pycopi
    >>> stop = pycopi.early_stopping(patience=5, monitor="validation_accuracy")
    """
    monitored = ("validation_loss", "validation_accuracy", "loss", "accuracy")
    if monitor not in monitored:
        msg = f"monitor is {monitor!r}; expected one of {', '.join(monitored)}"
        raise ValueError(msg)
    return EarlyStopping(as_whole("patience", patience), monitor)


def attach(error: BaseException, state: State) -> None:
    """Give an exception that ends a run the state after the last complete epoch, unless it has one."""
    if not hasattr(error, "state"):
        with suppress(AttributeError, TypeError):  # a class with slots takes no attribute
            error.state = state  # type: ignore[attr-defined]
    error.add_note(
        f"pycopi.fit: {len(state.history)} epochs are complete; the attribute `state` has what they made"
    )
