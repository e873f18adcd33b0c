"""What a run leaves behind: a record an epoch, and the state from which it can go on."""

from collections.abc import Callable
from typing import Any, NamedTuple

from pycopi._array import copy_array
from pycopi._checks import as_whole
from pycopi.network import Parameters


class EpochRecord(NamedTuple):
    """One epoch of a run.

    ``epoch`` counts from 1. ``loss`` and ``accuracy`` are means over the epoch's batches, each taken before
    its step; ``validation_loss`` and ``validation_accuracy`` are taken after the epoch. Accuracies are
    shares in [0, 1], None for real-valued targets; validation fields are None without validation data.
    ``correlation`` is the mean absolute off-diagonal correlation of each layer's decorrelated inputs.
    ``weight_rate`` and ``decorrelation_rate`` are the step sizes used, ``steps`` the number of batches,
    ``seconds`` the time of the training alone.
    """

    epoch: int
    loss: float
    accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    correlation: tuple[float, ...]
    weight_rate: float
    decorrelation_rate: float
    steps: int
    seconds: float


class TrainingState(NamedTuple):
    """All that a run needs to go on: the parameters, and a record of each epoch behind them."""

    parameters: Parameters
    history: tuple[EpochRecord, ...] = ()


class TrainingInterrupted(KeyboardInterrupt):
    """Raised by `fit` in place of KeyboardInterrupt; ``state`` is that of the last complete epoch."""

    def __init__(self, state: TrainingState) -> None:
        super().__init__(f"training interrupted after {len(state.history)} complete epochs")
        self.state = state


Callback = Callable[[TrainingState], Any]
"""Called with the state after each epoch; returning True ends the run."""


def early_stopping(*, patience: int, monitor: str = "validation_loss") -> Callback:
    """Return a callback for `fit` that ends a run which no longer improves.

    Parameters
    ----------
    patience : int
        Epochs without a new best after which the run ends, at least 1.
    monitor : {"validation_loss", "validation_accuracy", "loss", "accuracy"}
        Field of the records to watch: a loss should fall, an accuracy should rise.

    Returns
    -------
    callable
        A function of the `TrainingState`. It reads only the history, so that a run which goes on stops where
        an uninterrupted one does; ask it before you take up a run that it may have ended. Epochs that do not
        train the weights do not count.

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
    patience = as_whole("patience", patience)
    sign = -1.0 if monitor.endswith("accuracy") else 1.0

    def stop(state: TrainingState) -> bool:
        values = [getattr(record, monitor) for record in state.history if record.weight_rate > 0]
        if None in values:
            msg = f"early_stopping monitors {monitor!r} but the history has none"
            msg += "; give fit validation data, or monitor another field"
            raise ValueError(msg)
        signed = [sign * value if value == value else float("inf") for value in values]  # NaN is no best
        return bool(signed) and len(signed) - 1 - signed.index(min(signed)) >= patience

    return stop


def copy_parameters(parameters: Parameters) -> Parameters:
    """Return parameters in fresh memory."""
    return tuple(own.map(copy_array) for own in parameters)
