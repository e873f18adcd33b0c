"""Recorded steps do what steps do, whatever changes between two of them; a GPU is stood in for on the host."""

import contextlib

import numpy as np
import pytest

import pycopi
from pycopi._array import eigh, number, to_numpy
from pycopi._control import recording
from pycopi._recording import Recording
from pycopi._trees import named_arrays
from pycopi.settings import Rates
from pycopi.state import State
from pycopi.training import recorded
from pycopi.training.step import step

SIZES = (12, 10, 9, 5)
FEW = pycopi.SubspaceDecorrelation(rank=4, refresh=40, fraction=0.5)
METHODS = {
    "copi": (pycopi.mlp(SIZES, bias=True), pycopi.Settings(), Rates(1e-2, 1e-3)),
    "layers": (pycopi.mlp(SIZES), pycopi.Settings(), Rates(1e-2, (1e-3, None))),
    "adam": (
        pycopi.mlp(SIZES, decorrelated=False),
        pycopi.Settings(rule="adam", gain=1.0, loss="cross_entropy"),
        Rates(1e-3),
    ),
    "few directions": (
        pycopi.mlp(SIZES, bias=True, decorrelated=False),
        pycopi.Settings(
            rule="gradient",
            gain=1.0,
            loss="cross_entropy",
            optimizer=pycopi.Decorrelated(inputs=FEW, perturbations=FEW, momentum=0.5, step_bound=0.05),
        ),
        Rates(1e-1),
    ),
}


class Device:
    """A stand-in for a GPU: a recording changes no array, and a launch runs what was recorded."""

    def __init__(self, state):
        self.arrays = list(named_arrays(state[:3]).values())
        self.recorded = self.launched = 0

    def record(self, function, like):
        kept = [array.copy() for array in self.arrays]
        with recording():
            metrics, due = function()
        result = type(metrics)(*whole(metrics)), None if due is None else np.asarray(due)
        for array, values in zip(self.arrays, kept, strict=True):
            array[...] = values
        self.recorded += 1

        def launch():
            with recording():
                again = function()
            for array, values in zip(flat(result), flat(again), strict=True):
                array[...] = values
            self.launched += 1

        return Recording(None, launch, result)


def flat(result):
    metrics, due = result
    return [*metrics, *([] if due is None else [due])]


def whole(values):
    """Return numbers as arrays, which can be written to as those of a device can."""
    return [np.asarray(value) for value in values]


def batches(count, samples=16):
    generator = np.random.default_rng(3)
    for index in range(count):
        rows = samples if index % 7 else samples - 5
        yield generator.normal(size=(rows, SIZES[0])), generator.integers(SIZES[-1], size=rows)


@pytest.fixture
def begin(monkeypatch):
    """Return what makes a device, its steps, and two equal states."""

    def begin(network, settings):
        like = np.empty(0)
        first, second = (State(*pycopi.start(network, settings, like=like)[:3]) for _ in range(2))
        device = Device(second)
        monkeypatch.setattr(recorded, "record", device.record)
        return device, recorded.RecordedSteps(), first, second

    return begin


@pytest.mark.parametrize("name", METHODS)
def test_recorded_steps_are_the_same(name, begin):
    network, settings, rates = METHODS[name]
    device, take, wanted, state = begin(network, settings)
    for index, batch in enumerate(batches(30)):
        now = rates._replace(weights=rates.weights * (1 + index % 3), share=len(batch[1]) / 16)
        if name == "copi" and index % 5 == 0:
            now = now._replace(decorrelation=None)
        wanted, expected = step(network, wanted, *batch, settings, now)
        state, metrics = take(network, state, *batch, settings, now)
        np.testing.assert_allclose(whole(metrics), whole(expected), rtol=1e-9)
    for label, array in state.named().items():
        np.testing.assert_allclose(array, wanted.named()[label], rtol=1e-7, atol=1e-12, err_msg=label)
    kinds = 4 if name == "copi" else 2  # of which one comes once only
    assert (device.recorded, device.launched) == (min(kinds, 3), 30 - kinds)


@pytest.mark.parametrize("side", ["inputs", "perturbations"])
def test_directions_are_refreshed_between_steps_recorded_or_not(begin, side):
    network, settings, rates = METHODS["few directions"]
    _, recorded_step, other, state = begin(network, settings)
    for take, learned in ((recorded_step, state), (step, other)):
        changed = []
        for batch in batches(30):
            before = learned.optimizer[1]["weight"][side]["vectors"].copy()
            learned, _ = take(network, learned, *batch, settings, rates)
            changed.append(bool(np.any(before != learned.optimizer[1]["weight"][side]["vectors"])))
        assert 4 <= sum(changed[2:]) <= 10


