"""The blocked stream equals the loop over samples, for every block size, on every backend."""

import numpy as np
import pytest
import reference
from assertions import assert_close, tolerance
from backends import NUMPY
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, SEEDS, sizes

import pycopi


@given(
    samples=sizes(0, 10), n=sizes(1, 6), block=sizes(1, 12), seed=SEEDS, dtype=DTYPES,
    kappa=st.sampled_from([0.0, 0.4]),
)  # fmt: skip
def test_blocks_equal_the_loop(xp, samples, n, block, seed, dtype, kappa):
    generator = np.random.default_rng(seed)
    y = (generator.normal(size=(samples, n)) @ (np.eye(n) + 0.5)).astype(dtype)
    r = np.eye(n, dtype=dtype)
    like = xp.asarray(r)
    result = xp.call(
        pycopi.decorrelate_stream, like, xp.asarray(y), rate=0.05, whitening=kappa, block_size=block
    )
    x, end = reference.stream(r.astype(np.float64), y.astype(np.float64), 0.05, kappa)
    scale = max([1.0, *np.abs(x).ravel(), *np.abs(end).ravel()])
    rtol = tolerance(dtype, 10 * (samples + n))
    assert_close(result.decorrelated, x, xp, like, rtol=rtol, scale=scale)
    assert_close(result.decorrelator, end, xp, like, rtol=rtol, scale=scale)


@pytest.mark.parametrize("block", [1, 2, 7, 31, 32, 33, 100, 1000])
def test_a_long_stream_decorrelates_whatever_the_block(block, rng):
    y = rng.normal(size=(3000, 6)) @ (np.eye(6) + 0.3 * rng.normal(size=(6, 6)))
    x, r = pycopi.decorrelate_stream(np.eye(6), y[:100], rate=0.01, block_size=block)
    wanted_x, wanted_r = reference.stream(np.eye(6), y[:100], 0.01)
    assert_close(x, wanted_x, NUMPY, y, rtol=1e-12)
    assert_close(r, wanted_r, NUMPY, y, rtol=1e-12)
    whole, _ = pycopi.decorrelate_stream(np.eye(6), y, rate=0.01, block_size=block)
    early, late = (pycopi.analysis.off_diagonal_correlation(part) for part in (y, whole[2000:]))
    assert late < 0.3 * early


def test_a_stream_can_be_cut_anywhere(rng):
    y = rng.normal(size=(50, 4))
    whole, end = pycopi.decorrelate_stream(np.eye(4), y, rate=0.05)
    first, middle = pycopi.decorrelate_stream(np.eye(4), y[:17], rate=0.05)
    second, last = pycopi.decorrelate_stream(middle, y[17:], rate=0.05)
    assert_close(np.concatenate([first, second]), whole, NUMPY, y, rtol=1e-13)
    assert_close(last, end, NUMPY, y, rtol=1e-13)
