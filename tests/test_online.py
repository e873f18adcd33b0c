"""A step on one sample equals the step on a batch that has one row, for every rule, on every backend."""

import functools

import numpy as np
import pytest
from assertions import assert_close, assert_same, tolerance
from backends import NUMPY

import pycopi
from pycopi import kernels
from pycopi.training import step as steps


def method(decorrelation=None, **fields):
    """Return settings with these fields, and those of the decorrelation in a dictionary."""
    how = pycopi.Decorrelation(rate=0.02, **decorrelation or {})
    return pycopi.Settings(**{"gain": 2.0, "rate": 0.05, "decorrelation": how} | fields)


METHODS = {
    "copi": method(),
    "gradient": method(rule="gradient"),
    "variance-scaled": method(variance_scaled=True),
    "feedback": method(credit="feedback_alignment"),
    "local": method({"rule": "local"}),
    "whitening": method({"whitening": 0.3}),
    "local-whitening": method({"rule": "local", "whitening": 0.3}),
    "bounded": method({"step_bound": 0.01}, step_bound=0.01),
    "cross-entropy": method(loss="cross_entropy"),
}
RATES = {
    "both": pycopi.Rates(0.05, 0.02),
    "weights": pycopi.Rates(0.05, None),
    "decorrelation": pycopi.Rates(None, 0.02),
    "layers": pycopi.Rates(0.05, (0.02, None, 0.01)),
}


def setting(settings, bias, decorrelated, dtype=np.float64):
    """Return a network, its parameters with biases and decorrelators that are not trivial, and a sample."""
    network = pycopi.mlp([7, 6, 5, 3], bias=bias, decorrelated=decorrelated)
    generator = np.random.default_rng(5)
    noise = lambda a: a + 0.1 * generator.normal(size=a.shape).astype(a.dtype)  # noqa: E731
    start = network.init(0, like=np.empty(0, dtype), feedback=settings.credit == "feedback_alignment")
    parameters = tuple(own.map(noise) for own in start)
    return network, parameters, generator.normal(size=(1, 7)).astype(dtype), np.array([1])


def general(network, parameters, inputs, targets, settings, rates):
    """Return what the path for batches makes of one row."""
    trace = network.trace(parameters, inputs)
    wanted = steps.encode_targets(targets, trace.outputs)
    error = None
    if rates.weights is not None:
        loss = steps.LOSSES[settings.loss]
        error = settings.gain * loss.error(trace.preactivations[-1], wanted, network.layers[-1].activation)
    return steps._learn(network, parameters, trace, error, settings, rates, True)


def assert_parameters_close(actual, expected, backend, like, rtol):
    for own, wanted in zip(actual, expected, strict=True):
        assert set(own.named()) == set(wanted.named())
        for name, array in wanted.named().items():
            assert_close(own.named()[name], array, backend, like, rtol=rtol)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("decorrelated", [False, True])
def test_one_row_equals_a_batch_of_one(method, rates, bias, decorrelated):
    settings, rates = METHODS[method], RATES[rates]
    network, parameters, x, y = setting(settings, bias, decorrelated)
    before = [array.copy() for own in parameters for array in own.named().values()]
    expected = general(network, parameters, x, y, settings, rates)
    learned, metrics = pycopi.train_step(network, parameters, x, y, settings, rates)
    assert_parameters_close(learned, expected, NUMPY, x, tolerance(x.dtype, 20))
    assert np.isfinite(metrics.loss)
    for array, old in zip([a for own in parameters for a in own.named().values()], before, strict=True):
        assert_same(array, old)
    again, _ = pycopi.train_step(network, parameters, x, y, settings, rates, copy=False)
    for own, wanted, old in zip(again, learned, parameters, strict=True):
        for name, array in wanted.named().items():
            assert own.named()[name] is old.named()[name]
            assert_same(own.named()[name], array)


@pytest.mark.parametrize("method", ["copi", "feedback", "local-whitening"])
def test_every_backend_and_dtype(xp, method):
    settings = METHODS[method]
    for dtype in (np.float32, np.float64):
        network, parameters, x, y = setting(settings, bias=True, decorrelated=True, dtype=dtype)
        wide = tuple(own.map(lambda a: a.astype(np.float64)) for own in parameters)
        expected = general(network, wide, x.astype(np.float64), y, settings, RATES["both"])
        step = functools.partial(pycopi.train_step, network, settings=settings, rates=RATES["both"])
        moved = tuple(own.map(xp.asarray) for own in parameters)
        learned, _ = xp.call(step, moved, xp.asarray(x), xp.asarray(y))
        assert_parameters_close(learned, expected, xp, xp.asarray(x), tolerance(dtype, 50))


def test_each_matrix_is_read_twice_and_written_once(monkeypatch):
    settings, rates = METHODS["copi"], RATES["both"]
    network, parameters, x, y = setting(settings, bias=True, decorrelated=True)
    reads, writes = {}, {}

    def count(function, position):
        def counted(matrix, *arguments, **keywords):
            reads[id(matrix)] = reads.get(id(matrix), 0) + 1
            if arguments[position] is not None:
                writes[id(matrix)] = writes.get(id(matrix), 0) + 1
            return function(matrix, *arguments, **keywords)

        return counted

    monkeypatch.setattr(kernels, "update_then_project", count(kernels.update_then_project, 0))
    monkeypatch.setattr(kernels, "pull_then_update", count(kernels.pull_then_update, 1))
    for name in ("product", "apply"):
        monkeypatch.setattr(kernels, name, None)
    online_parameters, _ = steps.step(network, parameters, x, y, settings, rates, copy=None)
    matrices = [id(a) for own in online_parameters for a in (own.weight, own.decorrelator)]
    assert [reads[i] for i in matrices] == [2] * 6
    assert [writes[i] for i in matrices] == [1] * 6


def test_fit_learns_from_single_samples():
    network = pycopi.mlp([2, 8, 2])
    x, y = np.eye(2, dtype=np.float32), np.array([0, 1])
    settings = pycopi.Settings(gain=100.0)
    state = pycopi.fit(network, network.init(seed=0), x, y, epochs=50, settings=settings, batch_size=1)
    assert state.history[-1].accuracy == 1.0
