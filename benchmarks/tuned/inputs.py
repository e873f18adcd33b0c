"""The data of a trial: training, validation and test rows, in three variants of the inputs."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pycopi.data import load_dataset

Array = NDArray[Any]

VALIDATION = {"mnist": 5000, "cifar10": 5000, "digits": 200}
"""How many of the last training rows are for choosing; nothing learns from them."""

VARIANTS = ("raw", "standardised", "whitened")
_LEAST = 0.5  # of the root mean square of all deviations: what a column is divided by at least
_DAMPING = 0.1  # of the mean eigenvalue, added to all of them before whitening


class Split(NamedTuple):
    """Inputs (N, n), float32, and class numbers (N,), or targets (N, m)."""

    inputs: Array
    labels: Array


class Data(NamedTuple):
    """What a trial learns from, what it is chosen by, and what is read at its end."""

    train: Split
    validation: Split
    test: Split


@lru_cache(maxsize=2)
def load(network: str, variant: str) -> Data:
    """Return the data of a network, prepared by what its training rows alone tell."""
    name = network.partition("-")[0]
    whole, count = load_dataset(name), VALIDATION[name]
    x, y = whole.x_train, whole.y_train.astype(np.int64)
    parts = ((x[:-count], y[:-count]), (x[-count:], y[-count:]), (whole.x_test, whole.y_test.astype(np.int64)))
    shift, matrix = _preparation(x[:-count], variant)
    return Data(*(Split(_prepared(inputs, shift, matrix), labels) for inputs, labels in parts))


def smoothed(data: Data, share: float) -> Data:
    """Return data whose training targets are rows (N, m), a share of each spread evenly over the m classes."""
    if not share:
        return data
    inputs, labels = data.train
    count = int(labels.max()) + 1
    targets = (1.0 - share) * np.eye(count) + share / count
    return data._replace(train=Split(inputs, targets.astype(inputs.dtype)[labels]))


def _preparation(x: Array, variant: str) -> tuple[Array, Array]:
    """Return what is subtracted from inputs (n,), and their factors (n,) or the matrix (n, n) after it."""
    mean = x.mean(0, dtype=np.float64)
    if variant == "raw":
        return np.zeros_like(mean), np.ones_like(mean)
    if variant == "standardised":
        spread = x.std(0, dtype=np.float64)
        return mean, 1.0 / np.maximum(spread, _LEAST * np.sqrt(np.mean(spread**2)))
    if variant != "whitened":
        msg = f"inputs are {variant!r}; expected one of {', '.join(VARIANTS)}"
        raise ValueError(msg)
    centred = x - mean.astype(np.float32)
    values, vectors = np.linalg.eigh((centred.T @ centred / len(x)).astype(np.float64))
    scale = 1.0 / np.sqrt(np.maximum(values, 0.0) + _DAMPING * values.mean())
    return mean, (vectors * scale) @ vectors.T


def _prepared(x: Array, shift: Array, matrix: Array) -> Array:
    centred, matrix = x - shift.astype(np.float32), matrix.astype(np.float32)
    return np.ascontiguousarray(centred * matrix if matrix.ndim == 1 else centred @ matrix)
