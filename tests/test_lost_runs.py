"""Nothing is lost: whatever ends a run hands over its last complete state, and no healthy run is ended."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from assertions import assert_same
from fitting import CLASSES, NETWORK, START, Broken, X, assert_same_run, batches_of, run

import pycopi
from pycopi.data import load_dataset


def diverged():
    with pytest.raises(pycopi.DivergenceError) as caught:
        run(weight_schedule=lambda epoch: 1e30 if epoch == 2 else 1.0)
    return caught.value


def test_exceptions_that_carry_a_state_can_be_pickled():
    error = diverged()
    other = pickle.loads(pickle.dumps(error))
    assert (str(other), other.layer, other.epoch, other.step) == (
        str(error),
        error.layer,
        error.epoch,
        error.step,
    )
    assert other.causes == error.causes
    assert_same_run(other.state, error.state)
    assert_same(other.parameters[0].weight, error.parameters[0].weight)
    interrupted = pickle.loads(pickle.dumps(pycopi.TrainingInterrupted(error.state)))
    assert_same_run(interrupted.state, error.state)
    stop = pycopi.early_stopping(patience=3, monitor="loss")
    stop(error.state)
    assert pickle.loads(pickle.dumps(stop)).patience == 3


POOL = """
import multiprocessing
import numpy as np
import pycopi

network = pycopi.mlp([4, 3])
x, y = np.random.default_rng(0).random((64, 4), np.float32), np.arange(64) % 3

def of_gain(gain):
    settings = pycopi.Settings(gain=gain, step_bound=None)
    state = pycopi.fit(network, network.init(0), x, y, epochs=3, settings=settings, weight_schedule=abs)
    return state.history[-1].loss

with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map_async(of_gain, [1.0, 1e9, 2.0])
    try:
        found.get(timeout=60)
    except pycopi.DivergenceError as error:
        print(len(error.state.history))
