"""The optimizer that decorrelates inputs and perturbations, against the equations of its step in float64."""

import functools

import exact
import numpy as np
import pytest
import reference
from assertions import assert_close, exactly, within
from backends import NUMPY

import pycopi

RNG = np.random.default_rng(11)
Y = RNG.normal(size=(12, 4)) + 3.0
CLASSES = RNG.integers(0, 3, 12)
NETWORK = pycopi.mlp([4, 5, 3], bias=True, decorrelated=False, activation="tanh")
WHOLE = pycopi.SubspaceDecorrelation(rank=None, damping=0.7)


def settings_of(rate=0.3, **fields):
    optimizer = pycopi.Decorrelated(**fields)
    return pycopi.Settings(rule="gradient", rate=rate, gain=1.0, loss="cross_entropy", optimizer=optimizer)


def gradients(parameters, inputs=Y):
    """Return the inputs (B, n) and perturbations (B, m) of each layer."""
    xs, activities, y = [], [], inputs
    for own, layer in zip(parameters, NETWORK.layers, strict=True):
        xs.append(y)
        activities.append(y @ own.weight.T + own.bias)
        y = layer.activation(activities[-1])
    error = np.eye(3)[CLASSES] - np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
    below = (error @ parameters[1].weight) * NETWORK.layers[0].activation.derivative(activities[0])
    return zip(xs, (below, error), strict=True)


@pytest.mark.parametrize("sides", ["inputs", "perturbations", "both"])
def test_a_first_step_is_that_of_the_inverse_moments_on_every_backend(xp, sides):
    wanted = []
    fields = {side: WHOLE if sides in (side, "both") else None for side in ("inputs", "perturbations")}
    settings = settings_of(**fields, decay=0.1)
    state = pycopi.start(NETWORK, settings, like=Y)
    for own, (x, delta) in zip(state.parameters, gradients(state.parameters), strict=True):
        if fields["inputs"] is not None:
            x = x @ np.linalg.inv(reference.damped_moments(x, x.shape[1], 0.7)[0])
        if fields["perturbations"] is not None:
            moments, d = reference.damped_moments(delta, delta.shape[1], 0.7)
            delta = d * delta @ np.linalg.inv(moments)
        wanted.append((1 - 0.3 * 0.1) * own.weight + 0.3 / len(x) * delta.T @ x)
    like = xp.asarray(Y)
    step = functools.partial(pycopi.train_step, NETWORK, settings=settings)
    learned, _ = xp.call(step, state.map(xp.asarray), like, xp.asarray(CLASSES))
    for own, expected in zip(learned.parameters, wanted, strict=True):
        assert_close(own.weight, expected, xp, like, rtol=1e-9)


def test_momentum_goes_on_with_the_same_steps():
    fields = {"inputs": None, "perturbations": None, "momentum": 0.6, "decay": 0.0}
    ours = settings_of(**fields)
    theirs = exact.settings(
        rule="gradient", rate=0.3, gain=1.0, loss="cross_entropy", optimizer=pycopi.Momentum(momentum=0.6)
    )
    one, other = (pycopi.start(NETWORK, settings, like=Y) for settings in (ours, theirs))
    for _ in range(4):
        one, _ = pycopi.train_step(NETWORK, one, Y, CLASSES, ours)
        other, _ = pycopi.train_step(NETWORK, other, Y, CLASSES, theirs)
    for own, expected in zip(one.parameters, other.parameters, strict=True):
        assert_close(own.weight, expected.weight, NUMPY, Y, rtol=1e-12)
        assert_close(own.bias, expected.bias, NUMPY, Y, rtol=1e-12)


BOUND = 0.02


