"""Learning one sample at a time: features and classes that come and go, raw scales, memory, river's checks."""

import gc
import pickle
import tracemalloc

import numpy as np
import pytest
from assertions import exactly, within

import pycopi
from pycopi.streams import StreamClassifier, StreamDecorrelator, StreamRegressor
from pycopi.streams.scaling import NOTHING, Scale

SMALL = {"hidden_layer_sizes": (16,)}


def blobs(count, *, features=6, classes=3, seed=0):
    """Return correlated rows of classes, of raw scales from 1e-3 to 1e6."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=count)
    rows = rng.normal(size=(count, features)) + 3.0 * rng.normal(size=(classes, features))[labels]
    return rows @ rng.normal(size=(features, features)) * np.logspace(-3, 6, features) + 1e5, labels


def as_dict(row, names=None):
    return dict(zip(names or map(str, range(len(row))), map(float, row), strict=True))


def accuracy(model, rows, labels):
    right = 0
    for row, label in zip(rows, labels, strict=True):
        right += model.predict_one(row) == label
        model.learn_one(row, label)
    return right / len(rows)


def assert_all_finite(model):
    for own in model.parameters_:
        for name, array in own.named().items():
            assert np.isfinite(array).all(), name


def test_raw_features_need_no_scaler():
    rows, labels = blobs(600)
    assert accuracy(StreamClassifier(**SMALL), rows, labels) > 0.9


def test_arrays_and_dicts_give_the_same_bits():
    rows, labels = blobs(50)
    one, other = StreamClassifier(**SMALL), StreamClassifier(**SMALL)
    for row, label in zip(rows, labels, strict=True):
        one.learn_one(row, label)
        other.learn_one(as_dict(row), label)
    assert one.predict_proba_one(rows[0]) == other.predict_proba_one(as_dict(rows[0]))


def test_the_step_is_the_one_of_train_step():
    rows, labels = blobs(30)
    model = StreamClassifier(**SMALL, classes=(0, 1, 2))
    for row, label in zip(rows[:-1], labels[:-1], strict=True):
        model.learn_one(row, label)
    inner, settings = model._inner, model._settings
    state = model._state._replace(parameters=model._settled())
    scaled = model._scale.after(rows[-1], model._most).standardised(rows[-1])
    wanted, _ = pycopi.train_step(inner, state, scaled, np.array([labels[-1]]), settings)
    model.learn_one(rows[-1], labels[-1])
    for found, expected in zip(model._settled(), wanted.parameters, strict=True):
        for name, array in found.named().items():
            np.testing.assert_allclose(array, expected.named()[name], rtol=1e-6, atol=1e-7)


def test_the_network_of_a_stream_scales_by_itself():
    rows, labels = blobs(100)
    rows = 3.0 * (rows - rows.mean(axis=0)) / rows.std(axis=0) + 2.0
    model = StreamClassifier(**SMALL)
    accuracy(model, rows, labels)
    model._scale = model._scale._replace(seen=np.full(6, 1e12))  # one more row then changes nothing
    outputs = model.network_.predict(model.parameters_, rows[:1].astype(np.float32))[0]
    raised = np.exp(outputs - outputs.max())
    found = np.array(list(model.predict_proba_one(rows[0]).values()))
    np.testing.assert_allclose(found, (raised / raised.sum()).astype(np.float64), rtol=1e-3, atol=1e-4)


def test_a_new_feature_and_a_new_class_leave_the_answers_as_they_are():
    rows, labels = blobs(200, classes=2)
    model = StreamClassifier(**SMALL, decorrelated_layers=None)
    for row, label in zip(rows, labels, strict=True):
        model.learn_one(as_dict(row), label)
    before = model._outputs(as_dict(rows[0]))
    model._index.columns["new"] = 6
    model._grow(7, 3)
    after = model._outputs(as_dict(rows[0]))
    np.testing.assert_allclose(after[:2], before, rtol=1e-6, atol=1e-6)
    assert after[2] == 0.0
    assert model.network_.inputs == 7
    model.learn_one({**as_dict(rows[0]), "new": 2.0, "newer": None}, "third")
    assert model.features == [*map(str, range(6)), "new", "newer"]
    assert set(model.predict_proba_one({})) == {0, 1, "third"}
    assert_all_finite(model)


def test_what_is_missing_counts_as_the_mean():
    rows, labels = blobs(300)
    model = StreamClassifier(**SMALL)
    accuracy(model, rows, labels)
    row = as_dict(rows[0])
    mean = {**row, "2": float(model._scale.mean[2])}
    model._index.columns = dict(zip(map(str, range(6)), range(6), strict=True))
    expected = model._outputs(mean)
    for nothing in (None, float("nan"), float("inf"), -float("inf"), 1e200):
        np.testing.assert_allclose(model._outputs({**row, "2": nothing}), expected, rtol=1e-4, atol=1e-4)
    del row["2"]
    np.testing.assert_allclose(model._outputs(row), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("learner", [StreamClassifier, StreamRegressor], ids=lambda one: one.__name__)
def test_hostile_numbers_leave_the_parameters_finite(learner):
    rng = np.random.default_rng(0)
    model = learner(**SMALL, decorrelated_layers=None)
    for turn in range(400):
        row = rng.standard_cauchy(5) * 10.0 ** rng.integers(-300, 300, size=5)
        row[rng.integers(5)] = rng.choice([np.nan, np.inf, -np.inf, 0.0, 1e308, 5e-324])
        model.learn_one(row, float(rng.standard_cauchy() * 1e30) if learner is StreamRegressor else turn % 3)
        answer = model.predict_one(row)
        assert answer in range(3) or np.isfinite(answer)
    assert_all_finite(model)


def test_a_constant_feature_is_zero_and_its_rounding_is_not_raised():
    scale = NOTHING.widened(1)
    for _ in range(1000):
        scale = scale.after(np.array([0.1]), np.inf)
    assert abs(scale.standardised(np.array([0.1]))[0, 0]) < 1e-6


def test_running_means_are_those_of_all_rows_and_follow_with_forgetting():
    rows = np.random.default_rng(0).normal(2.0, 3.0, size=(500, 2))
    rows[::3, 1] = np.nan
    plain = forgetful = NOTHING.widened(2)
    for row in rows:
        plain = plain.after(row, np.inf)
    np.testing.assert_allclose(plain.mean, np.nanmean(rows, axis=0), rtol=1e-12)
    np.testing.assert_allclose(plain.variance, np.nanvar(rows, axis=0), rtol=1e-12)
    for row in np.vstack([rows, rows[:200] + 50.0]):
        forgetful = forgetful.after(row, 20.0)
    np.testing.assert_allclose(forgetful.mean, np.array([52.0, 52.0]), rtol=0.1)
    assert isinstance(forgetful, Scale)


def test_targets_are_predicted_in_their_own_units():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1500, 4))
    targets = 1e6 + 1e3 * (rows[:, 0] - rows[:, 1])
    model, errors = StreamRegressor(**SMALL), []
    assert model.predict_one(rows[0]) == 0.0
    for row, target in zip(rows, targets, strict=True):
        errors.append(abs(model.predict_one(row) - target))
        model.learn_one(row, target)
    assert np.mean(errors[-500:]) < 0.25 * targets.std()
    message = (
        "y is nan; expected a finite number of at most 1e150: leave the sample out, or use predict_one alone"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        model.learn_one(rows[0], float("nan"))


def test_before_the_first_sample():
    assert StreamClassifier().predict_one({"a": 1.0}) is None
    assert StreamClassifier().predict_proba_one({"a": 1.0}) == {}
    assert StreamDecorrelator().transform_one({"a": 1.0}) == {}
    np.testing.assert_allclose(
        StreamDecorrelator().transform_one(np.ones(3)), np.zeros(3, np.float32), rtol=0.0, atol=0.0
    )
    with pytest.raises(
        AttributeError,
        match=exactly("this StreamClassifier has no network yet, which the first sample makes; call learn_one"),
    ):
        StreamClassifier().network_  # noqa: B018


def test_a_sample_without_features_is_no_error():
    model = StreamClassifier(**SMALL)
    model.learn_one({}, "a")
    model.learn_one({"x": 1.0}, "b")
    assert set(model.predict_proba_one({})) == {"a", "b"}


@pytest.mark.parametrize("whiten", [True, False])
def test_a_stream_is_decorrelated_on_rows_that_were_not_learned(whiten):
    rows, _ = blobs(3000, classes=1)
    model = StreamDecorrelator(whiten, rate=2e-3)
    for row in rows[:2000]:
        model.learn_one(row)
    later = np.array([model.transform_one(row) for row in rows[2000:]])
    correlation = np.corrcoef(later.T) - np.eye(6)
    assert np.abs(correlation).max() < 0.2 < np.abs(np.corrcoef(rows.T) - np.eye(6)).max()
    if whiten:
        assert np.abs(later.var(axis=0) - 1.0).max() < 0.35


def test_what_is_transformed_is_what_the_matrix_makes():
    rows, _ = blobs(100)
    model = StreamDecorrelator()
    for row in rows:
        model.learn_one(as_dict(row))
    scaled = model._scale.after(rows[0], model._most).standardised(rows[0])[0]
    found = np.array(list(model.transform_one(as_dict(rows[0])).values()))
    np.testing.assert_allclose(found, (model.decorrelator_ @ scaled).astype(np.float64), rtol=1e-4, atol=1e-5)


def test_a_new_column_of_a_decorrelator_keeps_the_others():
    rows, _ = blobs(200)
    model = StreamDecorrelator()
    for row in rows:
        model.learn_one(as_dict(row))
    before = model.decorrelator_
    model._grow(7)
    np.testing.assert_allclose(model.decorrelator_[:6, :6], before, rtol=0.0, atol=0.0)
    model.learn_one({"x": 1.0, "0": 3.0})
    assert len(model.transform_one({})) == 7


@pytest.mark.parametrize("named", [False, True], ids=["arrays", "dicts"])
def test_memory_does_not_grow_with_the_samples(named):
    rows, labels = blobs(500)
    samples = [as_dict(row) for row in rows] if named else rows
    model, white = StreamClassifier(**SMALL), StreamDecorrelator()

    def go():
        for sample, label in zip(samples, labels, strict=True):
            model.predict_one(sample)
            model.learn_one(sample, label)
            white.learn_one(sample)

    go()
    tracemalloc.start()
    try:
        go()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            go()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 2000  # bytes, after 1500 samples
    finally:
        tracemalloc.stop()


def test_a_pickled_learner_goes_on_with_the_same_bits():
    rows, labels = blobs(60)
    model = StreamClassifier(**SMALL)
    accuracy(model, rows[:30], labels[:30])
    copy = pickle.loads(pickle.dumps(model))
    assert accuracy(model, rows[30:], labels[30:]) == accuracy(copy, rows[30:], labels[30:])
    assert model.predict_proba_one(rows[0]) == copy.predict_proba_one(rows[0])


def test_the_lent_sample_is_not_changed_and_not_kept():
    rows, labels = blobs(20)
    rows.setflags(write=False)
    model = StreamClassifier(**SMALL)
    accuracy(model, rows, labels)
    own = rows[0].copy()
    model.learn_one(own, 0)
    before = pickle.dumps(model)
    own[:] = 0.0
    assert pickle.dumps(model) == before


def test_rows_of_other_libraries_are_read(eager):
    rows, labels = blobs(10)
    model, other = StreamClassifier(**SMALL), StreamClassifier(**SMALL)
    accuracy(model, rows, labels)
    for row, label in zip(rows, labels, strict=True):
        other.learn_one(eager.asarray(row), label)
    assert model.predict_proba_one(rows[0]) == other.predict_proba_one(eager.asarray(rows[0]))


@pytest.mark.parametrize(
    ("sample", "error", "message"),
    [
        (
            {"0": "red"},
            TypeError,
            (
                "the feature '0' is 'red'; expected a number: leave it out, or encode it before, as "
                "river.preprocessing.OneHotEncoder does"
            ),
        ),
        (
            np.zeros((2, 3)),
            ValueError,
            "a sample has shape (2, 3); expected (6,), a row of numbers, or a dict where features come and go",
        ),
        (
            np.zeros(5),
            ValueError,
            "a sample has shape (5,); expected (6,), a row of numbers, or a dict where features come and go",
        ),
    ],
    ids=["text", "batch", "short"],
)
def test_what_is_no_sample_is_an_error_and_changes_nothing(sample, error, message):
    rows, labels = blobs(20)
    model = StreamClassifier(**SMALL)
    for row, label in zip(rows, labels, strict=True):
        model.learn_one(as_dict(row), label)
    before = model.predict_proba_one(rows[0])
    with pytest.raises(error, match=exactly(message)):
        model.learn_one(sample, "a new class")
    assert model.predict_proba_one(rows[0]) == before


def test_a_run_without_bounds_that_diverges_says_so():
    rows, labels = blobs(500)
    model = StreamClassifier(step_bound=None, gain=1e6, decorrelated_layers=None)
    with np.errstate(all="ignore"), pytest.raises(pycopi.DivergenceError, match=within("; set step_bound=0.5")):
        accuracy(model, rows, labels)


RIVER = {
    "classifier": lambda river: river.COPIClassifier(),
    "all layers": lambda river: river.COPIClassifier((8,), decorrelated_layers=None),
    "regressor": lambda river: river.COPIRegressor(),
    "whitening": lambda river: river.Decorrelator(),
    "decorrelation": lambda river: river.Decorrelator(whiten=False),
}


@pytest.mark.parametrize("make", RIVER.values(), ids=RIVER)
def test_river_accepts_the_estimator(make):
    pytest.importorskip("river")
    from river import checks

    import pycopi.river

    checks.check_estimator(make(pycopi.river))


def test_a_pipeline_of_river_learns():
    pytest.importorskip("river")
    from river import datasets, evaluate, metrics

    from pycopi.river import COPIClassifier, Decorrelator

    model = Decorrelator() | COPIClassifier((20,))
    metric = evaluate.progressive_val_score(datasets.Phishing(), model, metrics.Accuracy())
    assert metric.get() > 0.85


def test_without_river_the_error_names_the_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "river", None)
    monkeypatch.delitem(sys.modules, "pycopi.river", raising=False)
    with pytest.raises(
        ImportError,
        match=exactly(
            "pycopi.river needs river, which is not installed: pip install 'pycopi[river]'; pycopi.streams has "
            "the same estimators without it"
        ),
    ):
        import pycopi.river  # noqa: F401


def test_decorrelating_matrices_settle_in_a_long_stream():
    """Steps of a constant size on single rows multiply R at random, which shrinks or grows without end."""
    rows = np.random.default_rng(0).normal(size=(500, 5))
    model, sizes = StreamClassifier((4,), decorrelation_rate=0.05), []
    for _ in range(6):
        for row in rows:
            model.learn_one(row, bool(row[0] > 0))
        sizes.append(np.abs(model.parameters_[0].decorrelator).max())
    assert abs(sizes[-1] / sizes[1] - 1.0) < 0.01


@pytest.mark.parametrize("model", [StreamClassifier(), StreamRegressor(), StreamDecorrelator()])
def test_a_sample_that_is_refused_leaves_no_trace(model):
    learn = model.learn_one if isinstance(model, StreamDecorrelator) else lambda x, y=1.0: model.learn_one(x, y)
    ask = model.transform_one if isinstance(model, StreamDecorrelator) else model.predict_one
    for value in (1.0, 2.0):
        learn({"x": value})
    before = ask({"x": 1.0})
    for odd in ({"x": "text"}, {"x": 1.0, "colour": "red"}):
        with pytest.raises(TypeError, match="expected a number"):
            model.learn_one(odd) if isinstance(model, StreamDecorrelator) else model.learn_one(odd, 7.0)
        assert ask({"x": 1.0}) == before
    learn({"x": 3.0})
    assert len(model.features) == 1 if hasattr(model, "features") else True
    if isinstance(model, StreamRegressor):
        with pytest.raises(ValueError, match="y is 1e\\+155; expected a finite number of at most 1e150"):
            model.learn_one({"x": 1.0}, 1e155)
        assert np.isfinite(ask({"x": 1.0}))
