"""Data of any scale: inputs that a network standardises, outputs in the units of the targets."""

from dataclasses import replace

import exact
import numpy as np
import pytest
from assertions import assert_close, assert_same, exactly, within
from networks import move

import pycopi
from pycopi.activations import Affine
from pycopi.rules.standardisation import LIMIT, mean_and_spread

RNG = np.random.default_rng(3)
N = 200
CENTRES = RNG.normal(size=(3, 5))
CLASSES = np.arange(N) % 3
X = (CENTRES[CLASSES] + 0.5 * RNG.normal(size=(N, 5))).astype(np.float32)
SCALES = np.array([1e-6, 1e6, 1.0, 255.0, 1e-2], np.float32)
RAW = X * SCALES + 100.0 * SCALES
NETWORK = pycopi.mlp([5, 16, 3], bias=True, standardized=True)
BOUNDED = pycopi.Settings(loss="cross_entropy")


def fit(inputs=RAW, targets=CLASSES, network=NETWORK, parameters=None, **changes):
    parameters = network.init(0, data=inputs) if parameters is None else parameters
    keywords = {"epochs": 15, "batch_size": 32, "settings": BOUNDED, **changes}
    return pycopi.fit(network, parameters, inputs, targets, **keywords)


def test_a_standardized_network_learns_from_features_of_any_scale():
    state = fit()
    assert pycopi.evaluate(NETWORK, state.parameters, RAW, CLASSES, loss="cross_entropy").accuracy > 0.95
    assert_same(state.parameters[0].mean, NETWORK.init(0, data=RAW)[0].mean)


@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])
def test_a_scale_of_the_inputs_changes_nothing(scale):
    """Powers of two scale floating-point numbers exactly."""
    scaled = RAW * np.float32(scale)
    state, other = fit(), fit(scaled)
    for own, same in zip(other.parameters, state.parameters, strict=True):
        assert_same(own.weight, same.weight)
        assert_same(own.decorrelator, same.decorrelator)
    predicted = NETWORK.predict(other.parameters, scaled)
    assert_same(predicted, NETWORK.predict(state.parameters, RAW))


def test_standardised_inputs_are_what_the_equation_says(eager):
    parameters = NETWORK.init(0, data=RAW)
    own = parameters[0]
    wanted = np.clip((RAW - own.mean) / own.spread, -LIMIT, LIMIT).astype(np.float64)
    assert np.abs(wanted.mean(axis=0)).max() < 0.05
    assert np.abs(wanted.std(axis=0) - 1.0).max() < 0.05
    moved = move(parameters, eager)
    trace = NETWORK.forward(moved, eager.asarray(RAW))
    assert_close(trace.decorrelated[0], wanted, eager, moved[0].weight, rtol=1e-6)
    state = fit(epochs=2)
    found = pycopi.fit(
        NETWORK, moved, eager.asarray(RAW), eager.asarray(CLASSES), epochs=2, batch_size=32, settings=BOUNDED
    )
    for array, same in zip(found.parameters, state.parameters, strict=True):
        assert_close(array.weight, same.weight.astype(np.float64), eager, moved[0].weight, rtol=1e-4)


def test_one_row_is_standardised_as_a_batch_is():
    parameters = fit(epochs=3).parameters
    settings = pycopi.Settings(gain=1.0)
    row, _ = pycopi.train_step(NETWORK, parameters, RAW[:1], CLASSES[:1], settings)
    twice, _ = pycopi.train_step(NETWORK, parameters, RAW[[0, 0]], CLASSES[[0, 0]], settings)
    for own, other in zip(row, twice, strict=True):
        np.testing.assert_allclose(own.weight, other.weight, rtol=0, atol=1e-5)
        np.testing.assert_allclose(own.decorrelator, other.decorrelator, rtol=0, atol=1e-5)


def test_folded_saved_and_frozen_networks_take_raw_data(tmp_path):
    frozen = {"decorrelation_schedule": pycopi.Schedule(freeze_after=(2, None))}
    state, kept = fit(**frozen), fit(keep_decorrelated=True, **frozen)
    wanted = NETWORK.predict(state.parameters, RAW)
    np.testing.assert_allclose(NETWORK.predict(kept.parameters, RAW), wanted, rtol=0, atol=1e-3)
    folded = NETWORK.fold(state.parameters)
    np.testing.assert_allclose(folded.network.predict(folded.parameters, RAW), wanted, rtol=0, atol=1e-4)
    pycopi.save(tmp_path / "m.safetensors", NETWORK, state.parameters)
    saved = pycopi.load(tmp_path / "m.safetensors")
    assert saved.network == NETWORK
    assert_same(saved.network.predict(saved.parameters, RAW), wanted)


