"""Layers that keep W and the R of few directions apart, against the plain equations with R as a matrix."""

import functools

import exact
import numpy as np
import pytest
import reference
from assertions import assert_close, assert_same, exactly, tolerance
from backends import NUMPY
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SEEDS

import pycopi
from pycopi.kernels import RankK, apply
from pycopi.layers.subspace import _after

RNG = np.random.default_rng(4)
CLASSES = np.array([0, 1, 2, 0, 1, 2, 0, 1])
ONE_HOT = np.eye(3)[CLASSES]
RULES = {
    "copi": pycopi.COPI(),
    "scaled": pycopi.COPI(variance_scaled=True, epsilon=1e-2),
    "gradient": "gradient",
}
RANKS = st.sampled_from([1, 2, None])


def network_of(rank, damping=0.7, **fields):
    how = pycopi.SubspaceDecorrelation(rank=rank, damping=damping, **fields)
    return pycopi.mlp([4, 5, 3], bias=True, activation="tanh", decorrelated=how)


def rows(seed, *, scale=1.0, count=8):
    """Return correlated rows that are not centred."""
    rng = np.random.default_rng(seed)
    return scale * (rng.normal(size=(count, 4)) @ (np.eye(4) + 0.5 * rng.normal(size=(4, 4))) + 1.0)


def begun(network, y):
    """Return float64 parameters that have followed a batch, without learning from it."""
    return train_r(network, network.init(0, like=y), y, CLASSES)


def train_r(network, parameters, y, classes):
    """Return parameters whose directions alone have followed a batch."""
    return pycopi.train_step(network, parameters, y, classes, pycopi.Settings(), pycopi.Rates(None, 1.0))[0]


def root(layer, own):
    """Return R as a matrix."""
    return reference.root_in_directions(own.vectors, own.powers, layer.decorrelation.damping)


def roots(network, parameters):
    return [root(*pair) for pair in zip(network.layers, parameters, strict=True)]


def plain_pass(network, parameters, y):
    """Return the inputs and the preactivations of each layer, with R as a matrix."""
    sent, activities = [], []
    for layer, own, r in zip(network.layers, parameters, roots(network, parameters), strict=True):
        sent.append(y)
        activities.append(y @ r.T @ own.weight.T + own.bias)
        y = layer.activation(activities[-1])
    return sent, activities


@settings(max_examples=2)
@given(seed=SEEDS, rank=RANKS)
def test_a_pass_is_that_of_the_matrices_on_every_backend(xp, seed, rank):
    network, y = network_of(rank), rows(seed)
    parameters = begun(network, rows(seed + 1))
    like = xp.asarray(y)
    moved = pycopi.State(parameters).map(xp.asarray).parameters
    activities = plain_pass(network, parameters, y)[1]
    trace = xp.call(network.forward, moved, like)
    for found, wanted in zip(trace.preactivations, activities, strict=True):
        assert_close(found, wanted, xp, like, rtol=1e-10)
    folded = network.fold(moved)
    assert not any(layer.decorrelated for layer in folded.network.layers)
    assert_close(folded.network.predict(folded.parameters, like), activities[-1], xp, like, rtol=1e-10)


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=2)
@given(seed=SEEDS, rank=RANKS)
def test_a_step_is_the_plain_equations_on_every_backend(xp, rule, seed, rank):
    """R follows the batch to R', W becomes W R R'^(-1), and then learns in x = y R'.T."""
    network, y = network_of(rank, refresh=50), rows(seed)
    parameters = begun(network, rows(seed + 1))
    how = exact.settings(rule=RULES[rule], rate=0.05, gain=2.0)
    like = xp.asarray(y)
    step = functools.partial(pycopi.train_step, network, settings=how)
    moved = pycopi.State(parameters).map(xp.asarray).parameters
    learned = pycopi.State(xp.call(step, moved, like, xp.asarray(CLASSES))[0]).map(xp.numpy).parameters
    sent, activities = plain_pass(network, parameters, y)
    old, new = roots(network, parameters), roots(network, learned)
    error = 2.0 * (ONE_HOT - activities[1])
    below = (error @ parameters[1].weight @ old[1]) * network.layers[0].activation.derivative(activities[0])
    for index, delta in enumerate((below, error)):
        before, after, x = parameters[index], learned[index], sent[index] @ new[index].T
        weight = before.weight @ old[index] @ np.linalg.inv(new[index])
        if rule == "gradient":
            wanted = weight + 0.05 * delta.T @ x / len(x)
        else:
            epsilon = 1e-2 if rule == "scaled" else None
            wanted = reference.copi(weight, activities[index] - before.bias + delta, x, 0.05, epsilon)
        assert np.max(np.abs(after.powers - before.powers)) > 1e-3  # R has moved
        assert_close(after.weight, wanted, NUMPY, y, rtol=1e-9, scale=max(1.0, np.max(np.abs(weight))))
        assert_close(after.bias, before.bias + 0.05 * delta.mean(axis=0), NUMPY, y, rtol=1e-10)


