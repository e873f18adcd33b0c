"""Correlation and whitening: against plain formulas on every backend."""

import numpy as np
import pytest
import reference
from analysed import NETWORK, PARAMETERS, Y
from assertions import assert_close, assert_same, exactly, tolerance
from backends import NUMPY
from hypothesis import given, settings
from networks import move
from strategies import SEEDS, batches, sizes

import pycopi
from pycopi import analysis
from pycopi.analysis import correlation


@settings(max_examples=10)  # every shape is compiled anew on some libraries
@given(features=batches())
def test_correlation_matrix_is_the_plain_formula(eager, features):
    like = eager.asarray(features)
    matrix = analysis.correlation_matrix(like)
    wanted = reference.correlation(features.astype(np.float64))
    rtol = tolerance(features.dtype, 4 * features.size)
    assert_close(matrix, wanted, eager, like, rtol=rtol)
    mean = analysis.off_diagonal_correlation(like)
    assert analysis.mean_off_diagonal(matrix) == pytest.approx(mean, abs=rtol)


def test_correlation_of_many_samples_and_features(monkeypatch):
    features = np.random.default_rng(0).normal(size=(23, 17)) + 1.0
    features[:, 3] = 0.0
    whole, mean = analysis.correlation_matrix(features), analysis.off_diagonal_correlation(features)
    monkeypatch.setattr(correlation, "_SAMPLES", 5)
    monkeypatch.setattr(correlation, "_FEATURES", 4)
    assert_close(analysis.correlation_matrix(features), whole, NUMPY, features, rtol=1e-15)
    assert analysis.off_diagonal_correlation(features) == pytest.approx(mean, rel=1e-13)


def test_correlation_of_extreme_values_is_finite():
    features = np.array([[1e200, 1e-200], [1e200, 2e-200]])
    wanted = np.array([[1.0, 3 / np.sqrt(10)], [3 / np.sqrt(10), 1.0]])
    assert_close(analysis.correlation_matrix(features), wanted, NUMPY, features, rtol=1e-15)


def test_correlations_of_layers_before_and_after(xp):
    trace = NETWORK.trace(PARAMETERS, Y)
    sent = [Y, *map(np.tanh, trace.preactivations)]
    like = xp.asarray(Y)
    layers = xp.call(
        lambda parameters, y: analysis.layer_correlations(NETWORK, parameters, y, batch_size=4),
        move(PARAMETERS, xp),
        like,
    )
    for layer, y, x in zip(layers, sent, trace.decorrelated, strict=False):
        assert_close(layer.before, reference.correlation(y), xp, like, rtol=1e-14)
        assert_close(layer.after, reference.correlation(x), xp, like, rtol=1e-14)
    assert len(layers) == 3


def test_training_lowers_the_correlation_of_every_layer(trained):
    network, parameters, digits = trained
    for layer in analysis.layer_correlations(network, parameters, digits.x_train):
        before, after = map(analysis.mean_off_diagonal, layer)
        assert after < 0.75 * before


# ZCA


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zca_is_the_plain_formula(eager, dtype, centred):
    y = (Y @ np.diag([3.0, 1.0, 0.5, 1.0, 0.0])).astype(dtype)
    like = eager.asarray(y)
    if eager.name == "array-api-strict":  # its fixture offers no extension
        message = "array_api_strict has no linalg.eigh, which computes eigenvalues; convert the array to NumPy"
        with pytest.raises(NotImplementedError, match=exactly(message)):
            analysis.zca(like)
        return
    whitening = analysis.zca(like, epsilon=0.01, centred=centred, batch_size=4)
    wanted = reference.zca(y.astype(np.float64), 0.01, centred=centred)
    rtol = tolerance(dtype, 200)
    assert_close(whitening.matrix, wanted, eager, like, rtol=rtol)
    rows = y - y.mean(axis=0) if centred else y
    assert_close(whitening.apply(like), rows.astype(np.float64) @ wanted, eager, like, rtol=rtol)
    assert (whitening.mean is not None) == centred


@given(seed=SEEDS, features=sizes(1, 6))
def test_zca_whitens(seed, features):
    y = np.random.default_rng(seed).normal(size=(40, features)) + 1.0
    x = analysis.zca(y, epsilon=0.0, centred=True).apply(y)
    assert_close(x.T @ x / 40, np.eye(features), NUMPY, y, rtol=1e-11)
    assert_close(x.mean(axis=0), np.zeros(features), NUMPY, y, rtol=1e-12)


def test_zca_without_epsilon_drops_directions_without_power():
    y = Y.copy()
    y[:, 4] = y[:, 3]
    x = analysis.zca(y, epsilon=0.0).apply(y)
    values = np.linalg.eigvalsh(x.T @ x / len(y))
    assert_close(values, np.array([0.0, 1.0, 1.0, 1.0, 1.0]), NUMPY, y, rtol=1e-10)


def test_whitening_leaves_its_inputs_alone():
    before = Y.copy()
    analysis.zca(Y, centred=True).apply(Y)
    assert_same(Y, before)


def test_correlation_of_known_features(eager):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 700))
    x[:, 3] = 0.0
    x[:, 5] = x[:, 4]
    norms = np.sqrt((x**2).sum(axis=0))
    live = norms > 0
    scaled = x[:, live] / norms[live]
    matrix = np.abs(scaled.T @ scaled)
    wanted = (matrix.sum() - live.sum()) / (live.sum() * (live.sum() - 1))
    found = pycopi.analysis.off_diagonal_correlation(eager.asarray(x))
    assert found == pytest.approx(wanted, rel=1e-12)
    assert pycopi.analysis.off_diagonal_correlation(eager.asarray(np.zeros((3, 2)))) == 0.0
