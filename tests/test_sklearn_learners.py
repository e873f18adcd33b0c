"""The classifier and the regressor: what they learn, from which rows, and what others can do with them."""

import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
from assertions import assert_same, within

pytest.importorskip("sklearn")

import joblib
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, make_friedman1, make_multilabel_classification
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer, StandardScaler

import pycopi
from pycopi.sklearn import COPIClassifier, COPIRegressor
from pycopi.sklearn.rows import gather_rows, read_weights

READ = ("coefs_", "intercepts_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_")
SHORT = {"max_iter": 6, "random_state": 0}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def friedman():
    return make_friedman1(300, random_state=0)


def assert_same_network(one, other):
    """Compare every parameter of two fitted estimators bit for bit."""
    for own, theirs in zip(one.parameters_, other.parameters_, strict=True):
        for name, array in own.named().items():
            assert_same(array, getattr(theirs, name))


def test_without_scikit_learn_the_error_names_the_extra():
    code = (
        "import sys, types; sys.modules.update({})\n"
        "try:\n    import pycopi.sklearn\nexcept ImportError as error:\n    print(error)\n"
    )
    gone = "sys.modules['sklearn'] = None"
    names = "('sklearn', 'sklearn.utils', 'sklearn.utils.validation')"
    old = f"sys.modules.update({{name: types.ModuleType(name) for name in {names}}})"
    for state, shown in ((gone, "is not installed"), (old, "is older")):
        run = code.replace("sys.modules.update({})", state, 1)
        found = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
        wanted = (
            f"pycopi.sklearn needs scikit-learn 1.6 or newer, which {shown}: pip install 'pycopi[sklearn]'\n"
        )
        assert found.stdout == wanted


def test_the_defaults_are_those_of_the_command_on_files():
    files, given = pycopi.presets.FILES, COPIClassifier().get_params()
    assert (given["hidden_layer_sizes"], given["max_iter"], given["batch_size"]) == ((100,), 80, "auto")
    assert COPIRegressor()._settings(1.0) == files.for_regression().settings


def test_the_defaults_suffice_on_real_columns():
    x, x_test, y, y_test = train_test_split(*load_breast_cancer(return_X_y=True), random_state=0)
    assert COPIClassifier(random_state=0).fit(x, y).score(x_test, y_test) >= 0.95


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_units_of_targets_do_not_matter(friedman, unit):
    x, y = friedman
    targets = np.stack([y, y**2], axis=1)
    plain = COPIRegressor(random_state=0, max_iter=20).fit(x, targets)
    scaled = COPIRegressor(random_state=0, max_iter=20).fit(x, unit * targets)
    np.testing.assert_allclose(scaled.predict(x), unit * plain.predict(x), rtol=1e-6, atol=1e-6 * unit)
    assert r2_score(targets, plain.predict(x)) > 0.7


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda x: x * 10.0 ** np.arange(-6, 7, 4), id="units"),
        pytest.param(lambda x: np.vstack([x[:1] * 1e30, x[1:]]), id="outlier"),
        pytest.param(lambda x: np.hstack([x, x, np.full((len(x), 1), 7.0)]), id="copied"),
        pytest.param(lambda x: x[:, :1], id="one"),
    ],
)
def test_no_kind_of_columns_makes_it_diverge(iris, spoil):
    x, y = iris
    spoilt = spoil(x)
    assert COPIClassifier(random_state=0, max_iter=20).fit(spoilt, y).score(spoilt, y) > 0.6
    assert np.isfinite(COPIRegressor(random_state=0, max_iter=20).fit(spoilt, y).predict(spoilt)).all()


def test_the_order_of_rows_does_not_matter(iris, rng):
    x, y = iris
    order = rng.permutation(len(x))
    assert_same_network(COPIClassifier(**SHORT).fit(x, y), COPIClassifier(**SHORT).fit(x[order], y[order]))


@pytest.mark.parametrize("kind", [COPIClassifier, COPIRegressor])
def test_a_weight_is_how_often_a_row_is_seen(iris, rng, kind):
    x, y = iris
    weights = rng.integers(0, 4, len(x))
    repeated = kind(**SHORT).fit(np.repeat(x, weights, axis=0), np.repeat(y, weights))
    assert_same_network(kind(**SHORT).fit(x, y, sample_weight=weights), repeated)
    streamed = kind(**SHORT).partial_fit(x, y, sample_weight=weights, **classes_for(kind))
    again = kind(**SHORT).partial_fit(np.repeat(x, weights, axis=0), np.repeat(y, weights), **classes_for(kind))
    assert_same_network(streamed, again)


