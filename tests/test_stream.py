"""The blocked stream equals the loop over samples, for every block size, on every backend."""

import functools

import numpy as np
import pytest
import reference
from assertions import assert_close, assert_same, exactly, tolerance
from backends import NUMPY
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, SEEDS, sizes

import pycopi


def drawn_stream(samples, n, seed, dtype):
    """Return correlated samples, each of a size of its own from a tenth to ten, some inputs of them dead."""
    generator = np.random.default_rng(seed)
    y = generator.normal(size=(samples, n)) @ (np.eye(n) + 0.5) * 10 ** generator.uniform(-1, 1, (samples, 1))
    y[:, generator.random(n) < 0.2] = 0.0
    return y.astype(dtype)


@given(
    samples=sizes(0, 10), n=sizes(1, 6), block=sizes(1, 12), seed=SEEDS, dtype=DTYPES,
    kappa=st.sampled_from([0.0, 0.4, 1.0]), bound=st.sampled_from([None, 1.0, 0.3]),
)  # fmt: skip
def test_blocks_equal_the_loop(xp, samples, n, block, seed, dtype, kappa, bound):
    y = drawn_stream(samples, n, seed, dtype) / (1 if bound else 20)  # what no bound holds is kept small
    r = np.eye(n, dtype=dtype)
    like = xp.asarray(r)
    keywords = {"rate": 0.05, "whitening": kappa, "step_bound": bound}
    result = xp.call(pycopi.decorrelate_stream, like, xp.asarray(y), block_size=block, **keywords)
    x, end = reference.stream(r.astype(np.float64), y.astype(np.float64), 0.05, kappa, bound)
    assert_stream(result, x, end, xp, like, samples + n)


@given(samples=sizes(0, 10), n=sizes(1, 6), block=sizes(1, 12), seed=SEEDS, dtype=DTYPES)
def test_blocks_of_recursive_least_squares_equal_the_loop(xp, samples, n, block, seed, dtype):
    y = drawn_stream(samples, n, seed, dtype)
    r = np.eye(n, dtype=dtype)
    like = xp.asarray(r)
    stream = functools.partial(pycopi.decorrelate_stream, rate=0.05, rule="rls", block_size=block)
    result = xp.call(stream, like, xp.asarray(y))
    x, end = reference.recursive_stream(r.astype(np.float64), y.astype(np.float64), 0.05)
    assert_stream(result, x, end, xp, like, samples + n)


def assert_stream(result, x, end, xp, like, terms):
    scale = max([1.0, *np.abs(x).ravel(), *np.abs(end).ravel()])
    rtol = tolerance(xp.numpy(like).dtype, 20 * terms)
    assert_close(result.decorrelated, x, xp, like, rtol=rtol, scale=scale)
    assert_close(result.decorrelator, end, xp, like, rtol=rtol, scale=scale)


@given(samples=sizes(1, 30), n=sizes(1, 6), seed=SEEDS, rate=st.floats(1e-3, 0.3))
def test_recursive_least_squares_is_a_root_of_the_inverse_second_moments(samples, n, seed, rate):
    y = drawn_stream(samples, n, seed, np.float64)
    moments = np.eye(n)
    for sample in y:
        moments = (1 - rate) * moments + rate * np.outer(sample, sample)
    r = pycopi.decorrelate_stream(np.eye(n), y, rate=rate, rule="rls").decorrelator
    assert_close(r @ moments @ r.T, np.eye(n), NUMPY, y, rtol=1e-9)


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


def test_a_bound_changes_no_sample_whose_step_is_within_it(rng):
    y = rng.normal(size=(200, 5)) @ (np.eye(5) + 0.3)
    bounded, free = (
        pycopi.decorrelate_stream(np.eye(5), y, rate=0.01, step_bound=bound) for bound in (1.0, None)
    )
    assert 0.01 * np.max(np.sum(np.square(free.decorrelated), axis=1)) < 1.0
    assert_same(bounded.decorrelated, free.decorrelated)
    assert_same(bounded.decorrelator, free.decorrelator)


@pytest.mark.parametrize("rule", ["covariance", "rls"])
def test_layout_and_read_only_memory_change_nothing(rule, rng):
    wide = rng.normal(size=(40, 14)).astype(np.float32)
    strided, r = wide[::2, 1::2], np.eye(7, dtype=np.float32)
    wanted = pycopi.decorrelate_stream(r, strided.copy(), rate=0.01, rule=rule)
    locked, r = strided.copy(), r.copy()
    locked.flags.writeable = r.flags.writeable = False
    for y in (strided, locked, np.asfortranarray(strided)):
        for copy in (True, None):
            result = pycopi.decorrelate_stream(r, y, rate=0.01, rule=rule, copy=copy)
            assert_close(result.decorrelated, wanted.decorrelated, NUMPY, r, rtol=1e-6)
            assert_close(result.decorrelator, wanted.decorrelator, NUMPY, r, rtol=1e-6)


def test_recursive_least_squares_whitens_what_is_held_out(rng):
    mixing = np.eye(6) + 0.3 * rng.normal(size=(6, 6))
    y, later = rng.normal(size=(3000, 6)) @ mixing, rng.normal(size=(4000, 6)) @ mixing
    r = pycopi.decorrelate_stream(np.eye(6), y, rate=3e-3, rule="rls").decorrelator
    x = later @ r.T
    assert pycopi.analysis.off_diagonal_correlation(later) > 0.2
    assert pycopi.analysis.off_diagonal_correlation(x) < 0.05
    assert_close(np.mean(x**2, axis=0), np.ones(6), NUMPY, x, rtol=0.15)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"rule": "local"}, "rule is 'local'; expected one of covariance, rls"),
        ({"rule": "rls", "whitening": 0.5}, "whitening is 0.5, but rule='rls' always whitens; expected 0"),
        (
            {"rule": "rls", "rate": 1.0},
            "rate is 1.0; with rule='rls' it is a sample's share in the second moments: expected below 1",
        ),
        (
            {"step_bound": 0},
            "step_bound is 0.0, which allows no step; expected a number above 0, or None for no bound",
        ),
    ],
)
def test_errors_of_rules_say_what_is_wrong(keywords, message):
    keywords = {"rate": 0.1} | keywords
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.decorrelate_stream(np.eye(2), np.ones((3, 2)), **keywords)
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.decorrelate_sample(pycopi.start_samples(np.eye(2)), np.ones(2), **keywords)
