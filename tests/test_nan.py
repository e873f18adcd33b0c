"""NaN is never silent: a step, a block of steps and a prediction say that the network has diverged."""

import exact
import numpy as np
import pytest
from assertions import assert_same, exactly, within
from fitting import CLASSES, NETWORK, START, X
from networks import move

import pycopi

LARGE = exact.settings(rate=1.0, gain=1e8)


def diverge(network, parameters, inputs, targets, **keywords):
    """Take steps that are far too large until one of them notices."""
    for index in range(100):
        rows = slice(index % 50, index % 50 + 1)
        kept = parameters
        with np.errstate(all="ignore"):
            parameters, _ = pycopi.train_step(
                network, parameters, inputs[rows, ...], targets[rows], LARGE, **keywords
            )
    return kept


@pytest.mark.parametrize("copy", [True, None])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loop_of_steps_that_diverges_says_so(eager, copy):
    parameters = move(START, eager)
    with pytest.raises(pycopi.DivergenceError) as caught:
        diverge(NETWORK, parameters, eager.asarray(X), eager.asarray(CLASSES), copy=copy)
    error = caught.value
    assert (error.epoch, error.step, error.state) == (None, None, None)
    assert f"training diverged in layer {error.layer}: the loss of this batch is " in str(error)
    assert str(error).endswith("Settings(step_bound=0.5)")
    for own in error.parameters:
        assert own.weight.shape in ((8, 6), (3, 8))


def test_a_step_that_notices_changes_nothing():
    parameters = tuple(own._replace(weight=own.weight * np.float32(np.nan)) for own in START)
    kept = parameters[1].decorrelator.copy()
    for rows in (1, 4):
        with pytest.raises(pycopi.DivergenceError, match=within("the loss of this batch is nan, so these")):
            pycopi.train_step(NETWORK, parameters, X[:rows], CLASSES[:rows], pycopi.Settings(), copy=False)
    assert_same(parameters[1].decorrelator, kept)


def test_a_block_of_steps_that_diverges_says_so(eager):
    inputs, targets = np.tile(X[:4], (60, 1, 1)), np.tile(CLASSES[:4], (60, 1))
    with pytest.raises(pycopi.DivergenceError), np.errstate(all="ignore"):
        pycopi.train_steps(NETWORK, move(START, eager), eager.asarray(inputs), eager.asarray(targets), LARGE)


def test_a_prediction_that_is_not_finite_is_an_error(eager):
    parameters = move(tuple(own._replace(weight=own.weight * np.float32(np.nan)) for own in START), eager)
    message = "outputs are not finite although the inputs are: the network has diverged in training"
    message += "; go back to earlier parameters, such as those that DivergenceError carries"
    with pytest.raises(ArithmeticError, match=exactly(message)):
        NETWORK.predict(parameters, eager.asarray(X))


def test_single_samples_at_the_papers_settings_need_their_share():
    """Rates for batches of 50 are a fiftieth for one sample."""
    network = pycopi.mlp([6, 8, 8, 3])
    parameters = network.init(0)
    right = 0.0
    for index in range(600):
        rows = slice(index % 120, index % 120 + 1)
        rates = pycopi.Rates(1e-3, 1e-3, share=1 / 50)
        parameters, metrics = pycopi.train_step(
            network, parameters, X[rows], CLASSES[rows], exact.settings(), rates
        )
        right += float(metrics.accuracy) * (index >= 480)
    assert right / 120 > 0.95
