"""The defaults are safe: on ordinary tables of any scale no run diverges, and what is learned is of use."""

from functools import cache

import numpy as np
import pytest

import pycopi
from pycopi.activations import Affine, Identity

datasets = pytest.importorskip("sklearn.datasets")

TABLES = {
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "moons": lambda: datasets.make_moons(300, noise=0.1, random_state=0),
    "blobs": lambda: datasets.make_blobs(300, 10, centers=4, random_state=0),
    "classes": lambda: datasets.make_classification(300, 20, n_informative=8, n_classes=3, random_state=0),
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True, scaled=False),
    "friedman": lambda: datasets.make_friedman1(300, random_state=0),
    "regression": lambda: datasets.make_regression(300, 15, noise=5.0, random_state=0),
}


@cache
def table(name):
    """Return 300 rows at most, whose features are nowhere near centred, with class numbers or real targets."""
    x, y = TABLES[name]()
    x = x + 2.0 * x.std(axis=0)
    return x[:300], y[:300] if y.dtype.kind == "i" else y[:300, None].astype(np.float32)


def train(name, scale, **parts):
    """Return the state after 15 epochs with the default settings, and how much better than a constant it is."""
    x, y = table(name)
    x, classes = (x * scale).astype(np.float32), y.dtype.kind == "i"
    outputs = Identity() if classes else Affine.of(y)
    sizes = [x.shape[1], 50, len(set(y.tolist())) if classes else 1]
    network = pycopi.mlp(sizes, output_activation=outputs, **parts)
    state = pycopi.start(network, pycopi.Settings(), like=x, data=x if "standardized" in parts else None)
    state = pycopi.fit(network, state, x, y, epochs=15, batch_size=20, progress=False)
    found = pycopi.evaluate(network, state.parameters, x, y)
    constant = np.bincount(y).max() / len(y) if classes else float(np.var(y)) / 2.0
    return state, found.accuracy - constant if classes else 1.0 - found.loss / constant


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("name", TABLES)
def test_a_network_that_standardises_learns_any_table_at_any_scale(name, scale):
    _, gained = train(name, scale, bias=True, standardized=True)
    assert gained > 0.1


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("name", TABLES)
def test_raw_inputs_of_any_scale_do_not_diverge(name, scale):
    state, gained = train(name, scale)
    assert len(state.history) == 15
    assert gained > 0.05 or scale != 1.0  # far from 1 the weights are too large or too small to be of use yet