def classes_for(kind):
    return {"classes": [0, 1, 2]} if kind is COPIClassifier else {}


def test_a_row_of_any_weight_is_seen_as_often_in_the_mean():
    x, targets = np.arange(50.0)[:, None], np.arange(50.0)
    weights = np.linspace(0.0, 3.0, 50)
    counts = read_weights(weights, 50)
    assert counts.sum() == pytest.approx(49.0)  # of a mean of 1 over the rows that have a weight
    rows = gather_rows(x, targets, counts, seed=3)
    seen = np.array([np.bincount(rows.of_epoch(epoch)[1].astype(int), minlength=50) for epoch in range(400)])
    assert (np.abs(seen - counts) < 1.0).all()
    assert np.abs(seen.mean(axis=0) - counts).max() < 0.1
    np.testing.assert_allclose(read_weights(2000 * np.arange(50), 50), np.arange(50) / 25)  # too many rows
    assert read_weights(np.ones(3), 3) is read_weights(1.0, 3) is None


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((3, 2)), "sample_weight has shape (3, 2); expected (3,), one weight for each row of X"),
        ([1.0, -1.0, 0.0], "sample_weight has -1; expected at least 0: drop rows that should not count"),
        ([0, 0, 0], "sample_weight is zero for every row; expected at least one row with a weight above 0"),
    ],
)
def test_weights_that_make_no_sense(weights, message):
    with pytest.raises(ValueError, match=within(message)):
        read_weights(weights, 3)


def test_class_weights_raise_what_is_rare(rng):
    y = (rng.random(900) < 0.06).astype(int)
    x = rng.normal(size=(900, 4)) + 0.8 * y[:, None]
    scores = []
    for weight in (None, "balanced", {0: 1.0, 1: 15.0}):
        model = COPIClassifier(random_state=0, max_iter=15, class_weight=weight).fit(x[:600], y[:600])
        scores.append(balanced_accuracy_score(y[600:], model.predict(x[600:])))
    assert min(scores[1:]) > scores[0] + 0.1


def test_a_warm_start_on_other_targets_is_judged_by_these_alone(rng):
    x = rng.normal(size=(300, 4))
    how = {"early_stopping": True, "n_iter_no_change": 20, "warm_start": True}
    model = COPIRegressor(max_iter=80, random_state=0, **how).fit(x, x @ [1.0, 2.0, 3.0, 4.0])
    before, other = model.n_iter_, 5.0 * np.sin(2.0 * x[:, 0]) + 3.0 * x[:, 1] ** 2 + 10.0
    assert model.fit(x, other).n_iter_ - before >= 20
    assert model.score(x, other) > 0.5  # it was -1 after a single epoch


def test_warm_start_goes_on_as_if_it_had_not_stopped(iris):
    whole = COPIClassifier(random_state=0, max_iter=10).fit(*iris)
    halves = COPIClassifier(random_state=0, max_iter=5, warm_start=True).fit(*iris).fit(*iris)
    assert_same_network(whole, halves)
    assert halves.n_iter_ == 10
    assert halves.loss_curve_ == whole.loss_curve_
    assert COPIClassifier(random_state=0, max_iter=5).fit(*iris).fit(*iris).n_iter_ == 5


def test_early_stopping_keeps_the_best_epoch(friedman):
    keywords = {"random_state": 0, "early_stopping": True}
    stopped = COPIRegressor(hidden_layer_sizes=200, n_iter_no_change=3, **keywords).fit(*friedman)
    losses = stopped.validation_loss_curve_
    assert stopped.n_iter_ == len(losses) == len(stopped.loss_curve_) < 80
    assert losses[stopped.best_iter_ - 1] == min(losses[1:])
    again = COPIRegressor(hidden_layer_sizes=200, max_iter=stopped.best_iter_, **keywords).fit(*friedman)
    assert_same_network(stopped, again)


