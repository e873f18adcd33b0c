"""The epoch loop."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, device, is_cupy, is_dask, jit, namespace, number
from pycopi._checks import as_float, as_whole, check_finite
from pycopi.analysis import correlation_floor, off_diagonal_correlation
from pycopi.kernels.buffers import Buffers, reuse
from pycopi.network import Network, Parameters
from pycopi.settings import Rates, Settings
from pycopi.training.batches import Batches, open_batches
from pycopi.training.divergence import DivergenceError
from pycopi.training.evaluate import evaluate_batches
from pycopi.training.frozen import View, decorrelate_data
from pycopi.training.graph import GraphSteps
from pycopi.training.guard import Guard, Watch
from pycopi.training.history import (
    Callback,
    EarlyStopping,
    EpochRecord,
    TrainingInterrupted,
    TrainingState,
    as_record,
    attach,
    copy_parameters,
)
from pycopi.training.progress import Clock, Report, Reporter, choose_reporter
from pycopi.training.schedules import Factor, Schedule
from pycopi.training.step import check_method, step
from pycopi.training.steps import block_size, in_blocks, step_through

_PROBED = 4096  # samples, spread over the data, on which the correlation left is measured after each epoch


def fit(
    network: Network,
    parameters: Parameters,
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
    history: Sequence[EpochRecord | Mapping[str, Any]] = (),
    guard: Guard = Guard(),  # noqa: B008  (frozen)
) -> TrainingState:
    """Return the state of a network after training it on data.

    Parameters
    ----------
    network : Network
        The description.
    parameters : tuple of DenseParameters
        Parameters to begin with; they are not changed. Training runs on their library and device.
    inputs : array, shape (N, n), or iterable of batches
        Samples in the dtype of the parameters: an array of their library, a NumPy array or memory map, or
        a Dask array (the last two are moved batch by batch). Or, with ``targets=None``, any object that
        can be iterated again and again over pairs (inputs, targets) of such arrays.
    targets : array, shape (N,) or (N, m), or None
        Class numbers (integers), one-hot rows, or real numbers in the dtype of the parameters.
    epochs : int
        Epochs that the run has when it is complete, those in ``history`` included.
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
        Each is called with the `TrainingState` after every epoch, whose parameters it may keep; if one
        returns True, the run ends. `pycopi.early_stopping` makes one that keeps the best parameters.
    progress : bool, callable or None
        None shows a line on the standard error stream if that is a terminal or a notebook's; True always, in
        a file a line an epoch; False never. A callable gets a `Report` about ten times a second.
    history : sequence of EpochRecord, or of what JSON made of them
        Records of the epochs that made ``parameters``: the run goes on after them exactly as if it had not
        been interrupted.
    guard : Guard
        When to look for divergence.

    Returns
    -------
    TrainingState
        The parameters, and a record of every epoch.

    Raises
    ------
    TypeError, ValueError
        If data, parameters and settings do not fit together, a value is NaN or infinite, or a class number
        is out of range; nothing has been changed then.
    DivergenceError
        If parameters or loss are no longer finite; the last good parameters are attached.
    TrainingInterrupted
        On Ctrl-C; a KeyboardInterrupt that carries the state after the last complete epoch.
    Exception
        Whatever the source of data or a callback raises, with the attribute ``state``: the `TrainingState`
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
    network.check_parameters(parameters)
    check_method(network, parameters, settings)
    if is_dask(parameters[0].weight):
        msg = "parameters are Dask arrays, on which a run would only pile up tasks"
        msg += "; give Dask arrays as inputs, and parameters of NumPy or another library"
        raise TypeError(msg)
    for index, own in enumerate(parameters, 1):
        check_finite(**own.named(f" of layer {index}"))
    opened = open_batches(network, parameters, inputs, targets, batch_size=batch_size, seed=seed)
    checked = None
    if validation is not None:
        pair = validation if isinstance(validation, tuple) and len(validation) == 2 else (validation, None)
        checked = open_batches(network, parameters, *pair, batch_size=1024, seed=None)
    records = tuple(map(as_record, history))
    if weight_schedule is None:
        weight_schedule = Schedule(start=int(_begins_correlated(parameters, settings)))
    probe = opened.probe(_PROBED)
    run = _Run(
        opened,
        probe.inputs,
        checked,
        settings,
        epochs,
        choose_reporter(progress),
        guard,
        bool(keep_decorrelated),
        GraphSteps(),
    )
    state = TrainingState(parameters, records)
    full = max([probe.batch_size, *(record.batch_size for record in records[-1:])])
    live, view = copy_parameters(parameters), View(opened)  # the parameters are overwritten from here on
    try:
        for epoch in range(len(records), epochs):
            rates = Rates(
                _rate("weight_schedule", weight_schedule(epoch), settings.rate),
                _rate("decorrelation_schedule", decorrelation_schedule(epoch), settings.decorrelation.rate),
            )
            view, live, state = run.epoch(epoch, view, live, state, rates, full)
            full = state.history[-1].batch_size
            if any([callback(state) is True for callback in callbacks]):
                break
    except KeyboardInterrupt:
        raise TrainingInterrupted(state) from None
    except Exception as error:
        attach(error, state)
        raise
    for callback in callbacks:
        state = callback.end(state) if isinstance(callback, EarlyStopping) else state
    return state


