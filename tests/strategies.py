"""Bounded strategies: arrays are drawn in NumPy and converted to a backend afterwards."""

import numpy as np
from hypothesis import strategies as st

from pycopi.kernels import SampleRule

DTYPES = st.sampled_from([np.float32, np.float64])
SAMPLE_RULES = [
    SampleRule(0.05),
    SampleRule(0.05, 0.4),
    SampleRule(0.05, 1.0),
    SampleRule(0.3, bound=0.5),
    SampleRule(0.3, 0.4, 0.5),
    SampleRule(0.3, 1.0, 0.2),
    SampleRule(0.05, recursive=True),
]
SEEDS = st.integers(0, 2**32 - 1)


def sizes(least: int = 1, most: int = 9) -> st.SearchStrategy[int]:
    """Return a strategy for small sizes: both ends, and odd ones between."""
    return st.integers(least, most)


def rates(most: float = 0.2) -> st.SearchStrategy[float]:
    """Return a strategy for step sizes, zero included."""
    return st.one_of(st.just(0.0), st.floats(1e-4, most))


@st.composite
def batches(draw: st.DrawFn, *, features: int | None = None, least_rows: int = 1) -> np.ndarray:
    """Return a batch of correlated rows, some features dead, in a drawn dtype."""
    rows = draw(sizes(least_rows, 12))
    n = features or draw(sizes())
    generator = np.random.default_rng(draw(SEEDS))
    mixed = generator.normal(size=(rows, n)) @ (np.eye(n) + 0.5 * generator.normal(size=(n, n)))
    if draw(st.booleans()):
        mixed[:, generator.integers(n)] = 0.0
    return mixed.astype(draw(DTYPES))
