"""A block of steps is the same as the steps, on every library; `fit` takes blocks on JAX."""

import exact
import numpy as np
import pytest
from assertions import assert_close, assert_same, exactly
from backends import BACKENDS, NUMPY

import pycopi
from pycopi.training.steps import block_size, in_blocks

NETWORK = pycopi.mlp([6, 9, 4], bias=True)
SETTINGS = pycopi.Settings(rate=1e-2, gain=10.0, decorrelation=pycopi.Decorrelation(rate=1e-2, whitening=0.1))
RNG = np.random.default_rng(7)
X = RNG.normal(size=(5, 8, 6)).astype(np.float32)
Y = RNG.integers(0, 4, size=(5, 8))
JAX = next(backend for backend in BACKENDS if backend.name == "jax")


def one_by_one(parameters, settings=SETTINGS, rates=None):
    losses = []
    for x, y in zip(X, Y, strict=True):
        parameters, metrics = pycopi.train_step(NETWORK, parameters, x, y, settings, rates)
        losses.append(metrics.loss)
    return parameters, np.array(losses)


@pytest.mark.parametrize("copy", [True, None])
@pytest.mark.parametrize("rates", [None, pycopi.Rates(None, 0.02), pycopi.Rates(0.01, None)], ids=str)
def test_a_block_is_the_same_as_its_steps(eager, copy, rates):
    wanted, losses = one_by_one(NETWORK.init(0), rates=rates)
    x, y = eager.asarray(X), eager.asarray(Y)
    parameters = NETWORK.init(0, like=x)
    learned, metrics = pycopi.train_steps(NETWORK, parameters, x, y, SETTINGS, rates, copy=copy)
    for own, expected in zip(learned, wanted, strict=True):
        for name, array in own.named().items():
            assert_close(array, getattr(expected, name).astype(np.float64), eager, x, rtol=1e-5)
    assert_close(metrics.loss, losses.astype(np.float64), eager, x, rtol=1e-5)
    assert metrics.accuracy.shape == (5,)


def test_adam_and_feedback_go_through_a_block(eager):
    settings = pycopi.Settings(rule="adam", rate=1e-3, gain=1.0, credit="feedback_alignment")
    wanted, _ = one_by_one(pycopi.start(NETWORK, settings), settings)
    x, y = eager.asarray(X), eager.asarray(Y)
    learned, _ = pycopi.train_steps(NETWORK, pycopi.start(NETWORK, settings, like=x), x, y, settings)
    for place, array in learned.named().items():
        assert_close(array, wanted.named()[place].astype(np.float64), eager, x, rtol=1e-5)


def test_copy_keeps_or_takes_the_parameters():
    parameters = NETWORK.init(0)
    before = parameters[0].weight.copy()
    pycopi.train_steps(NETWORK, parameters, X, Y, SETTINGS)
    assert_same(parameters[0].weight, before)
    learned, _ = pycopi.train_steps(NETWORK, parameters, X, Y, SETTINGS, copy=False)
    assert learned[0].weight is parameters[0].weight


def test_a_block_may_be_compiled_by_the_caller():
    jax = pytest.importorskip("jax")
    x, y = jax.numpy.asarray(X), jax.numpy.asarray(Y)
    parameters = NETWORK.init(0, like=x)
    compiled = jax.jit(pycopi.train_steps, static_argnames=("network", "settings"))
    one, two = (f(NETWORK, parameters, x, y, SETTINGS)[0] for f in (compiled, pycopi.train_steps))
    assert_close(one[0].weight, np.asarray(two[0].weight), JAX, x, rtol=1e-6)


def test_what_does_not_fit_is_refused():
    parameters = NETWORK.init(0)
    uneven = "targets have shape (5, 7) but inputs hold 5 batches of 8 samples; expected (5, 8), or (5, 8, 4)"
    refused = (
        (X[0], Y, "inputs has shape (8, 6) but the network takes 6 features; expected (any, any, 6)"),
        (X[:0], Y[:0], "inputs has no rows; expected a batch of at least one sample"),
        (X, Y[:, :7], uneven),
    )
    for inputs, targets, message in refused:
        with pytest.raises(ValueError, match=exactly(message)):
            pycopi.train_steps(NETWORK, parameters, inputs, targets, SETTINGS)


def test_blocks_are_full_and_of_one_shape():
    batches = [(np.empty((rows, 2)), np.empty(rows)) for rows in [4] * 8 + [3]]
    assert [len(block) for block in in_blocks(batches, 3)] == [3, 3, 1, 1, 1]
    assert [len(block) for block in in_blocks(batches, 1)] == [1] * 9
    assert [one for block in in_blocks(batches, 3) for one in block] == batches
    assert list(in_blocks([], 3)) == []
    uneven = [(np.empty((rows, 2)), np.empty(rows)) for rows in [4, 4, 3, 3, 3]]
    assert [len(block) for block in in_blocks(uneven, 3)] == [1, 1, 3]


def test_a_block_ends_where_the_guard_looks():
    assert block_size(X, 100, 1) == 1  # NumPy gains nothing
    jax = pytest.importorskip("jax")
    like = jax.numpy.zeros(3)
    assert [block_size(like, look, 1) for look in (1, 7, 10, 60, 100, 101)] == [1, 7, 10, 20, 25, 1]
    assert block_size(like, 100, 5) == 1


def test_fit_on_jax_ends_where_single_steps_do():
    jax = pytest.importorskip("jax")
    x = np.concatenate(X)[:38]
    y = np.concatenate(Y)[:38]
    reports = []
    states = []
    for like in (x, jax.numpy.asarray(x)):
        parameters = NETWORK.init(0, like=like)
        options = {"epochs": 3, "batch_size": 4, "settings": SETTINGS, "guard": pycopi.Guard(every=4)}
        states.append(pycopi.fit(NETWORK, parameters, like, y, progress=reports.append, **options))
    for own, expected in zip(states[1].parameters, states[0].parameters, strict=True):
        for name, array in own.named().items():
            wanted = getattr(expected, name).astype(np.float64)
            assert_close(array, wanted, JAX, jax.numpy.zeros(1, "float32"), rtol=1e-4)
    for one, two in zip(states[1].history, states[0].history, strict=True):
        assert (one.steps, one.accuracy) == (two.steps, two.accuracy) == (10, two.accuracy)
        assert one.loss == pytest.approx(two.loss, rel=1e-5)
        assert one.correlation == pytest.approx(two.correlation, rel=1e-4)


def test_a_divergence_on_jax_is_noticed_at_the_same_step():
    jax = pytest.importorskip("jax")
    x, y = np.concatenate(X), np.concatenate(Y)
    wild = exact.settings(rate=10.0, gain=1e4)
    found = []
    for like in (x, jax.numpy.asarray(x)):
        with pytest.raises(pycopi.DivergenceError) as raised:
            pycopi.fit(
                NETWORK, NETWORK.init(0, like=like), like, y, epochs=3, batch_size=4, settings=wild,
                guard=pycopi.Guard(every=2),
            )  # fmt: skip
        found.append((raised.value.layer, raised.value.epoch, raised.value.step))
    assert found[0] == found[1]
    assert NUMPY.numpy(raised.value.parameters[0].weight).shape == (9, 6)
