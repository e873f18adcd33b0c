"""Estimators become ONNX through skl2onnx, alone and in pipelines."""

import numpy as np
import pytest
from assertions import assert_close
from backends import NUMPY

pytest.importorskip("sklearn")
skl2onnx = pytest.importorskip("skl2onnx")
runtime = pytest.importorskip("onnxruntime")

from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

import pycopi  # noqa: E402
from pycopi.sklearn import COPIClassifier, COPIRegressor, Decorrelator  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:skl2onnx")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10_000, 6)) @ RNG.normal(size=(6, 6)) + 3.0
SMALL = {"hidden_layer_sizes": 8, "max_iter": 3, "random_state": 0}
SUMS = X[:, 0] - X[:, 1]
TARGETS = {
    "integers": np.digitize(SUMS, [-2, 2]) * 10 - 5,
    "two texts": np.where(SUMS > 0, "ape", "bee"),
    "booleans": SUMS > 0,
    "several": np.stack([SUMS > 0, X[:, 2] > 3], axis=1).astype(int),
}


def convert(model, dtype, **options):
    pycopi.export.register_converters()
    kind = {np.float32: "FloatTensorType", np.float64: "DoubleTensorType"}[dtype]
    types = [("X", getattr(skl2onnx.common.data_types, kind)([None, X.shape[1]]))]
    made = skl2onnx.convert_sklearn(model, initial_types=types, **options)
    session = runtime.InferenceSession(made.SerializeToString())
    return session.run(None, {"X": X.astype(dtype)})


def assert_agrees(found, expected):
    expected = expected.astype(found.dtype)
    assert_close(found, expected, NUMPY, found, rtol=1e-5, scale=float(np.abs(expected).max()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_classifier(y, dtype):
    rows = X.astype(dtype)
    model = COPIClassifier(**SMALL).fit(rows[:300], y[:300])
    labels, probabilities = convert(model, dtype, options={id(model): {"zipmap": False}})
    assert_agrees(probabilities, model.predict_proba(rows))
    expected = model.predict(rows)
    if y.dtype == bool:
        expected = expected.astype(int)
    same = labels == expected
    assert labels.shape == expected.shape
    assert same.mean() > 0.999  # where two are equal to rounding, either may be
    if dtype == np.float32:  # ZipMap takes no other
        maps = convert(model, dtype)[1]
        assert maps[0][next(iter(maps[0]))] == pytest.approx(probabilities[0, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("y", [SUMS * 1e3, X[:, :2] * [1.0, 50.0]], ids=["one", "two"])
def test_regressor(y, dtype):
    rows = X.astype(dtype)
    model = COPIRegressor(**SMALL).fit(rows[:300], y[:300])
    (found,) = convert(model, dtype)
    assert_agrees(found, model.predict(rows).reshape(len(X), -1))


@pytest.mark.parametrize("method", ["closed_form", "learned"])
def test_decorrelator_and_pipeline(method):
    transformer = Decorrelator(method, whiten=True).fit(X[:500])
    assert_agrees(convert(transformer, np.float64)[0], transformer.transform(X))
    pipeline = make_pipeline(StandardScaler(), Decorrelator(method), COPIRegressor(**SMALL)).fit(
        X[:300], SUMS[:300]
    )
    assert_agrees(convert(pipeline, np.float64)[0], pipeline.predict(X)[:, None])
