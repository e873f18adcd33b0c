"""A run over the data, epoch by epoch."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, is_cupy, jit, namespace, number
from pycopi._checks import as_float
from pycopi.analysis import correlation_floor, off_diagonal_correlation
from pycopi.kernels.buffers import Buffers, reuse
from pycopi.network import Parameters
from pycopi.settings import Rates, Settings
from pycopi.training.batches import Batches, Probe
from pycopi.training.divergence import DivergenceError
from pycopi.training.evaluate import evaluate_batches
from pycopi.training.frozen import View, decorrelate_data
from pycopi.training.graph import GraphSteps
from pycopi.training.guard import Guard, Watch
from pycopi.training.history import EpochRecord, TrainingState, copy_parameters
from pycopi.training.progress import Clock, Report, Reporter
from pycopi.training.schedules import Factor
from pycopi.training.step import step
from pycopi.training.steps import block_size, in_blocks, step_through

PROBED = 4096
"""Samples, spread over the data, on which the correlation left is measured after each epoch."""


class Schedules(NamedTuple):
    """Factors of the two step sizes by epoch."""

    weights: Callable[[int], Factor]
    decorrelation: Callable[[int], Factor]

    def rates(self, epoch: int, settings: Settings) -> Rates:
        """Return the step sizes of an epoch, counted from 0."""
        return Rates(
            _rate("weight_schedule", self.weights(epoch), settings.rate),
            _rate("decorrelation_schedule", self.decorrelation(epoch), settings.decorrelation.rate),
        )


def _rate(schedule: str, factor: Any, rate: float) -> Any:
    """Return the step size of an epoch, None for no step; a tuple where the factor is one."""
    if isinstance(factor, tuple):
        return tuple(_rate(schedule, one, rate) for one in factor) or None
    return as_float(f"the factor of {schedule}", factor) * rate or None


class Run(NamedTuple):
    """What stays the same from epoch to epoch."""

    batches: Batches
    probe: Probe
    validation: Batches | None
    settings: Settings
    schedules: Schedules
    epochs: int
    reporter: Reporter | None
    guard: Guard
    keep_decorrelated: bool

    def states(self, state: TrainingState) -> Iterator[TrainingState]:
        """Yield the state after each epoch that is left of a run; its parameters are nobody else's."""
        live, view = copy_parameters(state.parameters), View(self.batches)  # overwritten from here on
        full = max([self.probe.batch_size, *(record.batch_size for record in state.history[-1:])])
        graph_steps = GraphSteps()
        for epoch in range(len(state.history), self.epochs):
            rates = self.schedules.rates(epoch, self.settings)
            view, live, state = self._epoch(epoch, view, live, state, rates, full, graph_steps)
            full = state.history[-1].batch_size
            yield state

    def _view(self, last: View, live: Parameters, rates: Rates) -> View:
        """Return how an epoch of these rates sees the data; ``last`` is how the epoch before did."""
        if not self.keep_decorrelated or rates.for_layer(0).decorrelation is not None:
            return View(self.batches)
        return last if last.front is not None else decorrelate_data(self.batches, live)

    def _epoch(
        self,
        epoch: int,
        view: View,
        live: Parameters,
        state: TrainingState,
        rates: Rates,
        full: int,
        graph_steps: GraphSteps,
    ) -> tuple[View, Parameters, TrainingState]:
        """Return the view of the data, the parameters that may be overwritten, and the state after an epoch.

        ``full`` is the number of samples in a full batch.
        """
        began = time.perf_counter()
        view = self._view(view, live, rates)
        watch = Watch(self.guard, view, self.settings, rates, state)
        front = live[0]
        live, means, full = self._train(epoch, view, view.inner(live), watch, full, graph_steps)
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
            correlation_floor=correlation_floor(self.probe.inputs.shape[0]),
        )
        return view, live, TrainingState(kept, (*state.history, record))

    @np.errstate(over="ignore", invalid="ignore")  # the guard looks for what does not stay finite
    def _train(
        self, epoch: int, view: View, live: Parameters, watch: Watch, full: int, graph_steps: GraphSteps
    ) -> tuple[Parameters, Report, int]:
        """Return the live parameters after an epoch, the means over it, and the size of a full batch.

        R learns in the first step of a run and in every so-many-th after it, whichever epoch that is in.
        """
        network, clock, rates = view.batches.network, Clock(), watch.rates
        like, static = live[0].weight, ("network", "settings")
        take_step: Callable[..., Any] = jit(step, like, static=static, donate="parameters")
        if is_cupy(like):
            take_step = graph_steps
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
        trace = self.batches.network.trace(watch.parameters, self.probe.inputs)
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
