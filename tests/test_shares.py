"""Batches of uneven size: each moves the parameters by its share of a full batch."""

import numpy as np
import pytest
from assertions import assert_close, assert_same
from fitting import CLASSES, NETWORK, SETTINGS, START, X, run
from networks import move

import pycopi
from pycopi.data import load_dataset

BOUNDED = pycopi.Settings(
    rate=1e-2, gain=100.0, step_bound=0.1, decorrelation=pycopi.Decorrelation(rate=1e-2, step_bound=0.1)
)
METHODS = {
    "copi": SETTINGS,
    "bounded": BOUNDED,
    "variance-scaled": pycopi.Settings(
        rate=1e-3, gain=100.0, rule=pycopi.COPI(variance_scaled=True, epsilon=1e-2)
    ),
    "gradient": pycopi.Settings(rule="gradient", rate=1.0, gain=1.0),
    "adam": pycopi.Settings(rule="adam", rate=1e-2, gain=1.0),
    "feedback": pycopi.Settings(rate=1e-2, gain=100.0, credit="feedback_alignment"),
}


def change(own, old, name):
    return np.asarray(getattr(own, name), np.float64) - np.asarray(getattr(old, name), np.float64)


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("method", METHODS)
def test_a_share_makes_the_step_as_much_smaller(method, rows):
    network = pycopi.mlp([6, 8, 3], bias=True)
    start = pycopi.start(network, METHODS[method], like=np.zeros(1))
    batch = X[:rows].astype(np.float64), CLASSES[:rows]
    whole, _ = pycopi.train_step(network, start, *batch, METHODS[method])
    rates = pycopi.Rates(METHODS[method].rate, METHODS[method].decorrelation.rate, 0.25)
    part, _ = pycopi.train_step(network, start, *batch, METHODS[method], rates)
    for own, full, old in zip(part.parameters, whole.parameters, start.parameters, strict=True):
        for name in ("weight", "decorrelator", "bias"):
            wanted = 0.25 * change(full, old, name)
            np.testing.assert_allclose(
                change(own, old, name), wanted, rtol=0, atol=1e-12 + 1e-9 * np.abs(wanted).max()
            )


def test_a_share_is_the_same_on_every_backend(eager):
    rates = pycopi.Rates(1e-2, (1e-2, 2e-2), 0.1)
    wanted, _ = pycopi.train_step(NETWORK, START, X[:4], CLASSES[:4], BOUNDED, rates)
    batch = eager.asarray(X[:4]), eager.asarray(CLASSES[:4])
    found, _ = pycopi.train_step(NETWORK, move(START, eager), *batch, BOUNDED, rates)
    for own, other in zip(found, wanted, strict=True):
        for name, array in own.named().items():
            assert_close(array, getattr(other, name).astype(np.float64), eager, batch[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("share", "kind", "message"),
    [
        (0.0, ValueError, "rates.share is 0.0, which allows no step; expected a number above 0 and at most 1"),
        (1.5, ValueError, "rates.share is 1.5; expected a finite number of at least 0 and at most 1"),
        (None, TypeError, "rates.share is a NoneType; expected a number"),
    ],
)
def test_a_share_is_checked(share, kind, message):
    with pytest.raises(kind, match=f"^{message}$"):
        pycopi.train_step(NETWORK, START, X, CLASSES, SETTINGS, pycopi.Rates(1e-2, 1e-2, share))


def by_hand(batches, full, epochs):
    """Return the parameters after epochs of steps, each with its share; the first epoch only decorrelates."""
    parameters = START
    for epoch in range(epochs):
        for inputs, targets in batches:
            rates = pycopi.Rates(1e-2 if epoch else None, 1e-2, len(inputs) / full)
            parameters, _ = pycopi.train_step(NETWORK, parameters, inputs, targets, SETTINGS, rates)
    return parameters


SIZES = {"one left over": (40, 40, 1), "uneven": (7, 30, 11, 30), "small first": (1, 32, 32)}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_uneven_batches_of_an_iterable_take_their_shares(sizes):
    ends = np.cumsum(sizes)
    batches = [(X[end - size : end], CLASSES[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    state = run(batches, None, epochs=3)
    for own, other in zip(state.parameters, by_hand(batches, max(sizes), 3), strict=True):
        assert_same(own.weight, other.weight)
        assert_same(own.decorrelator, other.decorrelator)
    assert state.history[-1].batch_size == max(sizes)
    early = run(batches, None, epochs=1)
    late = run(batches, None, early, epochs=3)
    assert_same(late.parameters[0].weight, state.parameters[0].weight)


@pytest.mark.parametrize("kind", ["array", "memory map", "dask", "jax"])
def test_what_is_left_over_takes_its_share_from_every_source(kind, tmp_path):
    samples = 113  # seven batches of 16 and one sample
    batches = [(X[i : min(i + 16, samples)], CLASSES[i : min(i + 16, samples)]) for i in range(0, samples, 16)]
    inputs, targets, parameters = X[:samples], CLASSES[:samples], START
    if kind == "memory map":
        np.save(tmp_path / "x.npy", inputs)
        inputs = np.load(tmp_path / "x.npy", mmap_mode="r")
    if kind == "dask":
        da = pytest.importorskip("dask.array")
        inputs, targets = da.from_array(inputs, chunks=(40, 6)), da.from_array(targets, chunks=40)
    if kind == "jax":
        jnp = pytest.importorskip("jax.numpy")
        parameters = NETWORK.init(0, like=jnp.zeros(1, "float32"))
    state = run(inputs, targets, parameters, seed=None, epochs=3)
    for own, other in zip(state.parameters, by_hand(batches, 16, 3), strict=True):
        np.testing.assert_allclose(
            np.asarray(own.weight), other.weight, rtol=0, atol=2e-5 if kind == "jax" else 0
        )


def test_fewer_samples_than_a_batch_are_a_full_batch():
    state = run(X[:10], CLASSES[:10], batch_size=64, epochs=3)
    for own, other in zip(
        state.parameters, run(X[:10], CLASSES[:10], batch_size=10, epochs=3).parameters, strict=True
    ):
        assert_same(own.weight, other.weight)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_sample_too_many_costs_nothing(seed):
    digits = load_dataset("digits")
    network = pycopi.mlp([64, 100, 100, 10])
    accuracies = []
    for samples in (1400, 1401):
        state = pycopi.fit(
            network, network.init(seed), digits.x_train[:samples], digits.y_train[:samples], epochs=6,
            seed=seed, settings=pycopi.Settings(rate=1e-2, gain=100.0,
            decorrelation=pycopi.Decorrelation(rate=1e-2)), validation=(digits.x_test, digits.y_test),
        )  # fmt: skip
        accuracies.append(state.history[-1].validation_accuracy)
    assert abs(accuracies[0] - accuracies[1]) <= 0.015  # five of 360 samples
    assert min(accuracies) > 0.9