def test_a_stream_is_learned_part_by_part(iris, rng):
    x, y = iris
    order = rng.permutation(len(x))
    names = np.array(["a", "b", "c"])[y]
    model = COPIClassifier(random_state=0)
    with pytest.raises(ValueError, match=within("classes is None in the first call of partial_fit")):
        model.partial_fit(x, names)
    for start in range(0, 900, 10):
        part = order[np.arange(start, start + 10) % len(x)]
        model.partial_fit(x[part], names[part], classes=["c", "a", "b"])
    assert model.n_iter_ == 90
    assert model.score(x, names) > 0.9
    with pytest.raises(ValueError, match=within("y has the class 'd', which is none of the network's")):
        model.partial_fit(x[:2], ["a", "d"])
    with pytest.raises(ValueError, match=within("expected the same")):
        model.partial_fit(x[:2], ["a", "b"], classes=["a", "b"])


def test_single_rows_do_no_harm(friedman):
    x, y = friedman
    model = COPIRegressor(random_state=0).partial_fit(x[:30], y[:30])
    for row in range(30, 300):
        model.partial_fit(x[row : row + 1], y[row : row + 1])
    assert model.score(x, y) > 0.4


def test_several_labels_a_row():
    x, y = make_multilabel_classification(400, n_classes=4, random_state=0)
    model = COPIClassifier(random_state=0, max_iter=30).fit(x, y)
    assert (model.predict(x) == y).mean() > 0.85
    assert model.predict_proba(x).shape == (400, 4)
    assert (model.out_activation_, model.n_outputs_) == ("logistic", 4)
    streamed = COPIClassifier(random_state=0)
    for _ in range(10):
        streamed.partial_fit(x, y)
    assert (streamed.predict(x) == y).mean() > 0.8
    with pytest.raises(
        ValueError, match=within("y has one class a row but the network was made for 4 labels a row")
    ):
        streamed.partial_fit(x, y[:, 0])


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("problem", ["two", "three", "labels"])
def test_tools_for_the_networks_of_scikit_learn_take_it(iris, activation, problem):
    """They read these attributes: so does `MLPClassifier` itself, which predicts the same from them."""
    x, y = iris
    y = {"two": y > 0, "three": y, "labels": np.stack([y > 0, y > 1, y == 0], axis=1).astype(int)}[problem]
    ours = COPIClassifier((8, 5), activation=activation, **SHORT).fit(x, y)
    theirs = MLPClassifier(activation=activation)
    for name in (
        "coefs_",
        "intercepts_",
        "n_layers_",
        "n_outputs_",
        "out_activation_",
        "n_features_in_",
        "classes_",
    ):
        setattr(theirs, name, getattr(ours, name))
    theirs._label_binarizer = LabelBinarizer().fit(y)
    assert [coef.shape for coef in ours.coefs_] == [(4, 8), (8, 5), (5, {"two": 1}.get(problem, 3))]
    inside = np.clip(x, *ours.input_limits_)
    np.testing.assert_allclose(theirs.predict_proba(inside), ours.predict_proba(x), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.exp(ours.predict_log_proba(x)), ours.predict_proba(x), rtol=1e-12)
    assert np.array_equal(theirs.predict(inside), ours.predict(x))


def test_a_regressor_in_the_form_of_scikit_learns(friedman):
    x, y = friedman
    targets = np.stack([1e5 * y, -y], axis=1)
    ours = COPIRegressor(7, activation="relu", standardize=False, **SHORT).fit(x, targets)
    theirs = MLPRegressor(activation="relu")
    for name in READ:
        setattr(theirs, name, getattr(ours, name))
    assert ours.input_limits_ is None
    np.testing.assert_allclose(theirs.predict(x), ours.predict(x), rtol=1e-9)


def test_search_pipeline_and_scores(iris):
    x, y = iris
    search = GridSearchCV(COPIClassifier(**SHORT), {"batch_size": [16, 32]}, n_jobs=2, cv=2).fit(x, y)
    assert search.best_score_ > 0.7
    pipeline = make_pipeline(StandardScaler(), COPIClassifier(**SHORT))
    assert cross_val_score(pipeline, x, y, cv=2).shape == (2,)
    copied = clone(search.best_estimator_)
    assert not hasattr(copied, "coefs_")
    assert copied.get_params() == search.best_estimator_.get_params()


def test_weights_are_routed_through_a_pipeline(iris, rng):
    x, y = iris
    weights = rng.integers(0, 3, len(x))
    with config_context(enable_metadata_routing=True):
        model = COPIClassifier(**SHORT).set_fit_request(sample_weight=True)
        routed = make_pipeline(model).fit(x, y, sample_weight=weights)
    assert_same_network(routed[-1], COPIClassifier(**SHORT).fit(x, y, sample_weight=weights))


