"""The sequential part of a stream, which no matrix product can do, for each engine."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from pycopi.bench.engines import numpy_engines
from pycopi.bench.numpy_loop import RATE
from pycopi.bench.scope import Scope
from pycopi.bench.table import Column, Table
from pycopi.bench.timing import take_turns
from pycopi.kernels import SampleRule

_SIZES, _BLOCK = (784, 1024, 3072), 64
_RULE = SampleRule(RATE, bound=1.0)  # as `decorrelate_stream` has it

_HOW = (
    f"What a block of {_BLOCK} samples makes of the matrix, after their product with it: per sample, and "
    "against the portable engine. GFLOP/s counts 4 n (k - 1) operations a sample, for blocks of k."
)


def tables(scope: Scope) -> Iterator[Table]:
    """Return the table of all engines."""
    engines = numpy_engines()
    rows = []
    for n in (16,) if scope.quick else _SIZES:
        projected = np.random.default_rng(0).random((_BLOCK, n), np.float32)
        sides = {name: partial(engine.stream_block, projected, _RULE) for name, engine in engines.items()}
        seconds = take_turns(sides, turns=scope.turns, least_seconds=scope.least_seconds)
        rows += [
            (
                n,
                name,
                seconds["portable"] / value,
                1e6 * value / _BLOCK,
                4e-9 * n * _BLOCK * (_BLOCK - 1) / value,
            )
            for name, value in seconds.items()
        ]
    yield Table(
        "stream-block",
        "The sequential part of a stream, float32",
        [
            Column("n"),
            Column("engine"),
            Column("portable / engine", ".1f"),
            Column("us a sample", ".2f"),
            Column("GFLOP/s", ".1f"),
        ],
        rows,
        [_HOW],
    )
