"""What may come in besides NumPy: arrays of other libraries, which stay there, and data frames."""

import numpy as np
import pytest
from assertions import within
from backends import EAGER

pytest.importorskip("sklearn")

from sklearn import config_context
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline

import pycopi
from pycopi.sklearn import COPIClassifier, COPIRegressor, Decorrelator

OTHERS = [backend for backend in EAGER if not backend.name.startswith("numpy")]
SHORT = {"max_iter": 5, "random_state": 0}


@pytest.fixture(scope="module", params=OTHERS, ids=str)
def other(request):
    """A library that scikit-learn dispatches on, with dispatching switched on."""
    request.param.require()
    request.param.xp  # noqa: B018  (imports and configures the library)
    with config_context(array_api_dispatch=True):
        yield request.param


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return x[::3], y[::3]


def assert_beside(array, like):
    """Compare library and device."""
    if type(array) is not type(like) or pycopi._array.device(array) != pycopi._array.device(like):
        msg = f"{type(array)} is not beside {type(like)}"
        raise AssertionError(msg)


def test_the_assertion_fails_on_another_library(other, iris):
    with pytest.raises(AssertionError):
        assert_beside(iris[0], other.asarray(iris[0]))


@pytest.mark.parametrize("kind", [COPIClassifier, COPIRegressor])
def test_networks_stay_with_the_library_of_the_rows(other, iris, kind):
    x, y = iris
    rows, labels = other.asarray(x), other.asarray(y)
    model, twin = kind(**SHORT).fit(rows, labels), kind(**SHORT).fit(x, y)
    for method in ("predict", "predict_proba"):
        if hasattr(model, method):
            found = getattr(model, method)(rows)
            assert_beside(found, rows)
            np.testing.assert_allclose(other.numpy(found), getattr(twin, method)(x), rtol=1e-8, atol=1e-8)
    assert_beside(model.coefs_[0], rows)
    model.partial_fit(rows, labels)
    assert_beside(model.predict(rows), rows)
    if other.name == "torch":  # the others are switched to refuse what scikit-learn's scores need
        assert -1.0 <= model.score(rows, labels) <= 1.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["closed_form", "learned"])
def test_decorrelated_rows_stay_with_their_library(other, iris, dtype, method):
    if other.name == "jax" and method == "learned":
        pytest.skip("JAX compiles a stream for half a minute")
    x, rtol = iris[0].astype(dtype), 1e-3 if dtype == np.float32 else 1e-8
    rows = other.asarray(x)
    model, twin = Decorrelator(method, passes=2).fit(rows), Decorrelator(method, passes=2).fit(x)
    found = model.transform(rows)
    assert_beside(found, rows)
    assert found.dtype == rows.dtype
    np.testing.assert_allclose(other.numpy(found), twin.transform(x), rtol=rtol, atol=rtol)
    back = model.partial_fit(rows).inverse_transform(model.transform(rows))
    assert_beside(back, rows)
    np.testing.assert_allclose(other.numpy(back), x, rtol=10 * rtol)
    assert 0.0 <= model.correlation_left(rows).left <= 1.0


def test_text_as_classes_and_weights_from_elsewhere(other, iris):
    x, y = iris
    names, weights = np.array(["a", "b", "c"])[y], other.asarray(np.arange(len(y)) % 3)
    model = COPIClassifier(**SHORT).fit(other.asarray(x), names, sample_weight=weights)
    twin = COPIClassifier(**SHORT).fit(x, names, sample_weight=np.arange(len(y)) % 3)
    assert np.array_equal(model.predict(other.asarray(x)), twin.predict(x))


def test_another_library_than_in_fit_is_refused(other, iris):
    x, y = iris
    for model, method in ((COPIRegressor(**SHORT), "predict"), (Decorrelator(), "transform")):
        model.fit(other.asarray(x), other.asarray(y))
        wanted = f"Inputs passed to {type(model).__name__}.{method}() must use the same namespace"
        with pytest.raises(ValueError, match=within(wanted)):
            getattr(model, method)(x)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames(iris, library):
    frames = pytest.importorskip(library)
    x, y = iris
    names = [f"column {number}" for number in range(4)]
    frame = frames.DataFrame({name: x[:, number] for number, name in enumerate(names)})
    model = make_pipeline(Decorrelator(), COPIClassifier(**SHORT)).set_output(transform=library)
    model.fit(frame, frames.Series(y))
    assert model[0].feature_names_in_.tolist() == names
    assert list(model[0].transform(frame).columns) == names
    twin = make_pipeline(Decorrelator(), COPIClassifier(**SHORT)).fit(x, y)
    np.testing.assert_array_equal(model.predict(frame), twin.predict(x))
    with pytest.raises(ValueError, match=within("feature names")):
        model.predict(frame[names[::-1]])
