"""A step on one sample equals the step on two that are the same, for every method, on every backend."""

import functools

import numpy as np
import pytest
from assertions import assert_close, assert_same, tolerance
from backends import NUMPY

import pycopi
from pycopi import kernels
from pycopi._array import namespace
from pycopi.credit import CREDIT, Credit
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
    "direct-feedback": method(credit="direct_feedback_alignment"),
    "adam": method(rule="adam"),
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
    parts = {"feedback": CREDIT[settings.credit].needs_feedback, "moments": settings.rule == "adam"}
    start = network.init(0, like=np.empty(0, dtype), **parts)
    parameters = tuple(own.map(noise) for own in start)
    if parts["moments"]:  # second moments, and what they have gathered, are positive
        names = ("moments", "bias_moments", "gathered")
        parameters = tuple(
            own._replace(**{name: np.abs(a) for name, a in own.named().items() if name in names})
            for own in parameters
        )
    return network, parameters, generator.normal(size=(1, 7)).astype(dtype), np.array([1])


def twice(network, parameters, inputs, targets, settings, rates):
    """Return the parameters after a step on the same sample twice: the mean over the two is the sample's."""
    batch = np.repeat(inputs, 2, axis=0), np.repeat(targets, 2)
    return pycopi.train_step(network, parameters, *batch, settings, rates)[0]


def assert_parameters_close(actual, expected, backend, like, rtol):
    for own, wanted in zip(actual, expected, strict=True):
        assert set(own.named()) == set(wanted.named())
        for name, array in wanted.named().items():
            assert_close(own.named()[name], array, backend, like, rtol=rtol)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("decorrelated", [False, True])
def test_one_row_equals_two_that_are_the_same(method, rates, bias, decorrelated):
    settings, rates = METHODS[method], RATES[rates]
    network, parameters, x, y = setting(settings, bias, decorrelated)
    before = [array.copy() for own in parameters for array in own.named().values()]
    expected = twice(network, parameters, x, y, settings, rates)
    learned, metrics = pycopi.train_step(network, parameters, x, y, settings, rates)
    assert_parameters_close(learned, expected, NUMPY, x, tolerance(x.dtype, 20))
    assert np.isfinite(metrics.loss)
    for array, old in zip([a for own in parameters for a in own.named().values()], before, strict=True):
        assert_same(array, old)
    again, _ = pycopi.train_step(network, parameters, x, y, settings, rates, copy=False)
    for own, wanted, old in zip(again, learned, parameters, strict=True):
        for name, array in wanted.named().items():
            if name != "gathered":  # two numbers, which are made anew
                assert own.named()[name] is old.named()[name]
            assert_same(own.named()[name], array)


@pytest.mark.parametrize("method", ["copi", "feedback", "local-whitening"])
def test_every_backend_and_dtype(xp, method):
    settings = METHODS[method]
    for dtype in (np.float32, np.float64):
        network, parameters, x, y = setting(settings, bias=True, decorrelated=True, dtype=dtype)
        wide = tuple(own.map(lambda a: a.astype(np.float64)) for own in parameters)
        expected = twice(network, wide, x.astype(np.float64), y, settings, RATES["both"])
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
    monkeypatch.setattr(kernels, "apply", count(kernels.apply, 0))
    monkeypatch.setattr(kernels, "product", None)
    online_parameters, _ = steps.step(network, parameters, x, y, settings, rates, copy=None)
    matrices = [id(a) for own in online_parameters for a in (own.weight, own.decorrelator)]
    assert [reads[i] for i in matrices] == [2] * 6
    assert [writes[i] for i in matrices] == [1] * 6


class Broadcast(Credit):
    """A credit that nobody has heard of: the sum of the error, given to every unit below."""

    def assign(self, problem):
        xp = namespace(problem.error)
        wanted = xp.sum(problem.error, axis=1, keepdims=True)
        below = range(len(problem.layers) - 1)
        return (*(problem.perturb(index, wanted) for index in below), problem.error)


@pytest.mark.parametrize("rule", ["copi", "adam"])
def test_a_credit_that_nobody_has_heard_of_is_used_for_one_row_as_for_two(monkeypatch, rule):
    monkeypatch.setitem(CREDIT, "broadcast", Broadcast())
    settings, rates = method(credit="broadcast", rule=rule), RATES["both"]
    network, parameters, x, y = setting(settings, bias=True, decorrelated=True)
    learned, _ = pycopi.train_step(network, parameters, x, y, settings, rates)
    expected = twice(network, parameters, x, y, settings, rates)
    assert_parameters_close(learned, expected, NUMPY, x, tolerance(x.dtype, 20))
    other = twice(network, parameters, x, y, method(rule=rule), rates)
    assert np.abs(learned[0].weight - other[0].weight).max() > 1e-4  # not backpropagation in its place


def test_fit_learns_from_single_samples():
    network = pycopi.mlp([2, 8, 2])
    x, y = np.eye(2, dtype=np.float32), np.array([0, 1])
    settings = pycopi.Settings(gain=100.0)
    state = pycopi.fit(network, network.init(seed=0), x, y, epochs=50, settings=settings, batch_size=1)
    assert state.history[-1].accuracy == 1.0
