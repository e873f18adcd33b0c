"""Doing less work than the paper: parts of a batch, some steps, frozen layers, and the bound of a step."""

import exact
import numpy as np
import pytest
import reference
from assertions import assert_close, assert_same, exactly
from backends import NUMPY
from hypothesis import given
from hypothesis import strategies as st
from networks import move, scrambled
from strategies import batches

import pycopi
from pycopi.rules.power import mean_square
from pycopi.rules.stability import bounded_rate, largest_power
from pycopi.training.batches import open_batches
from pycopi.training.frozen import decorrelate_data

RNG = np.random.default_rng(3)
Y = RNG.normal(size=(10, 4))
CLASSES = np.arange(10) % 3
NETWORK = pycopi.mlp([4, 5, 3], bias=True)
START = scrambled(NETWORK, 1)
PLAIN = exact.settings(gain=50.0, rate=1e-2, decorrelation=exact.decorrelation(rate=1e-2))


def settings_of(**how):
    return exact.settings(gain=50.0, rate=1e-2, decorrelation=exact.decorrelation(rate=1e-2, **how))


def step(settings, rates=None):
    return pycopi.train_step(NETWORK, START, Y, CLASSES, settings, rates)[0]


def fit(**changes):
    how = {"epochs": 5, "settings": PLAIN, "batch_size": 5, "progress": False, **changes}
    return pycopi.fit(NETWORK, START, Y, CLASSES, **how)


@pytest.mark.parametrize("rule", ["covariance", "local"])
@pytest.mark.parametrize("credit", ["backpropagation", "feedback_alignment"])
def test_a_part_of_the_batch_moves_the_decorrelators_alone(xp, rule, credit):
    how = tuple(exact.decorrelation(rate=0.1, rule=rule, fraction=share) for share in (0.3, 0.5))
    settings = exact.settings(gain=50.0, rate=1e-2, credit=credit, decorrelation=how)
    whole = exact.settings(gain=50.0, rate=1e-2, credit=credit, decorrelation=exact.decorrelation(rate=0.0))
    like, targets = xp.asarray(Y), xp.asarray(CLASSES)
    state = pycopi.start(NETWORK, settings, parameters=scrambled(NETWORK, 1))
    parameters = state.parameters

    def take(state, inputs, targets):
        return pycopi.train_step(NETWORK, state, inputs, targets, settings)[0].parameters

    learned = xp.call(take, state.map(xp.asarray), like, targets)
    weights = pycopi.train_step(NETWORK, state, Y, CLASSES, whole)[0].parameters
    trace = NETWORK.forward(parameters, Y)
    for own, old, other, x, rows in zip(learned, parameters, weights, trace.decorrelated, (3, 5), strict=True):
        wanted = reference.decorrelation(old.decorrelator, x[:rows], 0.1, rule)
        assert_close(own.decorrelator, wanted, xp, like, rtol=1e-12)
        assert_close(own.weight, other.weight, xp, like, rtol=1e-12)


def test_shares_of_a_batch_are_rounded_and_at_least_one_row():
    rows = np.zeros((50, 2))
    shares = (1.0, 0.25, 0.01)
    assert [len(exact.decorrelation(fraction=share).sample(rows)) for share in shares] == [50, 13, 1]
    assert len(exact.decorrelation().sample(rows[:3])) == 3


def test_each_layer_has_its_own_decorrelation_and_the_last_stands_for_those_beyond():
    hows = tuple(exact.decorrelation(rate=rate) for rate in (1e-2, 2e-2))
    settings = exact.settings(rate=1e-2, decorrelation=hows)
    assert settings.rates == pycopi.Rates(1e-2, (1e-2, 2e-2))
    found = [learning.decorrelation for learning in settings.for_layers(settings.rates, 3)]
    assert found == [hows[0], hows[1], hows[1]]


def test_layers_may_learn_their_matrices_in_different_steps():
    """One layer in each step and one in every second: as two runs, each with one of the two schedules."""
    often, seldom = (exact.decorrelation(rate=1e-2, every=every) for every in (1, 2))
    how = {"weight_schedule": pycopi.Schedule(start=9), "epochs": 3}
    both = fit(settings=exact.settings(decorrelation=(seldom, often)), **how)
    first = fit(settings=exact.settings(decorrelation=seldom), **how)
    assert_same(both.parameters[0].decorrelator, first.parameters[0].decorrelator)
    second = fit(settings=exact.settings(decorrelation=often), **how)
    assert np.abs(both.parameters[1].decorrelator - first.parameters[1].decorrelator).max() > 1e-6
    assert np.abs(both.parameters[0].decorrelator - second.parameters[0].decorrelator).max() > 1e-6


