"""Whitening of unseen rows: `Decorrelator` against scikit-learn's PCA and a ZCA in NumPy."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.sides import Side, installed, left_out, take_turns
from benchmarks.table import Column, Scope, Table
from pycopi.analysis import correlation_floor, off_diagonal_correlation

_FEATURES, _ROWS, _TESTED, _BATCH = 784, 8000, 4000, 1000

_HOW = (
    f"{_ROWS} rows to learn from and {_TESTED} others to measure on, float32, whose covariance has eigenvalues "
    "that fall as 1 / k. Correlation left: mean absolute correlation between the outputs of the other rows. "
    "Error of power: root mean square of their power minus 1. PCA and IncrementalPCA: scikit-learn's, with "
    "whiten=True and all components. ZCA: covariance by `np.cov` and its eigenvectors, two passes over the "
    f"rows. Streams get {_BATCH} rows at a time."
)

Array = np.ndarray[Any, np.dtype[np.float32]]
Whiten = Callable[[Array], Array]


def tables(scope: Scope) -> Iterator[Table]:
    """Return the table of whiteners."""
    n, rows, tested = (8, 200, 100) if scope.quick else (_FEATURES, _ROWS, _TESTED)
    batch = rows // (_ROWS // _BATCH)
    learned, unseen = rows_of(n, rows + tested)[:rows], rows_of(n, rows + tested)[rows:]
    makers = whiteners(batch)
    whiten: dict[str, Whiten] = {}

    def side(name: str) -> Side:
        def learn() -> None:
            whiten[name] = makers[name](learned)

        return learn

    turns = min(scope.turns, 3)
    seconds = take_turns({name: side(name) for name in makers}, turns=turns, least_seconds=scope.least_seconds)
    columns = [
        Column("whitener"),
        Column("seconds", ".2f"),
        Column("us a row", ".0f"),
        Column("correlation left", ".4f"),
        Column("error of power", ".3f"),
    ]
    cells: list[tuple[Any, ...]] = []
    for name in makers:
        outputs = whiten[name](unseen)
        power = np.sqrt(np.mean((np.mean(outputs.astype(np.float64) ** 2, axis=0) - 1.0) ** 2))
        left = off_diagonal_correlation(outputs)
        cells.append((name, seconds[name], 1e6 * seconds[name] / rows, left, float(power)))
    yield Table(
        "whitening",
        f"Whitening {n} features",
        columns,
        cells,
        [_HOW, *left_out("sklearn", "All but ZCA")],
        {"correlation of independent features in so many rows": correlation_floor(tested)},
    )


def rows_of(features: int, rows: int) -> Array:
    """Return normal rows with a mean, whose covariance has the eigenvalues 1 / k in random directions."""
    rng = np.random.default_rng(0)
    turned = np.linalg.qr(rng.normal(size=(features, features)))[0]
    scales = 1.0 / np.sqrt(np.arange(1, features + 1))
    mean = rng.normal(size=features)
    return (mean + (rng.normal(size=(rows, features)) * scales) @ turned).astype(np.float32)


def whiteners(batch: int) -> dict[str, Callable[[Array], Whiten]]:
    """Return functions of rows to learn from, each of which returns a function of rows to whiten."""
    found: dict[str, Callable[[Array], Whiten]] = {"ZCA, two passes": zca}
    if installed("sklearn"):
        from sklearn.decomposition import PCA, IncrementalPCA

        from pycopi.sklearn import Decorrelator

        found |= {
            "PCA": lambda rows: PCA(whiten=True, svd_solver="covariance_eigh").fit(rows).transform,
            "Decorrelator, at once": lambda rows: Decorrelator(whiten=True).fit(rows).transform,
            "IncrementalPCA": lambda rows: _streamed(IncrementalPCA(whiten=True), rows, batch),
            "Decorrelator, streamed": lambda rows: _streamed(Decorrelator(whiten=True), rows, batch),
            "Decorrelator, learned": lambda rows: _streamed(Decorrelator("learned", whiten=True), rows, batch),
        }
    return found


def _streamed(learner: Any, rows: Array, batch: int) -> Whiten:
    for begin in range(0, len(rows), batch):
        learner.partial_fit(rows[begin : begin + batch])
    whiten: Whiten = learner.transform
    return whiten


def zca(rows: Array) -> Whiten:
    """Return a whitening by means and covariance of rows, which are read once for each."""
    mean = rows.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False))
    matrix = ((vectors / np.sqrt(values)) @ vectors.T).astype(rows.dtype)
    return lambda others: (others - mean) @ matrix
