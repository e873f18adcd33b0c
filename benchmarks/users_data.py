"""Data sets as users bring them: offline, seeded, split by number, nothing made easy for the network.

Whole-number targets are classes, real ones are for regression. `SETS` has a function for each set, by name: it
returns the split of a number, and all splits are of the same rows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.model_selection import train_test_split

Array = NDArray[Any]


class Split(NamedTuple):
    """Training and test rows; ``balanced`` asks for the accuracy averaged over classes."""

    x: Array
    y: Array
    x_test: Array
    y_test: Array
    balanced: bool = False

    @property
    def classes(self) -> bool:
        """Whether the targets are class numbers."""
        return bool(np.issubdtype(self.y.dtype, np.integer))

    def arrays(self) -> dict[str, Array]:
        """Return what goes into the file, by name."""
        return {name: getattr(self, name) for name in ("x", "y", "x_test", "y_test")}


def _split(data: tuple[Array, Array], number: int, test: float | int = 0.3) -> Split:
    """Return a split of rows, with the same share of each class on both sides."""
    x, y = data
    classes = np.issubdtype(y.dtype, np.integer)
    x, x_test, y, y_test = train_test_split(
        x, y, test_size=test, random_state=number, stratify=y if classes else None
    )
    return Split(x, y, x_test, y_test)


def _standardised(split: Split) -> Split:
    """Return a set whose inputs have mean 0 and standard deviation 1 in training."""
    mean, deviation = split.x.mean(axis=0), split.x.std(axis=0)
    return split._replace(x=(split.x - mean) / deviation, x_test=(split.x_test - mean) / deviation)


def _digits(number: int) -> Split:
    return _split(datasets.load_digits(return_X_y=True), number)


def _bytes(number: int) -> Split:
    split = _digits(number)
    return split._replace(x=split.x * 16, x_test=split.x_test * 16)


def _digits_without_fives(number: int) -> Split:
    split = _digits(number)
    kept = split.y != 5
    return split._replace(x=split.x[kept] / 16, y=split.y[kept], x_test=split.x_test / 16)


def _wine(number: int) -> Split:
    return _split(datasets.load_wine(return_X_y=True), number)


def _cancer(number: int) -> Split:
    return _split(datasets.load_breast_cancer(return_X_y=True), number)


def _iris(number: int) -> Split:
    return _split(datasets.load_iris(return_X_y=True), number)


def _few(load: Callable[..., tuple[Array, Array]], number: int, rows: int) -> Split:
    """Return a split with so few rows to learn from."""
    data = load(return_X_y=True)
    return _split(data, number, test=len(data[1]) - rows)


def _diabetes(number: int, factor: float = 1.0, offset: float = 0.0) -> Split:
    x, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    return _split((x, y * factor + offset), number)


def _friedman(number: int, factor: float = 1.0) -> Split:
    x, y = datasets.make_friedman1(600, noise=1.0, random_state=0)
    return _split((x, y * factor), number)


def _two_targets(number: int) -> Split:
    x, y = datasets.make_regression(500, 12, n_informative=8, n_targets=2, noise=10.0, random_state=0)
    return _split((x, y * [1e-3, 1e3]), number)


def _one_feature(number: int) -> Split:
    x = np.random.default_rng(0).uniform(1, 4, (500, 1))
    return _split((x, (x[:, 0] > 2.5).astype(np.int64)), number)


def _constant_and_copies(number: int) -> Split:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    rows = len(x)
    return _split((np.hstack([x, x[:, :10], np.full((rows, 1), 1000.0), np.zeros((rows, 4))]), y), number)


def _one_hot(number: int) -> Split:
    """Eight variables of twelve levels each; three classes that depend on them additively."""
    rng = np.random.default_rng(0)
    levels = rng.integers(12, size=(900, 8))
    scores = rng.normal(size=(8, 12, 3))[np.arange(8), levels].sum(axis=1)
    return _split((np.eye(12)[levels].reshape(900, -1), np.argmax(scores, axis=1)), number)


def _heavy_tails(number: int) -> Split:
    """Student's t of 1.5 degrees of freedom; the class is the sign of a sum of signs."""
    x = np.random.default_rng(0).standard_t(1.5, (800, 15))
    return _split((x, (np.sign(x[:, :5]).sum(axis=1) > 0).astype(np.int64)), number)