"""


def test_a_run_that_diverges_in_a_worker_does_not_hang_its_pool():
    found = subprocess.run([sys.executable, "-c", POOL], capture_output=True, text=True, check=True)
    assert found.stdout == "1\n"


class Slotted(Exception):
    __slots__ = ()


@pytest.mark.parametrize("kind", [OSError, ZeroDivisionError, MemoryError, Slotted])
def test_an_exception_of_the_source_carries_the_last_state(kind):
    with pytest.raises(kind, match="the disk is gone") as caught:
        run(Broken(kind("the disk is gone")), None)
    assert_same_run(caught.value.state, run(batches_of(16), None, epochs=2))
    assert "2 epochs are complete" in caught.value.__notes__[0]


def test_an_exception_of_a_callback_carries_the_epoch_that_it_was_called_for():
    def fail(state):
        if len(state.history) == 3:
            raise RuntimeError("the callback failed")  # noqa: EM101

    with pytest.raises(RuntimeError, match="the callback failed") as caught:
        run(callbacks=[fail])
    assert_same_run(caught.value.state, run(epochs=3))


def test_a_history_that_was_json_is_taken_back():
    early = run(epochs=2)
    records = json.loads(json.dumps([record._asdict() for record in early.history]))
    history = tuple(map(pycopi.EpochRecord.from_json, records))
    assert_same_run(run(parameters=pycopi.State(early.parameters, history=history)), run())


def test_early_stopping_hands_back_the_best_parameters():
    seen = []
    kept = pycopi.early_stopping(patience=2, monitor="validation_loss")
    guesses = np.random.default_rng(0).permutation(CLASSES)  # the surer the network, the worse it guesses these
    state = run(callbacks=[seen.append, kept], validation=(X, guesses), epochs=12)
    losses = [record.validation_loss for record in state.history]
    best = 1 + losses.index(min(losses[1:]))
    assert state.selected == best < len(state.history)
    assert_same_run(state._replace(history=()), seen[best - 1]._replace(history=()))
    assert state.history == seen[-1].history


def test_early_stopping_keeps_the_last_parameters_where_they_are_the_best():
    stop = pycopi.early_stopping(patience=50, monitor="loss")
    state = run(callbacks=[stop], epochs=3)
    assert state.selected is None
    assert_same_run(state, run(epochs=3))


def test_a_loop_of_single_epochs_trains_the_weights():
    state = run(epochs=1)
    assert_same(state.parameters[0].weight, START[0].weight)
    for _ in range(10):
        state = run(epochs=1, parameters=state.parameters)
    assert state.history[-1].weight_rate > 0
    assert state.history[-1].accuracy > 0.9


def test_a_network_without_decorrelators_trains_from_the_first_epoch_on():
    network = pycopi.mlp([6, 8, 3], decorrelated=False)
    settings = pycopi.Settings(rule="gradient", rate=0.5, gain=1.0)
    state = run(network=network, parameters=network.init(0), settings=settings)
    assert [record.weight_rate for record in state.history] == [0.5] * 4


@pytest.mark.parametrize("samples", [20, 80])
def test_updates_every_so_many_steps_count_over_epochs(samples):
    settings = pycopi.Settings(gain=10.0, decorrelation=pycopi.Decorrelation(rate=0.1, every=5))
    data = X[:samples], CLASSES[:samples]
    state = run(
        *data, epochs=6, batch_size=20, seed=None, settings=settings, weight_schedule=pycopi.Schedule(start=9)
    )
    steps = 6 * samples // 20
    parameters = START
    for step in range(steps):
        rows = slice(20 * step % samples, 20 * step % samples + 20)
        rates = pycopi.Rates(None, None if step % 5 else 0.1)
        parameters, _ = pycopi.train_step(NETWORK, parameters, X[rows], CLASSES[rows], settings, rates)
    for own, other in zip(state.parameters, parameters, strict=True):
        assert_same(own.decorrelator, other.decorrelator)
    early = run(
        *data, epochs=2, batch_size=20, seed=None, settings=settings, weight_schedule=pycopi.Schedule(start=9)
    )
    late = run(
        *data, early, epochs=6, batch_size=20, seed=None, settings=settings,
        weight_schedule=pycopi.Schedule(start=9),
    )  # fmt: skip
    assert_same(late.parameters[0].decorrelator, state.parameters[0].decorrelator)


@pytest.mark.parametrize("rule", ["gradient", "adam"])
def test_moments_and_feedback_are_not_held_against_the_limit(rule):
    digits = load_dataset("digits")
    network = pycopi.mlp([64, 32, 10], decorrelated=False)
    settings = pycopi.Settings(
        rule=rule, rate=1e-3 if rule == "adam" else 1e-30, gain=1.0, credit="feedback_alignment"
    )
    start = pycopi.start(network, settings)
    start = start._replace(credit=tuple(feedback * np.float32(1e8) for feedback in start.credit))
    state = pycopi.fit(
        network, start, digits.x_train[:200] * np.float32(4000), digits.y_train[:200], epochs=3, batch_size=20,
        settings=settings, guard=pycopi.Guard(limit=1e5),
    )  # fmt: skip
    assert len(state.history) == 3
    assert rule == "gradient" or np.abs(state.optimizer[0]["weight"]["moments"]).max() > 1e5


def test_moments_that_are_not_finite_are_a_divergence():
    network = pycopi.mlp([6, 3], decorrelated=False)
    settings = pycopi.Settings(rule="adam", rate=1e-3, gain=1e25)
    with pytest.raises(pycopi.DivergenceError, match="moments is no longer finite"):
        run(network=network, parameters=network.init(0), settings=settings)


@pytest.mark.parametrize("gain", [10.0, 1e3, 1e6])
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_a_bound_holds_variance_scaled_steps(gain, scale):
    targets = X @ np.random.default_rng(0).normal(size=(6, 1)).astype(np.float32)
    network = pycopi.mlp([6, 8, 1], bias=True)
    settings = pycopi.Settings(
        gain=gain, rate=1e-2, rule=pycopi.COPI(variance_scaled=True), step_bound=0.5,
        decorrelation=pycopi.Decorrelation(rate=1e-2, step_bound=0.5),
    )  # fmt: skip
    state = run(X * np.float32(scale), targets, network.init(0), network, settings=settings, epochs=20)
    assert state.history[-1].loss < state.history[0].loss


@pytest.mark.parametrize("gain", [10.0, 1e3, 1e6])
@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_a_bound_holds_biases_whatever_the_scale_of_the_inputs(gain, scale):
    network = pycopi.mlp([6, 3], bias=True)
    settings = pycopi.Settings(
        gain=gain, rate=1e-2, step_bound=0.5, decorrelation=pycopi.Decorrelation(step_bound=0.5)
    )
    state = run(
        X * np.float32(scale), network=network, parameters=network.init(0), settings=settings, epochs=20
    )
    assert state.history[-1].loss < state.history[0].loss


def test_the_correlation_left_is_measured_on_samples_from_all_over_the_data():
    """Data in the order of their classes: the first rows are no picture of the whole."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(2, 8, 8))
    x = np.concatenate([rng.normal(size=(6000, 8)) @ matrix for matrix in mixing]).astype(np.float32)
    y = np.repeat([0, 1], 6000)
    network = pycopi.mlp([8, 2])
    settings = pycopi.Settings(decorrelation=pycopi.Decorrelation(rate=0.0))
    state = run(
        x, y, network.init(0), network, epochs=1, settings=settings, weight_schedule=pycopi.Schedule(start=1)
    )
    record = state.history[0]
    assert record.correlation[0] == pytest.approx(pycopi.analysis.off_diagonal_correlation(x), abs=0.02)
    assert record.correlation_floor == pytest.approx(np.sqrt(2 / np.pi / 4096))


def test_the_floor_of_a_correlation_is_that_of_independent_features(rng):
    for samples in (50, 512):
        found = pycopi.analysis.off_diagonal_correlation(rng.normal(size=(samples, 200)))
        assert found == pytest.approx(pycopi.analysis.correlation_floor(samples), rel=0.03)