def _begins_correlated(parameters: Parameters, settings: Settings) -> bool:
    """Return whether R has learned nothing yet, in any layer that has one, and is going to."""
    if settings.decorrelation.rate == 0.0:
        return False
    matrices = [own.decorrelator for own in parameters if own.decorrelator is not None]
    identities = (
        namespace(matrix).eye(matrix.shape[0], dtype=matrix.dtype, device=device(matrix)) for matrix in matrices
    )
    pairs = zip(matrices, identities, strict=True)
    return bool(matrices) and all(bool(namespace(m).all(m == identity)) for m, identity in pairs)


def _rate(schedule: str, factor: Any, rate: float) -> Any:
    """Return the step size of an epoch, None for no step; a tuple where the factor is one."""
    if isinstance(factor, tuple):
        return tuple(_rate(schedule, one, rate) for one in factor) or None
    return as_float(f"the factor of {schedule}", factor) * rate or None


class _Run(NamedTuple):
    """What stays the same from epoch to epoch."""

    batches: Batches
    probe: Array
    validation: Batches | None
    settings: Settings
    epochs: int
    reporter: Reporter | None
    guard: Guard
    keep_decorrelated: bool
    graph_steps: GraphSteps

    def _view(self, last: View, live: Parameters, rates: Rates) -> View:
        """Return how an epoch of these rates sees the data; ``last`` is how the epoch before did."""
        if not self.keep_decorrelated or rates.for_layer(0).decorrelation is not None:
            return View(self.batches)
        return last if last.front is not None else decorrelate_data(self.batches, live)

    def epoch(
        self, epoch: int, view: View, live: Parameters, state: TrainingState, rates: Rates, full: int
    ) -> tuple[View, Parameters, TrainingState]:
        """Return the view of the data, the parameters that may be overwritten, and the state after an epoch.

        ``full`` is the number of samples in a full batch.
        """
        began = time.perf_counter()
        view = self._view(view, live, rates)
        watch = Watch(self.guard, view, self.settings, rates, state)
        front = live[0]
        live, means, full = self._train(epoch, view, view.inner(live), watch, full)
        live = view.outer(live, front)
        seconds = time.perf_counter() - began
        kept = watch.parameters
        evaluation = None
        if self.validation is not None:
            evaluation = evaluate_batches(self.validation, kept, self.settings.loss)
        record = EpochRecord(
            epoch=epoch + 1,
            loss=means.loss,
            accuracy=means.accuracy,
            validation_loss=None if evaluation is None else evaluation.loss,
            validation_accuracy=None if evaluation is None else evaluation.accuracy,
            correlation=self._correlations(watch, epoch, means.step),
            weight_rate=rates.weights or 0.0,
            decorrelation_rate=_largest(rates.decorrelation),
            steps=means.step,
            seconds=seconds,
            batch_size=full,
            correlation_floor=correlation_floor(self.probe.shape[0]),
        )
        return view, live, TrainingState(kept, (*state.history, record))

    @np.errstate(over="ignore", invalid="ignore")  # the guard looks for what does not stay finite
    def _train(
        self, epoch: int, view: View, live: Parameters, watch: Watch, full: int
    ) -> tuple[Parameters, Report, int]:
        """Return the live parameters after an epoch, the means over it, and the size of a full batch.

        R learns in the first step of a run and in every so-many-th after it, whichever epoch that is in.
        """
        network, clock, rates = view.batches.network, Clock(), watch.rates
        like, static = live[0].weight, ("network", "settings")
        take_step: Callable[..., Any] = jit(step, like, static=static, donate="parameters")
        if is_cupy(like):
            take_step = self.graph_steps
        take_steps = jit(step_through, like, static=static, donate="parameters")
        every = self.settings.decorrelation.every
        before = sum(record.steps for record in watch.state.history)
        buffers = Buffers()
        loss: Array = 0.0
        right: Array = 0.0
        samples = index = looked = 0
        batch: Any = None
        size = block_size(like, self.guard.every, every)
        for block in in_blocks(view.batches.epoch(epoch), size):
            batch = block[-1]
            count = batch[0].shape[0]
            full = max(full, count)
            due = rates._replace(share=count / full)
            if (before + index) % every:
                due = due._replace(decorrelation=None)
            index += len(block)
            if len(block) > 1:
                live, metrics = take_steps(network, live, block, self.settings, due)
            else:
                with reuse(buffers):
                    live, metrics = take_step(network, live, *batch, self.settings, due)
            block_loss, block_right = (_total(values) for values in metrics)
            loss, right = loss + count * block_loss, right + count * block_right
            samples += count * len(block)
            if watch.first_loss is None:
                watch.first_loss = number(metrics.loss if len(block) == 1 else metrics.loss[0])
            if index % self.guard.every == 0:
                watch.look(live, batch, epoch + 1, index)
                looked = index
            if self.reporter is not None and clock.due() and index != self.batches.steps:
                self.reporter(self._report(epoch, index, self.batches.steps, loss, right, samples, rates))
        if looked != index:
            watch.look(live, batch, epoch + 1, index)
        means = self._report(epoch, index, index, loss, right, samples, rates)
        if self.reporter is not None:
            self.reporter(means)
        return live, means, full

    def _report(
        self, epoch: int, step: int, steps: int | None, loss: Array, right: Array, samples: int, rates: Rates
    ) -> Report:
        share = min(1.0, number(right) / samples) if self.batches.classes else None
        waiting = rates.weights is None and _largest(rates.decorrelation) > 0
        return Report(epoch + 1, self.epochs, step, steps, number(loss) / samples, share, waiting)

    @np.errstate(over="ignore", invalid="ignore")
    def _correlations(self, watch: Watch, epoch: int, step: int) -> tuple[float, ...]:
        """Return the correlation left at each layer; inputs that overflow there are a divergence too."""
        trace = self.batches.network.trace(watch.parameters, self.probe)
        for layer, x in enumerate(trace.decorrelated, 1):
            if not bool(namespace(x).all(namespace(x).isfinite(x))):
                what, state = "its inputs are no longer finite", watch.state
                raise DivergenceError(what, layer, state.parameters, epoch=epoch + 1, step=step, state=state)
        return tuple(off_diagonal_correlation(x) for x in trace.decorrelated)


def _total(values: Array) -> Array:
    """Return the sum over the steps of a block; a single step's value itself."""
    return namespace(values).sum(values) if values.ndim else values


def _largest(rate: Any) -> float:
    """Return the largest step size of any layer; 0 stands for none."""
    rates = rate if isinstance(rate, tuple) else (rate,)
    return max(one or 0.0 for one in rates)
