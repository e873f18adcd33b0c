"""The state of a run: one value that holds all it needs to go on."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array
from pycopi._checks import common_namespace
from pycopi._json import as_json, read_fields
from pycopi._trees import Tree, first_array, map_arrays, named_arrays
from pycopi.credit import Credit
from pycopi.network import Network, Parameters, transferred
from pycopi.optimizers import Optimizer
from pycopi.settings import Settings


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


class State(NamedTuple):
    """A run as one value, with all that it needs to go on bit for bit; `start` makes that of a new run.

    ``parameters`` are what is predicted with. ``optimizer`` is what the optimizer remembers of each layer and
    ``credit`` what the credit keeps, matrices or the place in a series of random numbers: trees of arrays,
    empty for methods that need none. ``step`` is the number of steps behind it, and ``history`` has a record of
    each epoch. ``selected`` is None for the parameters after the last epoch. Where early stopping has kept
    better ones, it is the epoch, counted from 1, that they are from.
    """

    parameters: Parameters
    optimizer: Tree = ()
    credit: Tree = ()
    step: Any = 0
    history: tuple[EpochRecord, ...] = ()
    selected: int | None = None

    def map(self, function: Callable[[Array], Array]) -> "State":
        """Return the same state with a function applied to every array."""
        parameters, optimizer, credit = map_arrays(function, self[:3])
        return self._replace(parameters=parameters, optimizer=optimizer, credit=credit)

    def named(self) -> dict[str, Array]:
        """Return the arrays by where they are, as ``parameters.0.weight``."""
        return named_arrays(dict(zip(self._fields[:3], self[:3], strict=True)))

    def __repr__(self) -> str:
        """Return layers and the last epoch in a line each; the fields may hold anything."""
        layers, records = (p if isinstance(p, tuple) else (p,) for p in (self.parameters, self.history))
        which = "" if self.selected is None else f", parameters of epoch {self.selected}"
        lines = [f"State of {len(layers)} layers after {len(records)} epochs{which}"]
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


def start(
    network: Network,
    settings: Settings = Settings(),  # noqa: B008  (frozen)
    seed: int = 0,
    *,
    like: Array | None = None,
    data: Array | None = None,
    parameters: Parameters | None = None,
) -> State:
    """Return the state of a new run: parameters, and what optimizer and credit begin with.

    Parameters
    ----------
    network : Network
        The description.
    settings : Settings
        How the network will learn.
    seed : int
        Seed of all random numbers; none of the parameters' depends on the settings.
    like, data : array or None
        As for `Network.init`.
    parameters : tuple of DenseParameters or None
        Parameters to begin with, such as those of a model file; None draws new ones by `Network.init`.

    Returns
    -------
    State
        What `fit` and `train_step` go on from.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit the network, or ``like`` or ``data`` come with ``parameters``.

    Examples
    --------
    >>> import pycopi
    >>> state = pycopi.start(pycopi.mlp([3, 4, 2]), pycopi.Settings(credit="feedback_alignment"))
    >>> [matrix.shape for matrix in state.credit]
    [(2, 4)]
    """
    check_settings(settings)
    if parameters is None:
        parameters = network.init(seed, like=like, data=data)
    elif like is not None or data is not None:
        msg = "parameters are given with like or data, which are for new ones; leave one of them out"
        raise ValueError(msg)
    network.check_parameters(parameters)
    credit = _first_credit(network, settings.method.credit, seed)
    return _with_memory(network, State(parameters, (), transferred(credit, first_array(parameters))), settings)


def _first_credit(network: Network, credit: Credit, seed: int = 0) -> Tree:
    return credit.init(network.layers, np.random.default_rng(seed))


def as_state(network: Network, given: State | Parameters, settings: Settings) -> State:
    """Return a state that has what the settings need, of one or of the parameters alone."""
    check_settings(settings)
    state = given if isinstance(given, State) else State(given)
    _, credit, _, optimizer = settings.method
    lacking: Optimizer | Credit | None = None
    if optimizer.remembers and not state.optimizer:
        lacking = optimizer
    elif credit.remembers and not state.credit and _first_credit(network, credit):
        lacking = credit
    if lacking is not None:
        msg = f"{lacking} keeps a state from step to step, and none was given; begin with "
        msg += "pycopi.start(network, settings, seed), and give what it returns in place of parameters"
        raise ValueError(msg)
    return _with_memory(network, state, settings)


def _with_memory(network: Network, state: State, settings: Settings) -> State:
    """Return a state with what the optimizer remembers before its first step, if it is not there."""
    optimizer = settings.method.optimizer
    if optimizer.sweeps or state.optimizer:
        return state
    memory = tuple(
        {name: optimizer.init(array) for name, array in named_arrays(own).items() if name in layer.learned}
        for layer, own in zip(network.layers, state.parameters, strict=True)
    )
    return state._replace(optimizer=memory)


def check_kept(network: Network, state: State, settings: Settings) -> None:
    """Check that what a state keeps for optimizer and credit is what the settings need, by names and shapes."""
    fresh = start(network, settings, parameters=state.parameters).named()
    for place, array in state.named().items():
        if place in fresh and tuple(fresh.pop(place).shape) != tuple(array.shape):
            fresh = {place: array}
            break
    if fresh:
        msg = (
            f"{next(iter(fresh))} of the state is not what the settings need: it is of another run; begin with"
        )
        msg += " pycopi.start(network, settings, seed, parameters=state.parameters)"
        raise ValueError(msg)


def check_settings(settings: Settings) -> None:
    """Check that settings are what they should be."""
    if not isinstance(settings, Settings):
        msg = f"settings are a {type(settings).__name__}; expected a pycopi.Settings"
        raise TypeError(msg)


def check_state(state: State) -> None:
    """Check that what optimizer and credit keep is of the library and on the device of the parameters."""
    if state.optimizer == () == state.credit:
        return
    like = first_array(state.parameters)
    for place, array in state._replace(parameters=()).named().items():
        common_namespace(parameters=like, **{place: array})