def lengths(rows):
    return np.sqrt(np.sum(rows**2, axis=1, keepdims=True))


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_a_step_is_as_long_as_its_bound_allows_on_every_backend(xp, momentum):
    """Some units are within it; the others go as far as they may, and their velocity no further."""
    free, bounded = (settings_of(momentum=momentum, decay=0.1, step_bound=bound) for bound in (None, BOUND))
    state = pycopi.start(NETWORK, bounded, like=Y)
    step = functools.partial(pycopi.train_step, NETWORK)
    wanted, kinds = step(state, Y, CLASSES, free)[0], set()
    found, _ = xp.call(
        functools.partial(step, settings=bounded), state.map(xp.asarray), xp.asarray(Y), xp.asarray(CLASSES)
    )
    inputs = (Y, NETWORK.layers[0].activation(Y @ state.parameters[0].weight.T + state.parameters[0].bias))
    for old, own, after, memory, y in zip(
        state.parameters, wanted.parameters, found.parameters, found.optimizer, inputs, strict=True
    ):
        change = own.weight - (1 - 0.3 * 0.1) * old.weight
        longest = BOUND * np.maximum(lengths(old.weight), 0.3 / np.sqrt(np.mean(y**2)))
        kinds |= set((lengths(change) > longest).flat)
        change = change * np.minimum(1.0, longest / lengths(change))
        assert_close(after.weight, (1 - 0.3 * 0.1) * old.weight + change, xp, xp.asarray(Y), rtol=1e-9)
        if momentum:
            assert_close(memory["weight"]["velocity"], change, xp, xp.asarray(Y), rtol=1e-9)
    assert kinds == {False, True}


def learned_fast(bound):
    digits = pycopi.data.load_dataset("digits")
    x, classes = digits.x_train[:600], digits.y_train[:600]
    network = pycopi.mlp([64, 64, 64, 64, 64, 10], bias=True, decorrelated=False)
    settings, course = settings_of(rate=12.0, momentum=0.5, step_bound=bound), pycopi.Course(epochs=6)
    how = {"settings": settings, "batch_size": 32, "weight_schedule": course, "progress": False}
    state = pycopi.fit(network, pycopi.start(network, settings, like=x), x, classes, epochs=6, **how)
    return state.history[-1].accuracy


def test_a_bound_learns_at_a_rate_that_diverges_without():
    assert learned_fast(0.05) > 0.5
    with pytest.raises(pycopi.DivergenceError):
        learned_fast(None)


def test_a_bound_that_allows_no_step_is_an_error():
    message = "step_bound is 0.0, which allows no step; expected a number above 0, or None for no bound"
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.Decorrelated(step_bound=0.0)


def test_a_bounded_step_is_the_same_in_place():
    settings = settings_of(momentum=0.6, decay=0.1, step_bound=0.02)
    found = []
    for copy in (True, False):
        state = pycopi.start(NETWORK, settings, like=Y)
        for _ in range(3):
            state, _ = pycopi.train_step(NETWORK, state, Y, CLASSES, settings, copy=copy)
        found.append(state.parameters)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_inputs_of_any_scale_are_learned_alike(scale):
    """The first layer divided by the scale computes the same, and goes on doing so while it learns."""
    settings = settings_of(inputs=pycopi.SubspaceDecorrelation(rank=2))
    one = pycopi.start(NETWORK, settings, like=Y)
    first = one.parameters[0]
    other = one._replace(parameters=(first._replace(weight=first.weight / scale), *one.parameters[1:]))
    for _ in range(30):
        one, metrics = pycopi.train_step(NETWORK, one, Y, CLASSES, settings)
        other, same = pycopi.train_step(NETWORK, other, Y * scale, CLASSES, settings)
    assert float(same.loss) == pytest.approx(float(metrics.loss), rel=1e-6)
    assert_close(other.parameters[0].weight * scale, one.parameters[0].weight, NUMPY, Y, rtol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 32])
def test_fit_learns_in_batches_and_from_single_samples(batch_size):
    digits = pycopi.data.load_dataset("digits")
    x, classes = digits.x_train[:600], digits.y_train[:600]
    network = pycopi.mlp([64, 50, 10], bias=True, decorrelated=False)
    settings = settings_of()
    how = {"epochs": 4, "settings": settings, "batch_size": batch_size, "progress": False}
    state = pycopi.fit(network, pycopi.start(network, settings, like=x), x, classes, **how)
    assert state.history[-1].accuracy > 0.9


def test_memory_is_little_beside_the_weights():
    network = pycopi.mlp([300, 200, 10], bias=True, decorrelated=False)
    state = pycopi.start(network, settings_of())
    weights = sum(array.size for own in state.parameters for array in own.named().values())
    kept = sum(array.size for place, array in state.named().items() if place.startswith("optimizer"))
    assert kept < 0.6 * weights