def test_rates_may_differ_between_layers():
    frozen = step(PLAIN, pycopi.Rates(1e-2, (None, 1e-2)))
    assert_same(frozen[0].decorrelator, START[0].decorrelator)
    assert_same(frozen[1].decorrelator, step(PLAIN)[1].decorrelator)


def test_every_second_step_is_a_step_with_and_one_without():
    parameters = START
    for index in range(4):
        rates = pycopi.Rates(None, None if index % 2 else 1e-2)
        rows = slice(5, 10) if index % 2 else slice(0, 5)
        parameters, _ = pycopi.train_step(NETWORK, parameters, Y[rows], CLASSES[rows], PLAIN, rates)
    state = fit(epochs=2, settings=settings_of(every=2), seed=None, weight_schedule=pycopi.Schedule(start=9))
    for own, other in zip(state.parameters, parameters, strict=True):
        assert_close(own.decorrelator, other.decorrelator, NUMPY, Y, rtol=1e-14)


def test_a_frozen_first_layer_may_keep_its_decorrelated_data():
    schedule = pycopi.Schedule(freeze_after=(2, 4))
    assert [schedule(epoch) for epoch in (0, 3, 5)] == [(1.0, 1.0), (0.0, 1.0), (0.0, 0.0)]
    changes = {"decorrelation_schedule": schedule, "validation": (Y, CLASSES)}
    plain, kept = fit(**changes), fit(keep_decorrelated=True, **changes)
    early = fit(epochs=2, **changes)
    assert_same(plain.parameters[0].decorrelator, early.parameters[0].decorrelator)
    assert [record.decorrelation_rate for record in plain.history] == [1e-2] * 4 + [0.0]
    for own, other in zip(plain.parameters, kept.parameters, strict=True):
        for name, array in own.named().items():
            assert_close(array, getattr(other, name), NUMPY, Y, rtol=1e-11)
    for record, other in zip(plain.history, kept.history, strict=True):
        assert record.loss == pytest.approx(other.loss, rel=1e-11)
        assert record.validation_loss == pytest.approx(other.validation_loss, rel=1e-11)
        assert record.correlation == pytest.approx(other.correlation, rel=1e-9)


@pytest.mark.parametrize("thaw", [False, True])
def test_kept_data_change_nothing_that_a_callback_has_seen(thaw):
    seen = []

    def factor(epoch):
        return (0.0, 1.0) if epoch in (1, 2) or (not thaw and epoch > 0) else 1.0

    whole = fit(
        decorrelation_schedule=factor,
        keep_decorrelated=True,
        callbacks=[lambda state: seen.append([own.decorrelator.copy() for own in state.parameters])],
    )
    half = fit(epochs=3, decorrelation_schedule=factor, keep_decorrelated=True)
    rest = pycopi.fit(
        NETWORK, half, Y, CLASSES, epochs=5, settings=PLAIN, batch_size=5, progress=False,
        decorrelation_schedule=factor, keep_decorrelated=True,
    )  # fmt: skip
    for own, other, last in zip(whole.parameters, rest.parameters, seen[-1], strict=True):
        assert_same(own.weight, other.weight)
        assert_same(own.decorrelator, last)
    assert_same(half.parameters[0].decorrelator, seen[2][0])
    assert np.any(seen[4][0] != seen[2][0]) == thaw


def test_data_that_may_not_fit_into_memory_stay_as_they_are(tmp_path):
    np.save(tmp_path / "y.npy", Y)
    for source in (np.load(tmp_path / "y.npy", mmap_mode="r"), [(Y, CLASSES)]):
        targets = None if isinstance(source, list) else CLASSES
        batches = open_batches(NETWORK, START, source, targets, batch_size=5, seed=0)
        assert decorrelate_data(batches, START).batches is batches


def power_of(x):
    return float(largest_power(x, mean_square(x)))


@given(batches())
def test_the_largest_power_is_bounded_closely_from_above(x):
    wanted = float(np.linalg.eigvalsh(x.astype(np.float64).T @ x / len(x))[-1])
    found = power_of(x)
    assert wanted * (1 - 1e-5) <= found <= wanted * len(x) ** 0.125 * (1 + 1e-5) + 1e-30


