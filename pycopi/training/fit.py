"""Training a network on data: what a run is made of, from the arguments to the last state."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from pycopi._array import device, is_dask, namespace
from pycopi._checks import as_whole, check_finite
from pycopi._trees import first_array, named_arrays
from pycopi.network import Network, Parameters
from pycopi.settings import Settings
from pycopi.state import EpochRecord, State, as_state, check_kept, check_state, start
from pycopi.training.batches import open_batches, open_validation
from pycopi.training.guard import Guard, check_guard
from pycopi.training.history import (
    Callback,
    EarlyStopping,
    TrainingInterrupted,
    attach,
)
from pycopi.training.keeping import Folder, Kept, kept_in
from pycopi.training.progress import Reporter, choose_reporter
from pycopi.training.run import PROBED, Run, Schedules
from pycopi.training.schedules import Factor, Schedule
from pycopi.training.step import check_method


def fit(
    network: Network,
    state: State | Parameters,
    inputs: Any,
    targets: Any = None,
    *,
    epochs: int,
    settings: Settings = Settings(),  # noqa: B008  (frozen)
    batch_size: int = 50,
    seed: int | None = 0,
    validation: Any = None,
    weight_schedule: Callable[[int], Factor] | None = None,
    decorrelation_schedule: Callable[[int], Factor] = Schedule(),  # noqa: B008  (frozen)
    keep_decorrelated: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: bool | Reporter | None = None,
    guard: Guard = Guard(),  # noqa: B008  (frozen)
    checkpoint: Folder | None = None,
) -> State:
    """Return the state of a network after training it on data.

    Parameters
    ----------
    network : Network
        The description.
    state : State, or tuple of DenseParameters
        What to begin with; it is not changed. A state goes on after the epochs in its history exactly as if it
        had not been interrupted; parameters alone begin a new run, as ``start(network, settings,
        parameters=parameters)``. Training runs on their library and device.
    inputs : array, shape (N, n), or iterable of batches
        Samples in the dtype of the parameters: an array of their library, or one in host memory, which is moved
        batch by batch: NumPy, a memory map, Dask, PyTorch or JAX on the CPU. Or, with ``targets=None``, any
        object that can be iterated again and again over pairs (inputs, targets) of such arrays.
    targets : array, shape (N,) or (N, m), or None
        Class numbers (integers), one-hot rows, or real numbers in the dtype of the parameters.
    epochs : int
        Epochs that the run has when it is complete, those in the state's history included.
    settings : Settings
        How to learn.
    batch_size : int
        Samples in a step, where the data are arrays; at most all of them. A smaller batch, such as the last of
        an epoch, moves the parameters by its share: its steps are times b / batch_size. Where the data are an
        iterable, a full batch is the largest so far.
    seed : int or None
        Seed of the shuffling: the order of an epoch depends on ``seed`` and the epoch alone. None keeps
        the samples in their order.
    validation : pair (inputs, targets), iterable of batches, or None
        Data to evaluate on after each epoch.
    weight_schedule, decorrelation_schedule : callable
        Factor of the step size in an epoch, counted from 0. A factor of 0 leaves that part as it is. That of
        decorrelation may be a tuple: one factor for each layer, the last for all layers beyond. By default the
        first epoch decorrelates without changing the weights, as in the paper, where the decorrelating matrices
        are still the identity; a call that is given matrices which have learned trains the weights at once.
    keep_decorrelated : bool
        While the first layer's matrix is frozen, decorrelate the data once instead of in each step, which
        takes as much memory as ``inputs`` once more; for arrays in memory.
    callbacks : sequence of callable
        Each is called with the `State` after every epoch, whose parameters it may keep; if one
        returns True, the run ends. `pycopi.early_stopping` makes one that keeps the best parameters.
    progress : bool, callable or None
        None shows a line on the standard error stream if that is a terminal or a notebook's; True always, in
        a file a line an epoch; False never. A callable gets a `Report` about ten times a second.
    guard : Guard
        When to look for divergence; ``Guard(every=10**9)`` looks at the end of each epoch alone.
    checkpoint : path, Checkpoint or None
        Folder that keeps the run: it is written after each epoch, and a call that finds it there goes on after
        the last complete epoch, as if the run had not been interrupted. No other process may work in it
        meanwhile. The same call can thus be made again and again until the run is complete.

    Returns
    -------
    State
        The parameters, what else the run needs to go on, and a record of every epoch.

    Raises
    ------
    TypeError, ValueError
        If data, parameters and settings do not fit together, a value is NaN or infinite, or a class number
        is out of range; nothing has been changed then.
        A checkpoint of another network or of other data is refused too.
    BlockingIOError
        If another run is at work in the checkpoint's folder.
    DivergenceError
        If parameters or loss are no longer finite; the last good parameters are attached.
    TrainingInterrupted
        On Ctrl-C; a KeyboardInterrupt that carries the state after the last complete epoch.
    Exception
        Whatever the source of data or a callback raises, with the attribute ``state``: the `State`
        after the last complete epoch.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> network = pycopi.mlp([2, 8, 2])
    >>> x, y = np.eye(2, dtype=np.float32), np.array([0, 1])
    >>> settings = pycopi.Settings(gain=100.0)
    >>> state = pycopi.fit(network, network.init(seed=0), x, y, epochs=50, settings=settings)
    >>> state.history[-1].accuracy
    1.0
    """
    epochs = as_whole("epochs", epochs, least=0)
    if not isinstance(state, State):
        state = start(network, settings, parameters=state)
    elif checkpoint is not None and state.history:
        msg = "the state has a history, and there is a checkpoint, which keeps the history itself; begin with"
        msg += " a new state, or leave checkpoint out"
        raise ValueError(msg)
    kept = Kept(state, tuple(callbacks), False)
    with ExitStack() as stack:
        if checkpoint is not None:
            kept = stack.enter_context(kept_in(checkpoint, network, kept, (inputs, targets)))
        run, state = _opened(
            network,
            kept.state,
            inputs,
            targets,
            epochs=len(kept.state.history) if kept.ended else epochs,
            settings=settings,
            batch_size=batch_size,
            seed=seed,
            validation=validation,
            weight_schedule=weight_schedule,
            decorrelation_schedule=decorrelation_schedule,
            keep_decorrelated=keep_decorrelated,
            reporter=choose_reporter(progress),
            guard=guard,
        )
        for last in _states(run, state, kept.callbacks):
            state = last
        for callback in kept.callbacks:
            state = callback.end(state) if isinstance(callback, EarlyStopping) else state
        return state


_DRIVEN = ("callbacks", "progress", "checkpoint")  # what a loop of your own does itself


def epochs(
    network: Network,
    state: State | Parameters,
    inputs: Any,
    targets: Any = None,
    *,
    epochs: int,
    settings: Settings = Settings(),  # noqa: B008  (frozen)
    **how: Any,
) -> Iterator[State]:
    """Return an iterator over the states of a network after each epoch of training.

    Between two epochs the loop is yours: look at the state, save it, or end the run by leaving the loop. The
    last state is what `fit` returns.

    Parameters
    ----------
    network : Network
        The description.
    state : State, or tuple of DenseParameters
        What to begin with, as in `fit`.
    inputs : array, shape (N, n), or iterable of batches
        Samples, as in `fit`.
    targets : array, shape (N,) or (N, m), or None
        Class numbers, one-hot rows or real numbers.
    epochs : int
        Epochs that the run has when it is complete.
    settings : Settings
        How to learn.
    **how : Any
        Any other keyword of `fit` but ``callbacks``, ``progress`` and ``checkpoint``.

    Returns
    -------
    iterator of State
        The state after each epoch, with its record in the history. You may keep it, and go on with it later.

    Raises
    ------
    Exception
        As `fit` does: bad arguments at once, and what ends a run with the state after the last complete epoch.

    Examples
    --------
    >>> import pycopi
    >>> digits = pycopi.data.load_dataset("digits")
    >>> network, settings = pycopi.mlp([64, 32, 10]), pycopi.Settings(gain=10.0)
    >>> data = digits.x_train, digits.y_train
    >>> for state in pycopi.epochs(network, network.init(0), *data, epochs=100, settings=settings):
    ...     if state.history[-1].accuracy > 0.9:
    ...         break
    >>> len(state.history) < 100
    True
    """
    usual = {name: value for name, value in (fit.__kwdefaults__ or {}).items() if name not in _DRIVEN}
    if unknown := sorted(how.keys() - usual.keys()):
        msg = f"epochs has no {', '.join(unknown)}; expected {', '.join(sorted(usual))}"
        raise TypeError(msg)
    count = as_whole("epochs", epochs, least=0)
    if not isinstance(state, State):
        state = start(network, settings, parameters=state)
    how = {**usual, **how, "settings": settings, "epochs": count, "reporter": None}
    return _states(*_opened(network, state, inputs, targets, **how), ())


def _opened(
    network: Network,
    state: State,
    inputs: Any,
    targets: Any,
    *,
    settings: Settings,
    batch_size: int,
    seed: int | None,
    validation: Any,
    weight_schedule: Callable[[int], Factor] | None,
    decorrelation_schedule: Callable[[int], Factor],
    keep_decorrelated: bool,
    **how: Any,
) -> tuple[Run, State]:
    """Return a run whose arguments have been checked, and the state that it begins with."""
    check_guard(how["guard"])
    network.check_parameters(state.parameters)
    state = as_state(network, state, settings)
    _check_state(network, state, settings)
    opened = open_batches(network, state.parameters, inputs, targets, batch_size=batch_size, seed=seed)
    if weight_schedule is None:
        weight_schedule = Schedule(start=int(_begins_correlated(state.parameters, settings)))
    schedules = Schedules(weight_schedule, decorrelation_schedule)
    schedules.check()
    run = Run(
        batches=opened,
        probe=opened.probe(PROBED),
        validation=None if validation is None else open_validation(network, state.parameters, validation),
        settings=settings,
        schedules=schedules,
        keep_decorrelated=bool(keep_decorrelated),
        **how,
    )
    return run, state


def _states(run: Run, state: State, callbacks: Sequence[Callback]) -> Iterator[State]:
    """Yield the state after each epoch, which callbacks saw; what ends a run before carries the last one."""
    try:
        for after in run.states(state):
            state = after
            answers = [callback(state) for callback in callbacks]
            stop = any(isinstance(answer, (bool, np.bool_)) and bool(answer) for answer in answers)
            yield state
            if stop:
                break
    except KeyboardInterrupt:
        raise TrainingInterrupted(state) from None
    except Exception as error:
        attach(error, state)
        raise


def _check_state(network: Network, state: State, settings: Settings) -> None:
    for record in state.history:
        if not isinstance(record, EpochRecord):
            msg = f"the history of the state holds a {type(record).__name__}; expected a pycopi.EpochRecord"
            msg += ", which pycopi.EpochRecord.from_json(record) makes of a saved one"
            raise TypeError(msg)
    check_state(state)
    check_method(network, state, settings)
    if is_dask(first_array(state.parameters)):
        msg = "parameters are Dask arrays, on which a run would only pile up tasks"
        msg += "; give Dask arrays as inputs, and parameters of NumPy or another library"
        raise TypeError(msg)
    check_kept(network, state, settings)
    for index, own in enumerate(state.parameters, 1):
        check_finite(**{f"{name} of layer {index}": array for name, array in named_arrays(own).items()})
    check_finite(**state._replace(parameters=()).named())


def _begins_correlated(parameters: Parameters, settings: Settings) -> bool:
    """Return whether R has learned nothing yet, in any layer that has one, and is going to."""
    if all(how.rate == 0.0 for how in settings.decorrelations):
        return False
    matrices = [own.decorrelator for own in parameters if getattr(own, "decorrelator", None) is not None]
    identities = (
        namespace(matrix).eye(matrix.shape[0], dtype=matrix.dtype, device=device(matrix)) for matrix in matrices
    )
    pairs = zip(matrices, identities, strict=True)
    return bool(matrices) and all(bool(namespace(m).all(m == identity)) for m, identity in pairs)