@settings(max_examples=2)
@given(seed=SEEDS, rank=RANKS, scale=st.sampled_from([1e-4, 1.0, 1e4]))
def test_r_follows_at_any_step_without_changing_outputs(xp, seed, rank, scale):
    network, y = network_of(rank, refresh=20), rows(seed, scale=scale)
    before, like = begun(network, rows(seed + 1, scale=scale)), xp.asarray(y)
    step = functools.partial(train_r, network)
    after = xp.call(step, pycopi.State(before).map(xp.asarray).parameters, like, xp.asarray(CLASSES))
    assert float(np.max(np.abs(xp.numpy(after[0].powers) - before[0].powers))) > 1e-3  # R has moved
    for wanted in (network.predict(before, y), network.predict(network.init(0, like=y), y)):
        largest = float(np.max(np.abs(wanted)))
        assert_close(network.predict(after, like), wanted, xp, like, rtol=1e-9, scale=largest)


def test_r_of_all_directions_is_the_closed_form_of_the_moments_so_far():
    """The old moments keep the share memory^(samples / refresh), once they rest on more samples than that."""
    network = network_of(None, memory=0.25, refresh=32, fraction=1.0)
    first, second = rows(1, count=8), rows(2, count=8)
    parameters = begun(network, first)
    moments = first.T @ first / 8
    for batch, share in ((second, 16 / 24), (first, 0.25**0.25)):  # the batch that begins counts twice
        moments = share * moments + (1 - share) * batch.T @ batch / 8
        parameters = train_r(network, parameters, batch, CLASSES)
    d = 0.7 * np.trace(moments) / 4
    values, turn = np.linalg.eigh(moments + d * np.eye(4))
    assert_close(
        root(network.layers[0], parameters[0]), turn @ np.diag(values**-0.5) @ turn.T, NUMPY, first, rtol=1e-9
    )


def test_a_new_network_computes_what_a_plain_one_does():
    y = rows(3)
    plain = pycopi.mlp([4, 5, 3], bias=True, activation="tanh", decorrelated=False)
    found = network_of(2).predict(network_of(2).init(7, like=y), y)
    assert_close(found, plain.predict(plain.init(7, like=y), y), NUMPY, y, rtol=1e-14)


def test_no_direction_keeps_a_power_of_one_or_more():
    y = rows(5, scale=100.0)
    network = network_of(None, damping=0.1, fraction=1.0)
    x = network.forward(begun(network, y), y).decorrelated[0]
    assert 0.9 < np.max(np.linalg.eigvalsh(x.T @ x / len(x))) < 1.0


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_inputs_of_any_scale_are_learned_alike(scale):
    """The first layer divided by the scale computes the same, and goes on doing so while it learns."""
    how = pycopi.Settings(rate=0.01, gain=30.0, loss="cross_entropy", step_bound=1.0)
    network, y = network_of(2), rows(6)
    one = network.init(0, like=y)
    other = (one[0]._replace(weight=one[0].weight / scale), *one[1:])
    for _ in range(40):
        one, metrics = pycopi.train_step(network, one, y, CLASSES, how)
        other, same = pycopi.train_step(network, other, y * scale, CLASSES, how)
    assert float(metrics.loss) < 0.5
    assert float(same.loss) == pytest.approx(float(metrics.loss), rel=1e-6)