def test_a_rule_that_proposes_no_gradient_is_an_error():
    settings = pycopi.Settings(rule="copi", optimizer="decorrelated")
    message = (
        "Decorrelated takes the gradient of a batch, but the rule proposed another change of weight; "
        "choose rule='gradient'"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.train_step(NETWORK, pycopi.start(NETWORK, settings, like=Y), Y, CLASSES, settings)


def test_momentum_out_of_range_is_an_error():
    message = "momentum is 1.0; expected a number of at least 0 and less than 1"
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.Decorrelated(momentum=1.0)


def test_a_course_rises_and_falls_over_the_whole_run():
    course = pycopi.Course(epochs=3, warm_up=0.2)
    factors = [course.within(epoch, step, 10) for epoch in range(3) for step in range(10)]
    assert factors[:6] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0])
    assert factors[6:] == pytest.approx([left / 24 for left in range(24, 0, -1)])
    assert [course(epoch) for epoch in range(4)] == [1.0, 1.0, 1.0, 0.0]
    cosine = pycopi.Course(epochs=1, warm_up=0.0, shape="cosine")
    assert [cosine.within(0, step, 4) for step in range(4)] == pytest.approx([1.0, 1.0, 0.75, 0.25])
    assert cosine.within(0, 5, 4) == course.within(2, 12, 10) == 0.0  # more batches than were announced


def test_fit_takes_each_step_of_a_course_at_its_own_rate():
    x, settings = Y.astype(np.float32), settings_of()
    course = pycopi.Course(epochs=2)
    state = pycopi.start(NETWORK, settings, like=x)
    how = {"settings": settings, "batch_size": 4, "seed": None, "progress": False}
    found = pycopi.fit(NETWORK, state, x, CLASSES, epochs=2, weight_schedule=course, **how)
    for epoch in range(2):
        for step in range(3):
            rows = slice(4 * step, 4 * step + 4)
            rates = pycopi.Rates(0.3 * course.within(epoch, step, 3), None)
            state, _ = pycopi.train_step(NETWORK, state, x[rows], CLASSES[rows], settings, rates)
    for own, expected in zip(found.parameters, state.parameters, strict=True):
        assert_close(own.weight, expected.weight.astype(np.float64), NUMPY, x, rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"warm_up": 1.0}, "warm_up is 1.0; expected a share of the run of at least 0 and less than 1"),
        ({"shape": "square"}, "shape is 'square'; expected one of linear, cosine"),
    ],
)
def test_a_course_out_of_range_is_an_error(fields, message):
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.Course(epochs=1, **fields)


def test_a_course_on_jax_has_a_rate_for_each_step_of_a_block():
    jnp = pytest.importorskip("jax.numpy")
    x, classes = np.tile(Y.astype(np.float32), (20, 1)), np.tile(CLASSES, 20)
    how = {"settings": settings_of(), "batch_size": 4, "epochs": 2, "weight_schedule": pycopi.Course(epochs=2)}
    wanted = pycopi.fit(NETWORK, NETWORK.init(0), x, classes, **how)
    moved = NETWORK.init(0, like=jnp.asarray(x))
    found = pycopi.fit(NETWORK, moved, jnp.asarray(x), jnp.asarray(classes), **how)
    for own, expected in zip(found.parameters, wanted.parameters, strict=True):
        np.testing.assert_allclose(np.asarray(own.weight), expected.weight, atol=1e-5)


class Endless:
    """Batches whose number is not known."""

    def __iter__(self):
        return iter([(Y, CLASSES)])


def test_a_course_takes_the_length_of_an_iterable():
    settings, course = settings_of(), pycopi.Course(epochs=2)
    batches = [(Y[:6], CLASSES[:6]), (Y[6:], CLASSES[6:])]
    how = {"settings": settings, "weight_schedule": course, "epochs": 2, "seed": None}
    found = pycopi.fit(NETWORK, NETWORK.init(0, like=Y), batches, **how)
    wanted = pycopi.fit(NETWORK, NETWORK.init(0, like=Y), Y, CLASSES, batch_size=6, **how)
    for own, expected in zip(found.parameters, wanted.parameters, strict=True):
        np.testing.assert_array_equal(own.weight, expected.weight)


