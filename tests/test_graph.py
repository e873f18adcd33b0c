"""Training steps as CUDA graphs, without a GPU: the plan is tested as it is, the rest on a stand-in.

The stand-in for a device records a function by noting it, undoing what it did to the arrays, and calling it at
each launch, as a graph would do. Not run on a GPU.
"""

import contextlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from assertions import exactly
from hypothesis import given
from hypothesis import strategies as st

import pycopi
from pycopi import _cuda_graph as cuda_graph
from pycopi.kernels import cupy as engine
from pycopi.training import run as run_module
from pycopi.training.graph import GraphSteps, Kind, Plan
from pycopi.training.step import step

NETWORK = pycopi.mlp([6, 8, 3])
SETTINGS = pycopi.Settings(gain=10.0)
RATES = pycopi.Rates(1e-3, 1e-3)


def kind(number):
    return Kind(NETWORK, SETTINGS, pycopi.Rates(float(number), None), (), ())


def test_a_kind_is_prepared_then_recorded_then_launched():
    plan = Plan()
    assert [plan.next(kind(0)) for _ in range(4)] == ["prepare", "record", "launch", "launch"]
    assert [plan.next(kind(1)), plan.next(kind(0)), plan.next(kind(1))] == ["prepare", "launch", "record"]


def test_the_kind_that_was_not_seen_for_longest_is_forgotten():
    plan = Plan(most=2)
    for number in (0, 1, 0, 2):
        plan.next(kind(number))
    assert [number for number in range(3) if kind(number) in plan] == [0, 2]
    assert plan.next(kind(0)) == "launch"
    assert plan.next(kind(1)) == "prepare"


def test_a_plan_that_gave_up_or_cannot_begin_takes_plain_steps():
    plan = Plan()
    plan.next(kind(0))
    plan.give_up()
    assert [plan.next(kind(0)), plan.next(kind(1)), kind(0) in plan] == ["plain", "plain", False]
    assert Plan(possible=False).next(kind(0)) == "plain"


@given(numbers=st.lists(st.integers(0, 4), max_size=40), most=st.integers(1, 5))
def test_what_is_launched_was_recorded_and_not_forgotten(numbers, most):
    plan, recorded = Plan(most=most), set()
    for number in numbers:
        action = plan.next(kind(number))
        recorded = {one for one in recorded if kind(one) in plan}
        assert (action == "launch") == (number in recorded)
        recorded |= {number} if action == "record" else set()
        assert sum(kind(one) in plan for one in range(5)) <= most


class Device:
    """Stands in for a GPU: what is recorded does nothing until it is launched."""

    def __init__(self, arrays=(), error=None):
        self.arrays, self.error, self.launches, self.recorded = arrays, error, 0, 0

    def record(self, function):
        if self.error is not None:
            raise self.error
        before = [array.copy() for array in self.arrays]
        result = [np.asarray(value).copy() for value in function()]
        for array, values in zip(self.arrays, before, strict=True):
            array[...] = values
        for value in result:
            value[...] = np.nan
        self.recorded += 1

        def launch():
            self.launches += 1
            for array, values in zip(result, function(), strict=True):
                array[...] = values

        return cuda_graph.Recording(launch, pycopi.training.step.Metrics(*result), None)


def arrays_of(state):
    return list(state.named().values())


def batches(sizes):
    generator = np.random.default_rng(0)
    return [(generator.normal(size=(size, 6)), generator.integers(0, 3, size)) for size in sizes]


@pytest.fixture
def attach(monkeypatch):
    """Attach a device, without the switch of CuPy's products."""

    def attach_device(device):
        monkeypatch.setattr(cuda_graph, "available", lambda: True)
        monkeypatch.setattr(cuda_graph, "record", device.record)
        return device

    return attach_device


def train(take, state, sizes, settings=SETTINGS):
    found = []
    for index, batch in enumerate(batches(sizes)):
        rates = RATES if index % 3 else RATES._replace(decorrelation=None)
        state, metrics = take(NETWORK, state, *batch, settings, rates)
        found.append(tuple(float(value) for value in metrics))
    return state, found


def start(settings=SETTINGS):
    return pycopi.start(NETWORK, settings, like=np.zeros(1))


def assert_same_run(first, second):
    assert first[1] == second[1]
    for actual, wanted in zip(arrays_of(first[0]), arrays_of(second[0]), strict=True):
        np.testing.assert_array_equal(actual, wanted)


SIZES = [5] * 9 + [2] + [5] * 9 + [2]