@pytest.mark.parametrize("kind", [COPIClassifier, COPIRegressor])
def test_files_hold_all_of_it(iris, kind, tmp_path):
    x, y = iris
    model = kind(**SHORT).fit(x, y)
    path = io.BytesIO()
    joblib.dump(model, path)
    path.seek(0)
    for back in (pickle.loads(pickle.dumps(model)), joblib.load(path)):
        assert_same(back.predict(x), model.predict(x))
        assert_same_network(
            back.set_params(warm_start=True).fit(x, y), clone(model).set_params(max_iter=12).fit(x, y)
        )
    pycopi.save(tmp_path / "model.safetensors", model.network_, model.parameters_)
    saved = pycopi.load(tmp_path / "model.safetensors")
    np.testing.assert_allclose(
        saved.network.predict(saved.parameters, x), model._outputs(x, "predict"), rtol=1e-9, atol=1e-9
    )


def test_skops_brings_it_back(iris):
    skops = pytest.importorskip("skops.io")
    x, y = iris
    model = COPIClassifier(**SHORT).fit(x, y)
    stored = skops.dumps(model)
    back = skops.loads(stored, trusted=skops.get_untrusted_types(data=stored))
    assert_same(back.predict_proba(x), model.predict_proba(x))


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_fit_that_diverges_names_parameters_of_the_estimator(friedman):
    x, y = friedman
    model = COPIRegressor(standardize=False, step_bound=None, **SHORT)
    with pytest.raises(pycopi.DivergenceError) as caught:
        model.fit(1e3 * x, y)
    assert "; try standardize=True and step_bound=0.5" in str(caught.value)
    assert "Settings(" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_iter": 0}, "max_iter is 0; expected a whole number of at least 1"),
        ({"rate": -1.0}, "rate is -1.0; expected a finite number of at least 0"),
        ({"activation": "gelu"}, "there is no activation 'gelu'"),
        ({"hidden_layer_sizes": (5, 0)}, "expected a whole number of at least 1"),
        ({"step_bound": 0.0}, "step_bound is 0.0, which allows no step"),
        ({"batch_size": 0}, "batch_size is 0; expected a whole number of at least 1"),
    ],
)
def test_parameters_that_make_no_sense(iris, parameters, message):
    with pytest.raises(ValueError, match=within(message)):
        COPIClassifier(**parameters).fit(*iris)


def test_a_step_of_few_rows_is_a_fifth_of_them(iris):
    x, y = iris
    own, given = (
        COPIClassifier(random_state=0, max_iter=3, **how).fit(x, y) for how in ({}, {"batch_size": 30})
    )
    for one, other in zip(own.coefs_, given.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)
    twice = COPIClassifier(random_state=0, max_iter=3).fit(x, y, sample_weight=np.full(150, 2.0))
    repeated = COPIClassifier(random_state=0, max_iter=3).fit(np.repeat(x, 2, axis=0), np.repeat(y, 2))
    np.testing.assert_array_equal(twice.coefs_[0], repeated.coefs_[0])


def test_one_class_is_not_enough(iris):
    x, y = iris
    with pytest.raises(ValueError, match=within("y has one class, 0; expected rows of at least two classes")):
        COPIClassifier().fit(x[:50], y[:50])


def test_sparse_rows_are_refused(iris):
    sparse = pytest.importorskip("scipy.sparse")
    x, y = iris
    with pytest.raises(TypeError, match=within("dense data is required")):
        COPIClassifier().fit(sparse.csr_array(x), y)


def test_without_decorrelation_it_learns_along_the_gradient(iris):
    x, y = iris
    model = COPIClassifier(random_state=0, max_iter=20, decorrelation_rate=0.0).fit(x, y)
    assert all(own.decorrelator is None for own in model.parameters_)
    assert model.score(x, y) > 0.9


def test_targets_that_float32_would_lose_are_learned_in_float64():
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    y = 1.7e9 + 60.0 * x[:, 0].astype(np.float64)
    model = COPIRegressor(random_state=0, max_iter=40).fit(x, y)
    assert model.score(x, y) > 0.99
    assert model.predict(x).dtype == np.float64
    assert COPIRegressor(max_iter=1).fit(x, y - 1.7e9).predict(x).dtype == np.float32