def _one_enormous(number: int, factor: float) -> Split:
    """Standardised breast cancer in which one row of training has another unit."""
    split = _standardised(_cancer(number))
    split.x[17] *= factor
    return split


def _mixed_units(number: int) -> Split:
    """Columns from 1e-6 to 1e6 that all matter the same."""
    x, y = datasets.make_classification(800, 12, n_informative=8, n_redundant=0, class_sep=1.5, random_state=0)
    return _split((x * np.logspace(-6, 6, 12), y.astype(np.int64)), number)


def _correlated(number: int) -> Split:
    """Any two columns correlate with .999; the class is in what is left."""
    rng = np.random.default_rng(0)
    common, own = rng.normal(size=(800, 1)), rng.normal(size=(800, 20))
    weight = rng.normal(size=20)
    x = np.sqrt(0.999) * common + np.sqrt(0.001) * own
    return _split((x, (own @ (weight - weight.mean()) > 0).astype(np.int64)), number)


def _imbalanced(number: int) -> Split:
    x, y = datasets.make_classification(1200, 10, n_informative=6, weights=[0.95], flip_y=0.0, random_state=0)
    return _split((x, y.astype(np.int64)), number)._replace(balanced=True)


def _xor(number: int) -> Split:
    x = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    return _split((x, ((x[:, 0] > 0) != (x[:, 1] > 0)).astype(np.int64)), number)


def _moons(number: int) -> Split:
    return _split(datasets.make_moons(500, noise=0.15, random_state=0), number)


def _wide(number: int) -> Split:
    """Sixty rows of 500 columns to learn from."""
    x, y = datasets.make_classification(
        260, 500, n_informative=10, n_redundant=40, class_sep=2.0, shuffle=False, random_state=0
    )
    return _split((x, y.astype(np.int64)), number, test=200)


SETS: dict[str, Callable[[int], Split]] = {
    "digits, pixels 0 to 16": _digits,
    "digits, pixels 0 to 256": _bytes,
    "digits, no 5 in training": _digits_without_fives,
    "wine": _wine,
    "wine, standardised": lambda number: _standardised(_wine(number)),
    "breast cancer": _cancer,
    "breast cancer, standardised": lambda number: _standardised(_cancer(number)),
    "constant and copied columns": _constant_and_copies,
    "one sample times 1e6": lambda number: _one_enormous(number, 1e6),
    "one sample times 1e30": lambda number: _one_enormous(number, 1e30),
    "iris": _iris,
    "iris, 5 samples": lambda number: _few(datasets.load_iris, number, 5),
    "wine, 5 samples": lambda number: _few(datasets.load_wine, number, 5),
    "breast cancer, 5 samples": lambda number: _few(datasets.load_breast_cancer, number, 5),
    "digits, 20 samples": lambda number: _few(datasets.load_digits, number, 20),
    "one feature": _one_feature,
    "one-hot columns": _one_hot,
    "heavy tails": _heavy_tails,
    "columns of 1e-6 to 1e6": _mixed_units,
    "columns that correlate with .999": _correlated,
    "classes 95 to 5": _imbalanced,
    "exclusive or": _xor,
    "two moons": _moons,
    "more columns than rows": _wide,
    "diabetes": _diabetes,
    "diabetes, targets of 1e6": lambda number: _diabetes(number, 1e4, 1e6),
    "friedman1": _friedman,
    "friedman1, targets of 1e5": lambda number: _friedman(number, 1e4),
    "friedman1, targets of 1e-3": lambda number: _friedman(number, 1e-4),
    "two targets, 1e-1 and 1e5": _two_targets,
}
"""The sets by name; the function of a set returns the split of a number, from 0."""