def test_a_course_needs_data_of_known_length():
    settings = settings_of()
    batches = Endless()
    message = "weight_schedule is a Course, but the number of batches is unknown; give data that has a length"
    with pytest.raises(ValueError, match=within(message)):
        pycopi.fit(
            NETWORK, pycopi.start(NETWORK, settings, like=Y), batches, epochs=1, settings=settings,
            weight_schedule=pycopi.Course(epochs=1), progress=False,
        )  # fmt: skip


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_the_recipe_learns_a_table_of_any_scale_without_tuning(scale):
    classes = RNG.integers(0, 3, 300)
    x = (5.0 + RNG.normal(size=(300, 4)) + 2.0 * np.eye(3, 4)[classes]).astype(np.float32) * np.float32(scale)
    network, settings, arguments = pycopi.subspace_recipe(
        [4, 20, 3], epochs=10, batch_size=16, standardized=True
    )
    state = pycopi.start(network, settings, data=x)
    state = pycopi.fit(network, state, x, classes, progress=False, **arguments)
    assert state.history[-1].accuracy > 0.8


UNITS = {"zero": np.zeros(20), "constant": np.linspace(-3, 3, 20), "large": np.full(20, 1e6)}


@pytest.mark.parametrize("sizes", [[20, 8, 3], [20, 32, 32, 3], [20, 64, 64, 64, 3]])
@pytest.mark.parametrize("kind", UNITS)
def test_inputs_without_information_leave_the_recipe_at_the_loss_of_chance(kind, sizes):
    """Hidden units are 0 or at rounding size at first: a damping relative to these alone knows no bound."""
    rows = UNITS[kind] * (1.0 + 1e-8 * np.random.default_rng(1).normal(size=(200, 20)))
    x, classes = rows.astype(np.float32), np.random.default_rng(0).integers(3, size=200)
    network, settings, how = pycopi.subspace_recipe(sizes, epochs=5, batch_size=32, standardized=kind != "zero")
    state = pycopi.start(network, settings, data=x) if kind != "zero" else pycopi.start(network, settings)
    state = pycopi.fit(network, state, x, classes, progress=False, **how)
    assert state.history[-1].loss < 1.1 * np.log(3)


@pytest.mark.parametrize("seed", [1, 3])
def test_one_live_column_of_noise_leaves_a_deep_recipe_at_the_loss_of_chance(seed):
    generator = np.random.default_rng(seed)
    x = np.zeros((300, 20), np.float32)
    x[:, 0], classes = generator.normal(size=300), generator.integers(0, 3, 300)
    sizes = [20, 64, 64, 64, 64, 64, 3]
    network, settings, how = pycopi.subspace_recipe(sizes, epochs=8, batch_size=8, standardized=True)
    state = pycopi.fit(network, pycopi.start(network, settings, data=x), x, classes, progress=False, **how)
    assert state.history[-1].loss < 1.1 * np.log(3)


def test_zeros_are_learned_alike_by_every_backend(xp):
    network = pycopi.mlp([20, 32, 32, 3], bias=True, decorrelated=False)
    settings, zeros = settings_of(), np.zeros((12, 20), np.float32)
    step = functools.partial(pycopi.train_step, network, settings=settings)
    state = pycopi.start(network, settings).map(xp.asarray)
    for _ in range(15):
        state, metrics = xp.call(step, state, xp.asarray(zeros), xp.asarray(CLASSES))
    assert float(metrics.loss) < 1.1 * np.log(3)


@pytest.mark.parametrize("scale", [1e-4, 1e-2])
def test_small_inputs_are_learned_by_a_deep_network(scale):
    """What the first layer makes of them is as small at first, and grows to its usual size in a few steps."""
    digits = pycopi.data.load_dataset("digits")
    x, classes = digits.x_train[:800] * np.float32(scale), digits.y_train[:800]
    network, settings, how = pycopi.subspace_recipe([64, 64, 64, 64, 64, 10], epochs=6, batch_size=32)
    state = pycopi.fit(network, pycopi.start(network, settings), x, classes, progress=False, **how)
    assert state.history[-1].accuracy > 0.9
