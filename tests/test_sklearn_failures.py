"""What is left of an estimator whose training fails or is interrupted."""

import numpy as np
import pytest

import pycopi

pytest.importorskip("sklearn")
from pycopi.sklearn import COPIClassifier, COPIRegressor

X = np.random.default_rng(0).normal(size=(60, 4))
Y = (X[:, 0] > 0).astype(int)


def fitted(**parameters):
    return COPIClassifier(random_state=0, max_iter=4, hidden_layer_sizes=8, **parameters).fit(X, Y)


@pytest.mark.parametrize(
    ("parameters", "data", "error"),
    [
        ({"batch_size": 0}, (X, Y), ValueError),
        ({"max_iter": 0}, (X, Y + 1), ValueError),
        ({"step_bound": None, "rate": 1e30}, (X, Y), pycopi.DivergenceError),
        ({}, (X[:, :2] * np.nan, Y), ValueError),
    ],
)
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_fit_that_fails_leaves_the_model_as_it_was(parameters, data, error, warm_start):
    model = fitted(warm_start=warm_start)
    before, curve = model.predict_proba(X), model.loss_curve_
    usual = {name: getattr(model, name) for name in parameters}
    with pytest.raises(error):
        model.set_params(**parameters).fit(*data)
    model.set_params(**usual)
    assert np.array_equal(model.predict_proba(X), before)
    assert (model.loss_curve_, list(model.classes_), model.n_features_in_) == (curve, [0, 1], 4)


def test_a_first_fit_that_fails_leaves_nothing():
    model = COPIRegressor(batch_size=0)
    with pytest.raises(ValueError, match="batch_size"):
        model.fit(X, X[:, 0])
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("done", [0, 3])
def test_an_interrupted_fit_keeps_complete_epochs(monkeypatch, done):
    whole = COPIClassifier(random_state=0, max_iter=9, hidden_layer_sizes=8)
    model, fit, calls = fitted(), pycopi.fit, []

    def interrupted(*arguments, **keywords):
        calls.append(0)
        if len(calls) > done:
            raise KeyboardInterrupt
        return fit(*arguments, **keywords)

    before = model.predict_proba(X)
    monkeypatch.setattr(pycopi, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(max_iter=9).fit(X, Y)
    monkeypatch.setattr(pycopi, "fit", fit)
    assert model.n_iter_ == (done or 4)
    assert np.array_equal(model.predict_proba(X), before) == (done == 0)
    if done:
        model.set_params(warm_start=True, max_iter=6).fit(X, Y)
        assert np.array_equal(model.predict_proba(X), whole.fit(X, Y).predict_proba(X))


@pytest.mark.parametrize(
    ("weights", "what"),
    [
        ({0: -1, 1: 2}, "-1"),
        ({0: np.nan, 1: 1.0}, "nan"),
        ({0: 1, 1: np.inf}, "inf"),
        ({0: 0, 1: 0}, "0 for every"),
    ],
)
def test_weights_of_classes_are_checked(weights, what):
    with pytest.raises(ValueError, match=f"class_weight is {what}"):
        COPIClassifier(class_weight=weights, max_iter=1).fit(X, Y)
