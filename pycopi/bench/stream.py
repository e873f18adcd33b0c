"""Streaming decorrelation, per sample, against a NumPy loop, scikit-learn and the bandwidth of memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pycopi.bench.machine import sweeper
from pycopi.bench.needs import installed, left_out
from pycopi.bench.numpy_loop import RATE, loop
from pycopi.bench.samples import table as table_of_samples
from pycopi.bench.scope import Scope
from pycopi.bench.table import Column, Table
from pycopi.bench.timing import Side, take_turns
from pycopi.rules.stream import decorrelate_stream

_SIZES, _SAMPLES, _LOOPED = (784, 1024, 3072), 256, 32
_LARGEST_PCA = 1024  # above, one batch takes tens of seconds


_HOW = (
    f"Stream: `decorrelate_stream` on {_SAMPLES} samples. Loop: the same updates one after the other in NumPy."
    " PCA: scikit-learn's IncrementalPCA(whiten=True) of all n components, one batch of n samples after a "
    f"first; it learns from batches only, and is timed up to n = {_LARGEST_PCA}. Limit: reading and writing "
    "the n by n matrix once, which a learner that updates it with every sample cannot beat. Difference: the "
    "largest of stream and loop, relative to the largest output."
)


def tables(scope: Scope) -> Iterator[Table]:
    """Return the table of samples in a stream, and that of samples one at a time."""
    sizes = (16,) if scope.quick else _SIZES
    yield Table(
        "stream",
        "Decorrelating a stream exactly, float32, per sample",
        [
            Column("n"),
            Column("loop / stream", ".1f"),
            Column("PCA / stream", ".1f"),
            Column("limit / stream", ".2f"),
            Column("stream, us", ".1f"),
            Column("loop, us", ".0f"),
            Column("PCA, us", ".0f"),
            Column("limit, us", ".1f"),
            Column("difference", ".1e"),
        ],
        [_row(n, scope) for n in sizes],
        [_HOW, *left_out("sklearn", "PCA")],
    )
    yield table_of_samples(scope)


def _row(n: int, scope: Scope) -> tuple[Any, ...]:
    samples = np.random.default_rng(0).random((_SAMPLES, n), np.float32)
    start = np.eye(n, dtype=np.float32)
    blocked, looped = start.copy(), start.copy()
    sides: dict[str, Side] = {
        "stream": lambda: decorrelate_stream(blocked, samples, rate=RATE, copy=False),
        "loop": lambda: loop(looped, samples[:_LOOPED]),
    }
    if installed("sklearn") and n <= _LARGEST_PCA:
        sides["PCA"] = _pca(n)
    with sweeper(start.copy()) as sweep:
        sides["limit"] = sweep
        seconds = take_turns(sides, turns=scope.turns, least_seconds=scope.least_seconds)
    counts = {"stream": _SAMPLES, "loop": _LOOPED, "PCA": n, "limit": 1}
    each = {name: 1e6 * value / counts[name] for name, value in seconds.items()}
    stream, pca = each["stream"], each.get("PCA")
    return (
        n,
        each["loop"] / stream,
        pca and pca / stream,
        each["limit"] / stream,
        stream,
        each["loop"],
        pca,
        each["limit"],
        _difference(start, samples),
    )


def _difference(start: Any, samples: Any) -> float:
    """Return how far stream and loop part, relative to the largest output."""
    wanted = loop(start.copy(), samples)
    found = decorrelate_stream(start, samples, rate=RATE).decorrelated
    return float(np.max(np.abs(found - wanted)) / np.max(np.abs(wanted)))


def _pca(n: int) -> Side:
    """Return a whitening of n components by scikit-learn that learns from one more batch of n samples."""
    from sklearn.decomposition import IncrementalPCA

    batches = np.random.default_rng(0).random((2, n, n), np.float32)
    learner = IncrementalPCA(n_components=n, whiten=True)
    learner.partial_fit(batches[0])
    return lambda: learner.partial_fit(batches[1])