def test_graphs_learn_what_plain_steps_learn(attach):
    parameters = start()
    device = attach(Device(arrays_of(parameters)))
    assert_same_run(train(GraphSteps(), parameters, SIZES), train(step, start(), SIZES))
    assert (device.recorded, device.launches) == (2, 16)  # 5 rows, with R and without; 2 rows come too seldom


def test_other_parameters_are_recorded_anew(attach):
    take = GraphSteps()
    for _ in range(2):
        parameters = start()
        device = attach(Device(arrays_of(parameters)))
        assert_same_run(train(take, parameters, [5] * 9), train(step, start(), [5] * 9))
        assert device.recorded == 2


def test_what_cannot_be_recorded_is_taken_as_usual(attach):
    device = attach(Device(error=NotImplementedError("calling cuBLAS API during stream capture")))
    assert_same_run(train(GraphSteps(), start(), SIZES), train(step, start(), SIZES))
    assert device.launches == 0


def test_errors_of_the_program_are_not_hidden(attach):
    attach(Device(error=TypeError("a mistake")))
    with pytest.raises(TypeError, match=exactly("a mistake")):
        train(GraphSteps(), start(), SIZES)


def test_steps_that_are_not_in_place_are_taken_as_usual(attach):
    device = attach(Device())
    settings = pycopi.Settings(credit="node_perturbation", gain=1.0)
    graphs, plain = (train(take, start(settings), SIZES, settings) for take in (GraphSteps(), step))
    assert_same_run(graphs, plain)
    assert (device.recorded, device.launches) == (0, 0)


def test_fit_takes_its_steps_by_graphs(attach, monkeypatch):
    x = np.random.default_rng(1).normal(size=(42, 6))
    y = np.arange(42) % 3
    run = lambda: pycopi.fit(  # noqa: E731
        NETWORK, start(), x, y, epochs=3, settings=SETTINGS, batch_size=5, progress=False
    )
    plain = run()
    device, made = Device(), run_module.GraphSteps.__call__

    def take(self, network, state, *arguments):  # so that the device knows them
        device.arrays = device.arrays or arrays_of(state)
        return made(self, network, state, *arguments)

    attach(device)
    monkeypatch.setattr(run_module.GraphSteps, "__call__", take)
    monkeypatch.setattr(run_module, "is_cupy", lambda _: True)
    graphs = run()
    losses = lambda state: [(one.loss, one.accuracy) for one in state.history]  # noqa: E731
    assert_same_run((graphs, losses(graphs)), (plain, losses(plain)))
    assert (device.recorded, device.launches) == (3, 8 - 1 + 16 - 1 + 1)


def fake_cupy(monkeypatch, log):
    """Put a stand-in for the few names of CuPy that a recording needs in its place."""

    class Stream:
        def __init__(self, *, non_blocking):
            log.append(f"stream {non_blocking}")

        def __enter__(self):
            log.append("enter")

        def __exit__(self, *_):
            log.append("leave")

        def begin_capture(self):
            log.append("begin")

        def end_capture(self):
            log.append("end")
            return SimpleNamespace(launch=lambda: log.append("launch"))

    @contextlib.contextmanager
    def using_allocator(allocator):
        log.append(f"allocate by {allocator}")
        yield
        log.append("allocate as before")

    cuda = SimpleNamespace(
        Stream=Stream, using_allocator=using_allocator, MemoryPool=lambda: SimpleNamespace(malloc="own")
    )
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda))


def test_a_recording_captures_on_a_stream_and_in_memory_of_its_own(monkeypatch):
    log = []
    fake_cupy(monkeypatch, log)
    recording = cuda_graph.record(lambda: log.append(f"run {engine._capturable.get()}") or 7)
    recording.launch()
    before = ["stream True", "allocate by own", "enter", "begin"]
    assert log == [*before, "run True", "end", "leave", "allocate as before", "launch"]
    assert (recording.result, recording.memory.malloc, engine._capturable.get()) == (7, "own", False)


def test_a_capture_that_fails_is_ended(monkeypatch):
    log = []
    fake_cupy(monkeypatch, log)

    def fail():
        msg = "not while capturing"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match=exactly("not while capturing")):
        cuda_graph.record(fail)
    assert log[3:6] == ["begin", "end", "leave"]
    assert not engine._capturable.get()


def test_without_cutensor_no_step_is_recorded(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupyx", None)
    assert not cuda_graph.available()
    for taken in (True, False):
        cutensor = SimpleNamespace(check_availability=lambda name, taken=taken: taken and name == "contraction")
        monkeypatch.setitem(sys.modules, "cupyx", SimpleNamespace(cutensor=cutensor))
        assert cuda_graph.available() is taken
