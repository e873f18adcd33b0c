"""A run over the data, epoch by epoch."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, copy_array, namespace, number
from pycopi._buffers import Buffers, reuse
from pycopi._checks import as_float
from pycopi._control import jit
from pycopi._trees import first_array
from pycopi.analysis import correlation_floor, off_diagonal_correlation
from pycopi.rules.decorrelation import for_layer
from pycopi.settings import Rates, Settings
from pycopi.state import EpochRecord, State
from pycopi.training.batches import Batches, Probe
from pycopi.training.course import Course
from pycopi.training.divergence import DivergenceError
from pycopi.training.evaluate import evaluate_batches
from pycopi.training.frozen import View, decorrelate_data
from pycopi.training.guard import Guard, Watch
from pycopi.training.progress import Report, Reporter
from pycopi.training.recorded import TakeStep, steps_on
from pycopi.training.schedules import Factor
from pycopi.training.steps import block_size, in_blocks, step_through

_PAUSE = 0.1  # seconds between two reports
PROBED = 4096
"""Samples, spread over the data, on which the correlation left is measured after each epoch."""


class Schedules(NamedTuple):
    """Factors of the two step sizes by epoch."""

    weights: Callable[[int], Factor]
    decorrelation: Callable[[int], Factor]

    def check(self) -> None:
        """Check that schedules can be asked for a factor, and are for what they are given to."""
        for name, schedule in self._asdict().items():
            if not callable(schedule):
                msg = f"{name}_schedule".replace("weights", "weight")
                msg += f" is a {type(schedule).__name__}; expected a pycopi.Schedule or a function of the epoch"
                raise TypeError(msg)
        if isinstance(self.decorrelation, Course):
            msg = "decorrelation_schedule is a Course, which is for weight_schedule; expected a pycopi.Schedule"
            raise ValueError(msg)

    def rates(self, epoch: int, settings: Settings) -> Rates:
        """Return the step sizes of an epoch, counted from 0."""
        weights, decorrelation = settings.rates[:2]
        factor = self.weights(epoch)
        if isinstance(factor, tuple):
            msg = "weight_schedule returned a tuple; expected a number, for all layers learn at one rate"
            raise ValueError(msg)
        return Rates(
            _rate("weight_schedule", factor, weights),
            _rate("decorrelation_schedule", self.decorrelation(epoch), decorrelation),
        )

    def within(self, rates: Rates, epoch: int, step: int, count: int, steps: int | None) -> tuple[Rates, ...]:
        """Return the step sizes of so many steps of an epoch: of each by itself, or those that all have."""
        if not isinstance(self.weights, Course) or rates.weights is None:
            return (rates,)
        if steps is None:
            msg = (
                "weight_schedule is a Course, but the number of batches is unknown; give data that has a length"
            )
            raise ValueError(msg)
        factors = (self.weights.within(epoch, one, steps) for one in range(step, step + count))
        return tuple(rates._replace(weights=rates.weights * factor) for factor in factors)


def _rate(schedule: str, factor: Any, rate: Any) -> Any:
    """Return the step size of an epoch, None for no step; a tuple where the factor or the rate is one."""
    if isinstance(factor, tuple) or isinstance(rate, tuple):
        layers = range(max(len(both) if isinstance(both, tuple) else 1 for both in (factor, rate)))
        pairs = [(for_layer(factor, layer), for_layer(rate, layer)) for layer in layers]
        return tuple(_rate(schedule, one, other) for one, other in pairs) or None
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

    def states(self, state: State) -> Iterator[State]:
        """Yield the state after each epoch that is left of a run; its arrays are nobody else's."""
        live, view = State(*state[:3]).map(copy_array), View(self.batches)  # overwritten from here on
        take_step = steps_on(first_array(live))
        full = max([self.probe.batch_size, *(record.batch_size for record in state.history[-1:])])
        for epoch in range(len(state.history), self.epochs):
            rates = self.schedules.rates(epoch, self.settings)
            view, live, state = self._epoch(epoch, view, live, state, rates, full, take_step)
            full = state.history[-1].batch_size
            yield state

    def _view(self, last: View, live: State, rates: Rates) -> View:
        """Return how an epoch of these rates sees the data; ``last`` is how the epoch before did."""
        if not self.keep_decorrelated or rates.for_layer(0).decorrelation is not None:
            return View(self.batches)
        return last if last.front is not None else decorrelate_data(self.batches, live.parameters)

    def _epoch(
        self, epoch: int, view: View, live: State, state: State, rates: Rates, full: int, take_step: TakeStep
    ) -> tuple[View, State, State]:
        """Return the view of the data, the state that may be overwritten, and the one to keep after an epoch.

        ``full`` is the number of samples in a full batch.
        """
        began = time.perf_counter()
        view = self._view(view, live, rates)
        watch = Watch(self.guard, view, self.settings, rates, state)
        front = live.parameters[0]
        inner = live._replace(parameters=view.inner(live.parameters))
        live, means, full = self._train(epoch, view, inner, watch, full, take_step)
        live = live._replace(parameters=view.outer(live.parameters, front))
        seconds = time.perf_counter() - began
        evaluation = None
        if self.validation is not None:
            evaluation = evaluate_batches(self.validation, watch.good.parameters, self.settings.method.loss)
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
        step, history = state.step + means.step, (*state.history, record)
        return view, live, watch.good._replace(step=step, history=history)

    @np.errstate(over="ignore", invalid="ignore")  # the guard looks for what does not stay finite
    def _train(
        self, epoch: int, view: View, live: State, watch: Watch, full: int, take_step: TakeStep
    ) -> tuple[State, Report, int]:
        """Return the live state after an epoch, the means over it, and the size of a full batch.

        R learns in the first step of a run and in every so-many-th after it, whichever epoch that is in.
        """
        network, told, rates = view.batches.network, 0.0, watch.rates
        like = first_array(live)
        take_steps = jit(step_through, like, static=("network", "settings"), donate="state")
        everys = [how.every for how in self.settings.decorrelations]
        buffers = Buffers()
        loss: Array = 0.0
        right: Array = 0.0
        samples = index = looked = 0
        batch: Any = None
        size = block_size(like, self.guard.every, max(everys))
        for block in in_blocks(view.batches.epoch(epoch), size):
            batch = block[-1]
            count = batch[0].shape[0]
            full = max(full, count)
            due = _due(rates._replace(share=count / full), watch.state.step + index, everys)
            own = self.schedules.within(due, epoch, index, len(block), self.batches.length)
            index += len(block)
            if len(block) > 1:
                live, metrics = take_steps(network, live, block, self.settings, own)
            else:
                with reuse(buffers):
                    live, metrics = take_step(network, live, *batch, self.settings, own[0])
            block_loss, block_right = (_total(values) for values in metrics)
            loss, right = loss + count * block_loss, right + count * block_right
            samples += count * len(block)
            if watch.first_loss is None:
                watch.first_loss = number(metrics.loss if len(block) == 1 else metrics.loss[0])
            if index % self.guard.every == 0:
                watch.look(live, batch, epoch + 1, index)
                looked = index
            now = time.monotonic()
            if self.reporter is not None and now - told >= _PAUSE and index != self.batches.length:
                told = now
                self.reporter(self._report(epoch, index, self.batches.length, loss, right, samples, rates))
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
        left = []
        records = self.batches.network.records(watch.good.parameters, self.probe.inputs)
        for layer, x in enumerate((record.decorrelated for record in records), 1):
            if not bool(namespace(x).all(namespace(x).isfinite(x))):
                what, state = "its inputs are no longer finite", watch.state
                raise DivergenceError(what, layer, state.parameters, epoch=epoch + 1, step=step, state=state)
            left.append(off_diagonal_correlation(x))
        return tuple(left)


def _due(rates: Rates, step: int, everys: list[int]) -> Rates:
    """Return the rates of a step, without that of matrices that learn every so many steps and not in this."""
    waits = [step % every != 0 for every in everys]
    if not any(waits):
        return rates
    if all(waits):
        return rates._replace(decorrelation=None)
    layers = range(max(len(waits), len(rates.decorrelation) if isinstance(rates.decorrelation, tuple) else 1))
    left = (None if for_layer(tuple(waits), one) else for_layer(rates.decorrelation, one) for one in layers)
    return rates._replace(decorrelation=tuple(left))


def _total(values: Array) -> Array:
    return namespace(values).sum(values) if values.ndim else values


def _largest(rate: Any) -> float:
    """Return the largest step size of any layer; 0 stands for none."""
    rates = rate if isinstance(rate, tuple) else (rate,)
    return max(one or 0.0 for one in rates)
