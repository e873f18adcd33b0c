"""What the estimators say with ``verbose``, on the error stream."""

import re

import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_iris

from pycopi.sklearn import COPIClassifier, COPIRegressor

SHORT = {"max_iter": 6, "random_state": 0}
X, Y = load_iris(return_X_y=True)


def test_fit_shows_which_epoch_of_how_many_is_done(capsys):
    model = COPIClassifier(**SHORT, verbose=True, warm_start=True)
    for before in (0, 6):
        model.fit(X, Y)
        lines = capsys.readouterr().err.strip().splitlines()
        found = [re.match(r"epoch +(\d+)/(\d+) ", line).groups() for line in lines]
        assert found == [(str(before + number), str(before + 6)) for number in range(1, 7)]


@pytest.mark.parametrize("kind", [COPIClassifier, COPIRegressor])
def test_partial_fit_shows_a_line_for_each_call(kind, capsys):
    model = kind(random_state=0, verbose=True)
    for rows in (150, 20, 1):
        model.partial_fit(X[:rows], Y[:rows], **({"classes": [0, 1, 2]} if kind is COPIClassifier else {}))
    lines = capsys.readouterr().err.strip().splitlines()
    begun = [line.partition(" loss")[0] for line in lines]
    assert begun == ["partial_fit 1: 150 rows,", "partial_fit 2: 20 rows,", "partial_fit 3: 1 rows,"]
    assert [float(line.rpartition(" ")[2]) for line in lines] == pytest.approx(
        model.loss_curve_, rel=1e-3, abs=1e-4
    )


def test_without_it_nothing_is_shown(capsys):
    COPIClassifier(**SHORT).fit(X, Y)
    COPIRegressor(**SHORT).partial_fit(X, Y)
    assert capsys.readouterr().err == ""