def test_what_cannot_be_recorded_is_taken_as_it_comes(begin, monkeypatch):
    network, settings, rates = METHODS["copi"]
    _, take, wanted, state = begin(network, settings)
    asked = []

    def refuse(function, like):
        asked.append(like)
        msg = "operation not permitted when stream is capturing"
        raise RuntimeError(msg)

    monkeypatch.setattr(recorded, "record", refuse)
    for batch in batches(10):
        wanted, _ = step(network, wanted, *batch, settings, rates)
        state, _ = take(network, state, *batch, settings, rates)
    assert len(asked) == 1
    for label, array in state.named().items():
        np.testing.assert_array_equal(array, wanted.named()[label])


@pytest.mark.parametrize("error", [MemoryError, TypeError])
def test_whatever_a_recording_raises_the_run_goes_on(begin, monkeypatch, error):
    network, settings, rates = METHODS["adam"]
    _, take, wanted, state = begin(network, settings)

    def refuse(function, like):
        raise error

    monkeypatch.setattr(recorded, "record", refuse)
    for batch in batches(5):
        wanted, _ = step(network, wanted, *batch, settings, rates)
        state, _ = take(network, state, *batch, settings, rates)
    np.testing.assert_allclose(state.parameters[0].weight, wanted.parameters[0].weight, rtol=1e-12)


def test_nothing_is_read_while_a_step_is_recorded():
    with recording():
        for read in (number, to_numpy, lambda array: eigh(array[None, None])):
            with pytest.raises(RuntimeError, match="cannot be read while a step is recorded"):
                read(np.asarray(1.0))


def test_rates_for_all_layers_beyond_are_no_rates_for_none(begin):
    network, settings, _ = METHODS["layers"]
    _, take, wanted, state = begin(network, settings)
    for index, batch in enumerate(batches(12)):
        rates = Rates(1e-2, (1e-3,) if index < 6 else (1e-3, None))
        wanted, _ = step(network, wanted, *batch, settings, rates)
        state, _ = take(network, state, *batch, settings, rates)
    for label, array in state.named().items():
        np.testing.assert_allclose(array, wanted.named()[label], rtol=1e-9, err_msg=label)


def test_arrays_that_change_places_are_not_overwritten_before_they_are_read():
    first, second = np.asarray([1.0]), np.asarray([2.0])
    assert recorded._written({"now": first, "before": second}, {"now": second, "before": first})
    assert (first[0], second[0]) == (2.0, 1.0)
    assert not recorded._written({"now": first}, {"now": first, "more": second})


def test_a_run_that_goes_on_later_is_the_same_to_the_bit(begin, monkeypatch):
    network, settings, rates = METHODS["few directions"]
    like = np.empty(0, np.float32)
    states = []
    for again in (30, 12):
        state = State(*pycopi.start(network, settings, like=like)[:3])
        for index, (x, y) in enumerate(batches(30)):
            if index % again == 0:
                take = recorded.RecordedSteps()
                monkeypatch.setattr(recorded, "record", Device(state).record)
            state, _ = take(network, state, x.astype(np.float32), y, settings, rates)
        states.append(state)
    for label, array in states[0].named().items():
        np.testing.assert_array_equal(array, states[1].named()[label], err_msg=label)


def test_a_rate_goes_to_any_device():
    torch = pytest.importorskip("torch")
    found = recorded._as_array(0.5, torch.empty(2, device="meta", dtype=torch.bfloat16))
    assert (found.shape, found.dtype, found.device.type) == ((), torch.float32, "meta")


def test_a_recording_is_of_its_arrays(begin):
    network, settings, rates = METHODS["copi"]
    device, take, _, state = begin(network, settings)
    batch = next(batches(1))
    for _ in range(3):
        state, _ = take(network, state, *batch, settings, rates)
    other = state.map(np.copy)
    moved, _ = take(network, other, *batch, settings, rates)
    assert device.launched == 2
    assert moved.parameters[0].weight is other.parameters[0].weight


def test_only_arrays_on_a_gpu_are_recorded():
    assert recorded.steps_on(np.empty(0)) is step
    with contextlib.suppress(ImportError):
        import torch

        assert recorded.steps_on(torch.empty(0)) is step