@pytest.mark.parametrize("wild", [1e6, 1e30])
def test_an_enormous_value_leaves_the_spread_of_its_feature_as_it_is(wild):
    spoiled = RAW.copy()
    spoiled[7, 2] = wild
    mean, spread = mean_and_spread(RAW)
    other_mean, other_spread = mean_and_spread(spoiled)
    np.testing.assert_allclose(other_spread, spread, rtol=0.1)
    np.testing.assert_allclose(other_mean / spread, mean / spread, atol=0.1)
    state = fit(spoiled)
    assert pycopi.evaluate(NETWORK, state.parameters, RAW, CLASSES, loss="cross_entropy").accuracy > 0.95


def test_odd_features_have_a_spread_that_divides():
    rows = np.zeros((1000, 5))
    rows[:, 1] = 7.0  # constant
    rows[3, 2] = 1.0  # a rare flag
    rows[:, 3] = 1e6 + 1e-4 * RNG.normal(size=1000)  # varies by less than float32 can tell
    rows[:, 4] = RNG.standard_cauchy(size=1000)
    mean, spread = mean_and_spread(rows)
    assert spread[0] == spread[1] == spread[3] == 1.0
    assert spread[2] == pytest.approx(np.std(rows[:, 2]), rel=0.01)
    assert np.isfinite(spread[4])
    assert spread[4] < np.std(rows[:, 4])
    assert np.abs(mean[[0, 1]] - [0.0, 7.0]).max() == 0.0
    assert mean_and_spread(rows[:1])[1].tolist() == [1.0] * 5


@pytest.mark.parametrize("most", [1.7e308, 3e38])
def test_the_spread_of_enormous_values_is_finite(most):
    for count in (2, 10):
        rows = np.array([[most] * 2, [-most] * 2] * (count // 2))
        assert np.isfinite(mean_and_spread(rows)[1]).all()
    assert np.isfinite(mean_and_spread(np.array([[3e38], [-3e38]]))[1].astype(np.float32)).all()


def test_features_in_one_unit_keep_their_ratio():
    deviations = np.array([1.0, 4.0, 0.25, 1.0, 1e-9])
    rows = RNG.uniform(-1, 1, size=(1000, 5)) * deviations * np.sqrt(3)
    power = rows.var(axis=0) / mean_and_spread(rows)[1] ** 2
    np.testing.assert_allclose(power, np.array([1.0, 16.0, 0.0625, 1.0, 4.515625]) / 4.515625, rtol=0.1)


@pytest.mark.parametrize(("count", "share"), [(4000, 0.0), (5, 0.5)])
def test_a_feature_in_another_unit_makes_all_alike_as_far_as_rows_tell(count, share):
    rows = RNG.normal(size=(count, 3))
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0) * [1.0, 4.0, 1e6]
    power = rows.var(axis=0) / mean_and_spread(rows)[1] ** 2
    np.testing.assert_allclose(power[1] / power[0], 16.0**share, rtol=0.02)
    np.testing.assert_allclose(power.mean(), (count - 1) / (count + 1), rtol=0.5 * share + 0.01)


def test_a_feature_that_varies_most_by_far_is_not_clipped_more_than_others():
    rows = RNG.uniform(-1, 1, size=(1000, 40)) * np.where(np.arange(40) == 7, 9.0, 1.0)
    power = rows.var(axis=0) / mean_and_spread(rows)[1] ** 2
    np.testing.assert_allclose(power[7], 4.0 * 999 / 1001, rtol=1e-6)


@pytest.mark.parametrize(("rows", "share"), [(500, 1.0), (100, 0.5), (20, 0.1), (1, 0.1)])
def test_weights_of_a_first_layer_begin_smaller_where_data_are_fewer_than_features(rows, share):
    data = RNG.normal(size=(rows, 200))
    small = pycopi.mlp([200, 30, 2], standardized=True).init(0, data=data)
    usual = pycopi.mlp([200, 30, 2]).init(0)
    np.testing.assert_allclose(small[0].weight, share * usual[0].weight, rtol=1e-6)
    np.testing.assert_array_equal(small[1].weight, usual[1].weight)


WRONG_WIDTH = (
    "data has shape (200, 4) but the network takes 5 features; "
    "expected (any, 5), or a network made for 4 inputs"
)
MISSING = (
    "the network is standardized, so init needs the data whose mean and spread it should take; "
    "use network.init(seed, data=x_train)"
)
TOO_MANY = (
    "the network is not standardized, so init takes no data whose mean and spread it should take; "
    "use mlp(..., standardized=True)"
)


@pytest.mark.parametrize(
    ("network", "data", "message"),
    [
        (NETWORK, None, MISSING),
        (pycopi.mlp([5, 3]), RAW, TOO_MANY),
        (NETWORK, RAW[:, :4], WRONG_WIDTH),
        (NETWORK, RAW[:0], "data has no rows; expected a batch of at least one sample"),
    ],
    ids=["missing", "too many", "features", "empty"],
)
def test_data_for_the_scales_are_checked(network, data, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network.init(0, data=data)


def test_only_the_first_layer_standardises():
    layers = (pycopi.Dense(5, 4), pycopi.Dense(4, 3, standardized=True))
    message = "a layer above the first is standardized; expected the first alone, which takes the inputs"
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.Network(layers)


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e5])
@pytest.mark.parametrize("columns", [1, 2])
def test_targets_of_any_scale_are_learned_in_their_units(unit, columns):
    wanted = X @ RNG.normal(size=(5, columns)).astype(np.float32)
    targets = (unit * (wanted + 40.0)).astype(np.float32)
    network = pycopi.mlp([5, 16, columns], bias=True, standardized=True, output_activation=Affine.of(targets))
    settings = pycopi.Settings()
    state = fit(targets=targets, network=network, settings=settings, epochs=40)
    found = network.predict(state.parameters, RAW)
    errors = ((found - targets) ** 2).sum(axis=0) / ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    assert errors.max() < 0.1
    assert pycopi.evaluate(network, state.parameters, RAW, targets).loss == pytest.approx(
        0.5 * ((found - targets) ** 2).sum(axis=1).mean(), rel=1e-4
    )


