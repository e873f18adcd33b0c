"""Callbacks of scikit-learn: a task for the fit, one for each epoch, and the end that a callback asks for."""

import numpy as np
import pytest

pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from version 1.9 on")

from sklearn.callback import ScoringMonitor
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from pycopi.sklearn import COPIClassifier, COPIRegressor

X, Y = load_iris(return_X_y=True)


class Recorder:
    """Writes down each hook, and ends the fit after some epochs."""

    def __init__(self, stop_after=None):
        self.seen, self.scores, self.stop_after = [], [], stop_after

    def setup(self, estimator, context):
        self.seen.append("setup")

    def teardown(self, estimator, context):
        self.seen.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.seen.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.seen.append(f"end {context.task_name}")
        self.scores.append(fitted_estimator.score(X, y))
        return context.task_name == "epoch" and self.seen.count("end epoch") == self.stop_after


@pytest.mark.parametrize("estimator", [COPIClassifier, COPIRegressor], ids=lambda one: one.__name__)
def test_each_epoch_is_a_task_of_the_fit(estimator):
    recorder = Recorder()
    model = estimator(max_iter=3, random_state=0).set_callbacks(recorder).fit(X, Y)
    epochs = ["begin epoch", "end epoch"] * 3
    assert recorder.seen == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert recorder.scores[-1] == recorder.scores[-2] == model.score(X, Y)
    assert recorder.scores[0] != recorder.scores[2]


def test_a_callback_ends_the_fit():
    model = COPIClassifier(max_iter=20, random_state=0).set_callbacks(Recorder(stop_after=4)).fit(X, Y)
    assert model.n_iter_ == 4


def test_callbacks_change_nothing():
    plain = COPIClassifier(max_iter=5, random_state=0).fit(X, Y)
    watched = COPIClassifier(max_iter=5, random_state=0).set_callbacks(Recorder()).fit(X, Y)
    assert np.array_equal(plain.predict_proba(X), watched.predict_proba(X))


def test_a_fit_that_fails_tears_its_callbacks_down():
    recorder = Recorder()
    model = COPIRegressor(max_iter=5, step_bound=None, gain=1e12, random_state=0).set_callbacks(recorder)
    with pytest.raises(ArithmeticError), np.errstate(all="ignore"):
        model.fit(X, 1e3 * Y)
    assert recorder.seen[-1] == "teardown"


def test_the_scoring_monitor_of_scikit_learn_sees_every_epoch_of_a_search():
    monitor = ScoringMonitor(scoring="accuracy")
    model = COPIClassifier(max_iter=4, random_state=0).set_callbacks(monitor)
    GridSearchCV(model, {"hidden_layer_sizes": [(5,), (9,)]}, cv=2).fit(X, Y)
    logs = monitor.get_logs(select="all")
    epochs = [row for log in logs for row in log.data if row["task_name"] == "epoch"]
    assert len(epochs) == 4 * (2 * 2 + 1)
    assert all(0.0 <= row["accuracy"] <= 1.0 for row in epochs)