@pytest.mark.parametrize("rule", ["copi", "gradient"])
@pytest.mark.parametrize("batch_size", [1, 16])
def test_a_raw_table_does_not_diverge_within_the_bound(rule, batch_size):
    """Columns of scales from a tenth to a hundred, far from centred, at a rate that is far too large."""
    classes = RNG.integers(0, 3, 200)
    table = (5.0 + RNG.normal(size=(200, 4)) + 2.0 * np.eye(3, 4)[classes]) * 10.0 ** np.arange(-1, 3)
    gain = 1000.0 if rule == "copi" else 1.0
    how = {"rule": rule, "rate": 100.0 / gain, "gain": gain, "loss": "cross_entropy"}
    network, data = network_of(2), (table.astype(np.float32), classes)

    def last_loss(bound):
        settings = pycopi.Settings(**how, step_bound=bound)
        run = {"epochs": 3, "settings": settings, "batch_size": batch_size, "progress": False}
        try:
            return pycopi.fit(network, network.init(0), *data, **run).history[-1].loss
        except pycopi.DivergenceError:
            return np.inf

    assert last_loss(1.0) < 1.5
    assert last_loss(None) > 10.0


def test_a_file_brings_the_layers_back(tmp_path):
    network, y = network_of(2, damping=0.3), rows(8)
    parameters = begun(network, y)
    pycopi.save(tmp_path / "m", network, parameters)
    found = pycopi.load(tmp_path / "m")
    assert found.network == network
    assert_same(found.network.predict(found.parameters, y), network.predict(parameters, y))


def test_exported_layers_are_folded(tmp_path):
    network, y = network_of(2), rows(9)
    parameters = begun(network, y)
    pycopi.export.npz(network, parameters, tmp_path / "m.npz")
    stored = np.load(tmp_path / "m.npz")
    assert any(array.shape == (5, 4) for array in stored.values())
    message = "layer 1 is a SubspaceDense, which has no other form; expected Dense layers"
    with pytest.raises(TypeError, match=exactly(message)):
        pycopi.export.c(network, parameters, tmp_path / "m.h", settings=pycopi.Settings())


def test_jax_takes_a_block_of_steps_in_one_loop():
    jnp = pytest.importorskip("jax.numpy")
    network = network_of(2)
    x = np.tile(rows(10), (25, 1)).astype(np.float32)
    how = {"settings": pycopi.Settings(rate=0.01, gain=10.0), "batch_size": 4, "epochs": 2, "progress": False}
    classes = np.tile(CLASSES, 25)
    wanted = pycopi.fit(network, network.init(0), x, classes, **how)
    found = pycopi.fit(
        network, network.init(0, like=jnp.asarray(x)), jnp.asarray(x), jnp.asarray(classes), **how
    )
    for own, expected in zip(found.parameters, wanted.parameters, strict=True):
        np.testing.assert_allclose(np.asarray(own.weight), expected.weight, atol=tolerance(np.float32, 500))


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_an_optimizer_with_steps_of_its_own_is_an_error(optimizer):
    how = pycopi.Settings(optimizer=optimizer)
    network, y = network_of(2), rows(11)
    message = (
        f"the optimizer {how.method.optimizer} makes steps of its own, but the weights of a SubspaceDense "
        "layer also move with its R; choose optimizer='plain', or a network with decorrelated=False"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.train_step(network, pycopi.start(network, how, like=y), y, CLASSES, how)


def test_two_changes_one_after_the_other_are_one(rng):
    """A rule of another's may scale rows, too."""
    first = RankK(rng.normal(size=(2, 3)), rng.normal(size=(2, 4)), 1.0, None, rng.normal(size=4))
    second = RankK(
        rng.normal(size=(5, 3)), rng.normal(size=(5, 4)), 0.3, rng.normal(size=3), rng.normal(size=4)
    )
    matrix = rng.normal(size=(3, 4))
    wanted = apply(apply(matrix, first, True), second, True)
    assert_close(apply(matrix, _after(first, second), True), wanted, NUMPY, matrix, rtol=1e-13)


@pytest.mark.parametrize("value", [0.0, 1e-9])
def test_inputs_at_rounding_size_leave_the_loss_at_that_of_chance(value):
    """R of a hidden layer that has seen next to nothing multiplies what comes later: the bound keeps it."""
    network = pycopi.mlp([20, 32, 32, 3], bias=True, decorrelated=pycopi.SubspaceDecorrelation(rank=4))
    settings = pycopi.Settings(loss="cross_entropy", rule="gradient", rate=0.3, gain=1.0)
    x, classes = np.full((12, 20), value, np.float32), np.arange(12) % 3
    state = pycopi.start(network, settings)
    for _ in range(40):
        state, metrics = pycopi.train_step(network, state, x, classes, settings)
    assert float(metrics.loss) < 1.1 * np.log(3)