def test_a_change_of_units_is_undone_by_its_inverse(eager):
    units = Affine((2.0, 1e-3), (-1.0, 50.0))
    a = RNG.normal(size=(4, 2))
    outputs = units(eager.asarray(a))
    assert_close(outputs, a * [2.0, 1e-3] + [-1.0, 50.0], eager, outputs, rtol=1e-14)
    assert_close(units.invert(outputs), a, eager, outputs, rtol=1e-11)
    assert Affine.of(np.array([3.0, 3.0])) == Affine((1.0,), (3.0,))
    with pytest.raises(ValueError, match=within("scale is 0.0; expected a finite number of at least")):
        Affine((0.0,))


DIVERGING = {
    "large inputs": (RAW, CLASSES, {}, exact.settings(gain=10.0)),
    "pixels": (np.abs(X) * np.float32(255.0), CLASSES, {}, exact.settings()),
    "steps of R": (X, CLASSES, {}, exact.settings(gain=1.0, decorrelation=exact.decorrelation(rate=30.0))),
    "steps of the weights": (X, CLASSES, {}, exact.settings(gain=1e5)),
    "gradient": (X, CLASSES, {}, exact.settings(rule="gradient", rate=1e3, gain=1.0)),
    "large targets": (X, (X[:, :1] * np.float32(1e4)).astype(np.float32), {}, exact.settings(gain=1e4)),
    "adam": (X, CLASSES, {}, exact.settings(rule="adam", rate=1e5, gain=1.0)),
}


def follow(cause, settings, keywords, targets):
    """Return settings and keywords of the network after doing what a cause advises."""
    advice, number = cause.python, cause.python.rpartition(" ")[2]
    if "standardized" in advice:
        return settings, {**keywords, "standardized": True}
    if "Affine" in advice:
        return settings, {**keywords, "output_activation": Affine.of(targets)}
    if "Decorrelation" in advice:
        return replace(settings, decorrelation=replace(settings.decorrelation, step_bound=0.5)), keywords
    if "Settings" in advice:
        return replace(settings, step_bound=0.5), keywords
    return replace(settings, **{"rate" if "rate" in advice else "gain": float(number)}), keywords


@pytest.mark.parametrize("case", DIVERGING)
def test_the_advice_of_a_divergence_makes_that_run_finish(case):
    inputs, targets, parts, settings = DIVERGING[case]
    keywords = {"bias": True}

    def attempt():
        network = pycopi.mlp([5, 16, 1 if targets.ndim == 2 else 3], **keywords)
        data = {"data": inputs} if "standardized" in keywords else {}
        with np.errstate(all="ignore"):
            return fit(inputs, targets, network, network.init(0, **data, **parts), settings=settings)

    for _ in range(2 if case == "pixels" else 1):  # scaled, pixels still take steps that are too long
        with pytest.raises(pycopi.DivergenceError) as caught:
            attempt()
        error = caught.value
        assert error.causes
        for cause in error.causes:
            assert cause.seen in str(error)
            assert cause.python in str(error)
            assert cause.flag in error.describe(flags=True)
            settings, keywords = follow(cause, settings, keywords, targets)
    state = attempt()
    assert len(state.history) == 15
    assert state.history[-1].loss <= state.history[0].loss * 1.5


def test_tiny_inputs_are_named_and_the_advice_helps():
    x, settings = X * np.float32(1e-12), exact.settings(rate=1.0, gain=1e6, loss="cross_entropy")
    network = pycopi.mlp([5, 16, 3], bias=True)
    with pytest.raises(
        pycopi.DivergenceError, match=r"the inputs have a root mean square of 1.*e-12"
    ) as caught:
        pycopi.fit(network, network.init(0), x, CLASSES, epochs=15, settings=settings)
    assert "standardized=True" in str(caught.value)
    state = fit(x)
    assert pycopi.evaluate(NETWORK, state.parameters, x, CLASSES, loss="cross_entropy").accuracy > 0.9