@given(batches(), st.floats(1e-3, 1e3))
def test_the_largest_power_scales_with_the_square(x, factor):
    assert power_of(x * np.asarray(factor, x.dtype)) == pytest.approx(power_of(x) * factor**2, rel=1e-4)


def test_a_bound_beyond_every_step_is_no_bound_to_the_last_bit(xp):
    settings = exact.settings(gain=50.0, rate=1e-2, step_bound=1e9)
    unbounded = exact.settings(gain=50.0, rate=1e-2)
    live, like, targets = move(START, xp), xp.asarray(Y), xp.asarray(CLASSES)
    bounded, _ = pycopi.train_step(NETWORK, live, like, targets, settings)
    plain, _ = pycopi.train_step(NETWORK, live, like, targets, unbounded)
    for own, other in zip(bounded, plain, strict=True):
        assert_close(own.weight, np.asarray(xp.numpy(other.weight), np.float64), xp, like, rtol=1e-15)


def test_a_bound_is_the_same_on_every_backend(xp):
    settings = exact.settings(gain=50.0, rate=1e-2, step_bound=0.1)
    live, like, targets = move(START, xp), xp.asarray(Y), xp.asarray(CLASSES)

    def take(parameters, inputs, targets):
        return pycopi.train_step(NETWORK, parameters, inputs, targets, settings)[0]

    wanted = []
    trace = NETWORK.forward(START, Y)
    for index, x in enumerate(trace.decorrelated):
        rate = float(bounded_rate(1e-2, 50.0, x, mean_square(x), 0.1, 1.0))
        assert rate == pytest.approx(min(1e-2, 0.1 / 50.0 / (power_of(x) + 1.0)))  # 1 is of the bias
        slow = exact.settings(gain=50.0, rate=rate)
        wanted.append(step(slow)[index].weight)
    for own, weight in zip(xp.call(take, live, like, targets), wanted, strict=True):
        assert_close(own.weight, weight, xp, like, rtol=1e-11)


def test_the_bound_of_decorrelation_is_a_smaller_rate(xp):
    how = exact.decorrelation(rate=5.0, fraction=0.5, step_bound=0.5)
    settings = exact.settings(gain=50.0, rate=1e-2, decorrelation=how)
    live, like, targets = move(START, xp), xp.asarray(Y), xp.asarray(CLASSES)
    learned, _ = pycopi.train_step(NETWORK, live, like, targets, settings)
    trace = NETWORK.forward(START, Y)
    for own, old, x in zip(learned, START, trace.decorrelated, strict=True):
        rate = min(5.0, 0.5 / power_of(x[:5]))
        assert_close(
            own.decorrelator, reference.decorrelation(old.decorrelator, x[:5], rate), xp, like, rtol=1e-11
        )


def test_the_bound_tames_a_step_that_overshoots():
    """Correlated inputs at a large gain: the loss grows without the bound, and falls with it."""
    x = (RNG.uniform(size=(200, 4)) + 3.0).astype(np.float32)
    network = pycopi.mlp([4, 3])
    how = {"epochs": 8, "batch_size": 20, "progress": False, "weight_schedule": pycopi.Schedule()}
    data = network, network.init(0), x, np.arange(200) % 3
    slow = exact.decorrelation(rate=1e-6)
    with pytest.raises(pycopi.DivergenceError):
        pycopi.fit(*data, settings=exact.settings(decorrelation=slow), **how)
    state = pycopi.fit(*data, settings=exact.settings(decorrelation=slow, step_bound=1.0), **how)
    assert state.history[-1].loss < state.history[0].loss


ERRORS = {
    "fraction": (lambda: exact.decorrelation(fraction=0.0), "fraction is 0.0; expected a number above 0 and"),
    "fractions": (lambda: exact.decorrelation(fraction=(1.0, 0.5)), "fraction is a tuple; expected a number"),
    "every": (lambda: exact.decorrelation(every=0), "every is 0; expected a whole number of at least 1"),
    "bound": (lambda: exact.settings(step_bound=0.0), "step_bound is 0.0, which allows no step; expected"),
    "R's bound": (lambda: exact.decorrelation(step_bound=0), "step_bound is 0.0, which allows no step; exp"),
    "adam": (
        lambda: exact.settings(rule="adam", step_bound=1.0),
        "step_bound is given with the optimizer Adam,",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, message = ERRORS[name]
    with pytest.raises((ValueError, TypeError), match="^" + exactly(message)[1:-1]):
        call()
