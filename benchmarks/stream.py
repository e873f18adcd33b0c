"""Decorrelating, per sample: a stream, against a NumPy loop, scikit-learn and the bandwidth of memory.

And one sample at a time, where the next is not known.
"""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np

from benchmarks.machine import sweeper
from benchmarks.sides import Side, installed, left_out, take_turns
from benchmarks.table import Column, Scope, Table
from pycopi.rules.sample import decorrelate_sample, start_samples
from pycopi.rules.stream import decorrelate_stream

RATE = 1e-5
"""Step size of the streams that are timed."""

_SIZES, _SAMPLES, _LOOPED = (784, 1024, 3072), 256, 32
_LARGEST_PCA = 1024  # above, one batch takes tens of seconds


_HOW_STREAM = (
    f"Stream: `decorrelate_stream` on {_SAMPLES} samples. Loop: the same updates one after the other in NumPy."
    " PCA: scikit-learn's IncrementalPCA(whiten=True) of all n components, one batch of n samples after a "
    f"first; it learns from batches only, and is timed up to n = {_LARGEST_PCA}. Limit: reading and writing "
    "the n by n matrix once, which a learner that updates it with every sample cannot beat. Difference: the "
    "largest of stream and loop, relative to the largest output."
)

_WIDTHS, _ROWS = (1024, 3072, 8192), 16

_HOW_SAMPLES = (
    "Sample: `decorrelate_sample(..., copy=None)`, which reads and writes the n by n matrix once. Loop: the "
    "same in NumPy. Sweep: each element of that matrix read and written once, in as many Python threads."
)


def tables(scope: Scope) -> Iterator[Table]:
    """Return the table of samples in a stream, and that of samples one at a time."""
    yield from _stream(scope)
    yield from _samples(scope)


def loop(matrix: Any, samples: Any, rate: float = RATE) -> Any:
    """Return samples decorrelated one after the other; the matrix is overwritten.

    Already without the covariance matrix: two products and two sweeps of the matrix for each sample.
    """
    rows = np.empty_like(samples)
    for index, sample in enumerate(samples):
        x = matrix @ sample
        v = x @ matrix
        matrix *= (1 + rate * x * x)[:, None]
        matrix -= np.outer(rate * x, v)
        rows[index] = x
    return rows


def _stream(scope: Scope) -> Iterator[Table]:
    """Return the table of samples in a stream."""
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
        [_stream_row(n, scope) for n in sizes],
        [_HOW_STREAM, *left_out("sklearn", "PCA")],
    )


def _stream_row(n: int, scope: Scope) -> tuple[Any, ...]:
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


def _samples(scope: Scope) -> Iterator[Table]:
    """Return the table of samples one at a time."""
    yield Table(
        "samples",
        "Decorrelating one sample at a time, float32, per sample",
        [
            Column("n"),
            Column("loop / sample", ".1f"),
            Column("share of sweep", ".0%"),
            Column("sample, us", ".1f"),
            Column("loop, us", ".1f"),
            Column("GB/s", ".1f"),
            Column("sweep GB/s", ".1f"),
        ],
        [_samples_row(n, scope) for n in ((16,) if scope.quick else _WIDTHS)],
        [_HOW_SAMPLES],
    )


def _samples_row(n: int, scope: Scope) -> tuple[Any, ...]:
    samples = np.random.default_rng(0).random((_ROWS, n), np.float32)
    looped = np.eye(n, dtype=np.float32)
    with sweeper(np.eye(n, dtype=np.float32)) as sweep:
        sides: dict[str, Side] = {
            "sample": _sample_side(samples),
            "loop": lambda: loop(looped, samples[:1]),
            "sweep": sweep,
        }
        seconds = take_turns(sides, turns=scope.turns, least_seconds=scope.least_seconds)
    sample, swept = seconds["sample"], 2 * 4 * n * n / 1e9
    return (
        n,
        seconds["loop"] / sample,
        seconds["sweep"] / sample,
        1e6 * sample,
        1e6 * seconds["loop"],
        swept / sample,
        swept / seconds["sweep"],
    )


def _sample_side(samples: Any) -> Side:
    """Return the decorrelation of the next sample of a stream."""
    state = start_samples(np.eye(samples.shape[1], dtype=samples.dtype))
    rows = cycle(samples)

    def side() -> None:
        nonlocal state
        _, state = decorrelate_sample(state, next(rows), rate=RATE, copy=None)

    return side
