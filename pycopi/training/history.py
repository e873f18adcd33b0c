"""What a run leaves behind: a record an epoch, and the state from which it can go on."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from pycopi._array import copy_array
from pycopi._checks import as_whole
from pycopi._json import as_json, read_fields
from pycopi.network import Parameters


class EpochRecord(NamedTuple):
    """One epoch of a run.

    ``epoch`` counts from 1. ``loss`` and ``accuracy`` are means over the epoch's batches, each taken before
    its step; ``validation_loss`` and ``validation_accuracy`` are taken after the epoch. Accuracies are
    shares in [0, 1], None for real-valued targets; validation fields are None without validation data.
    ``correlation`` is the mean absolute off-diagonal correlation of each layer's decorrelated inputs.
    ``weight_rate`` and ``decorrelation_rate`` are the step sizes used, ``steps`` the number of batches,
    ``seconds`` the time of the training alone. ``batch_size`` is that of a full batch, the largest so far, and
    ``correlation_floor`` what ``correlation`` would be of independent inputs, from so few samples.
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
    batch_size: int = 0
    correlation_floor: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON has it; numbers that are not finite are ``"inf"``, ``"-inf"``, ``"nan"``.

        Returns
        -------
        dict
            The fields by name, with lists for tuples.
        """
        return {name: as_json(value) for name, value in self._asdict().items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any] | Sequence[Any]) -> "EpochRecord":
        """Return the record that was saved as JSON, by `as_json` or from the tuple itself.

        Parameters
        ----------
        record : mapping or sequence
            The fields by name, or their values in order. A null, which older files have for a number that
            is not finite, becomes NaN where a number must be.

        Returns
        -------
        EpochRecord
            The same record, bit for bit.

        Raises
        ------
        ValueError
            If fields are missing or unknown, or a value is not of the kind of its field.

        Examples
        --------
        >>> import json, pycopi
        >>> record = pycopi.EpochRecord(1, float("inf"), 0.5, None, None, (0.25,), 1e-3, 1e-3, 72, 0.1)
        >>> pycopi.EpochRecord.from_json(json.loads(json.dumps(record.as_json()))) == record
        True
        """
        given = read_fields(cls, record)
        if given["validation_loss"] is None and given["validation_accuracy"] is not None:
            given["validation_loss"] = math.nan  # an older file has null for a loss that was not finite
        return cls(**given)


class TrainingState(NamedTuple):
    """All that a run needs to go on: the parameters, and a record of each epoch behind them.

    ``selected`` is None for the parameters after the last epoch. Where early stopping has kept better ones, it
    is the epoch, counted from 1, that they are from.
    """

    parameters: Parameters
    history: tuple[EpochRecord, ...] = ()
    selected: int | None = None

    def __repr__(self) -> str:
        """Return layers and the last epoch in a line each; the fields may hold anything."""
        layers, records = (part if isinstance(part, tuple) else (part,) for part in self[:2])
        which = "" if self.selected is None else f", parameters of epoch {self.selected}"
        lines = [f"TrainingState of {len(layers)} layers after {len(records)} epochs{which}"]
        lines += [f"layer {number}: {layer!r}" for number, layer in enumerate(layers, 1)]
        if len(lines) > _MOST_LINES:
            lines[_MOST_LINES // 2 : -_MOST_LINES // 2] = ["..."]
        return "\n  ".join([*lines, *map(_in_short, records[-1:])])


_MOST_LINES = 8  # of layers in a text; those in the middle are left out


def _in_short(record: Any) -> str:
    """Return loss and accuracy of an epoch; what is no record, as it is."""
    if not isinstance(record, EpochRecord):
        return repr(record)
    names = ("loss", "accuracy", "validation_loss", "validation_accuracy")
    values = ((name, getattr(record, name)) for name in names)
    shown = [f"{name} {value:.4f}" if isinstance(value, float) else "" for name, value in values]
    return f"epoch {record.epoch}: {', '.join(filter(None, shown))}"


class TrainingInterrupted(KeyboardInterrupt):
    """Raised by `fit` in place of KeyboardInterrupt; ``state`` is that of the last complete epoch."""

    def __init__(self, state: TrainingState) -> None:
        super().__init__(f"training interrupted after {len(state.history)} complete epochs")
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes the same exception in another process."""
        return type(self), (self.state,)


Callback = Callable[[TrainingState], Any]
"""Called with the state after each epoch; returning True ends the run."""


class EarlyStopping:
    """Ends a run that no longer improves, and keeps its best parameters; `early_stopping` makes one.

    Attributes
    ----------
    best : TrainingState or None
        The state after the best epoch that this object has seen.
    """

    def __init__(self, patience: int, monitor: str, best: TrainingState | None = None) -> None:
        self.patience, self.monitor, self.best = patience, monitor, best

    def __call__(self, state: TrainingState) -> bool:
        """Return whether the run should end after this state; keep the state if it is the best so far."""
        values = self._values(state)
        if not values or state.history[-1].weight_rate <= 0:
            return False
        if self.best is None or values[-1] < min(self._values(self.best), default=math.inf):
            self.best = state
        return len(values) - 1 - values.index(min(values)) >= self.patience

    def end(self, state: TrainingState) -> TrainingState:
        """Return the last state of a run with the best parameters that were seen."""
        if self.best is None or len(self.best.history) == len(state.history):
            return state
        return state._replace(parameters=self.best.parameters, selected=len(self.best.history))

    def _values(self, state: TrainingState) -> list[float]:
        """Return the monitored values of the epochs that trained the weights; smaller is better, NaN worst."""
        values = [getattr(record, self.monitor) for record in state.history if record.weight_rate > 0]
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
        A callable of the `TrainingState`. `fit` returns the parameters of the best epoch that it saw, with
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


def attach(error: BaseException, state: TrainingState) -> None:
    """Give an exception that ends a run the state after the last complete epoch, unless it has one."""
    if not hasattr(error, "state"):
        with suppress(AttributeError, TypeError):  # a class with slots takes no attribute
            error.state = state  # type: ignore[attr-defined]
    error.add_note(
        f"pycopi.fit: {len(state.history)} epochs are complete; the attribute `state` has what they made"
    )


def as_record(record: EpochRecord | Mapping[str, Any] | Sequence[Any]) -> EpochRecord:
    """Return the record of an epoch, which may be what JSON made of it."""
    if isinstance(record, EpochRecord):
        return record
    try:
        return EpochRecord.from_json(record)
    except ValueError as error:
        msg = f"history holds a {type(record).__name__} that is no record of an epoch ({error})"
        msg += "; expected EpochRecord, or what as_json() makes of it"
        raise TypeError(msg) from error


def copy_parameters(parameters: Parameters) -> Parameters:
    """Return parameters in fresh memory."""
    return tuple(own.map(copy_array) for own in parameters)
