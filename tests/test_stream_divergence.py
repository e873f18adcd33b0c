"""A stream that would not be finite raises an error to go on from; outliers and high rates are borne."""

import functools
import pickle

import numpy as np
import pytest
from assertions import assert_close, assert_same, exactly
from backends import NUMPY

import pycopi
from pycopi import kernels
from pycopi.data import load_dataset
from pycopi.kernels import native
from pycopi.kernels import numba as numba_engine
from pycopi.rules.sample_rule import limited

COMPILED = {"native": native, "numba": numba_engine}
ENGINES = ["portable", *(name for name, module in COMPILED.items() if module.fault() is None)]
DTYPES = [np.float32, np.float64]


@pytest.fixture(params=ENGINES)
def engine(request):
    with pycopi.use_engine(request.param):
        yield request.param


def digits(dtype):
    return load_dataset("digits").x_train.astype(dtype)


def one_by_one(start, samples, **keywords):
    """Return what `decorrelate_stream` would, by `decorrelate_sample`."""
    state, rows = pycopi.start_samples(start), []
    for sample in samples:
        x, state = pycopi.decorrelate_sample(state, sample, copy=None, **keywords)
        rows.append(x)
    return np.stack(rows), pycopi.finish_samples(state)


ADVICE = "give step_bound=1.0, or lower the rate"
BOUNDED = "lower the rate, far below 1 / n where it whitens, or divide the inputs by their largest value"


def message(which, advice=ADVICE):
    return (
        f"the stream diverged at {which}: it, or the matrix after it, would not be finite; {advice}; "
        f"this error's decorrelator is the matrix before it"
    )


def go_on(states, samples, **keywords):
    """Append the state after each sample to the states."""
    for sample in samples:
        states.append(pycopi.decorrelate_sample(states[-1], sample, **keywords).state)


WAYS = [pycopi.decorrelate_stream, one_by_one]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_outlier_leaves_a_stream_decorrelated(engine, dtype, way):
    x = digits(dtype)
    x[300, 20] = 1000
    rows, r = way(np.eye(64, dtype=dtype), x, rate=1e-2)
    assert np.all(np.isfinite(rows))
    test = load_dataset("digits").x_test.astype(dtype)
    raw, left = (pycopi.analysis.off_diagonal_correlation(part) for part in (test, test @ r.T))
    assert left < 0.25 * raw


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rate", [1.0, 100.0])
def test_a_rate_that_is_far_too_high_still_decorrelates(engine, rate, way):
    _, r = way(np.eye(64, dtype=np.float32), digits(np.float32), rate=rate)
    test = load_dataset("digits").x_test
    raw, left = (pycopi.analysis.off_diagonal_correlation(part) for part in (test, test @ r.T))
    assert left < 0.3 * raw


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kappa", [0.5, 1.0])
def test_whitening_outlives_dead_and_rare_inputs(engine, kappa, way):
    x = digits(np.float32)
    assert np.any(np.all(x == 0, axis=0))
    rows, r = way(np.eye(64, dtype=np.float32), np.concatenate([x, x]), rate=1e-2, whitening=kappa)
    assert np.all(np.isfinite(rows))
    assert np.all(np.isfinite(r))


@pytest.mark.parametrize("keywords", [{"whitening": 0.5}, {"rule": "rls"}])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", WAYS)
def test_rows_of_dead_inputs_grow_to_a_limit_and_no_further(engine, way, dtype, keywords):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(1000, 3)).astype(dtype)
    y[:, 1] = 0.0
    rows, r = way(np.eye(3, dtype=dtype), y, rate=0.1, **keywords)
    limit = 1 / np.finfo(dtype).eps
    assert r[1, 1] == pytest.approx(limit, rel=1e-6)
    assert_same(r[1, [0, 2]], np.zeros(2, dtype))
    alive = way(np.eye(2, dtype=dtype), y[:, [0, 2]].copy(), rate=0.1, **keywords)
    assert_close(rows[:, [0, 2]], alive[0], NUMPY, y, rtol=1e-3 if dtype == np.float32 else 1e-9)
    if dtype == np.float32:
        woken = pycopi.decorrelate_stream(r, rng.normal(size=(2000, 3)).astype(dtype), rate=0.01, **keywords)
        assert np.all(np.isfinite(woken.decorrelated))


@pytest.mark.parametrize("keywords", [{"step_bound": 1.0}, {"whitening": 0.5}, {"rule": "rls"}])
@pytest.mark.parametrize("dtype", DTYPES)
def test_duplicated_columns_and_single_features_stay_finite(engine, dtype, keywords):
    rng = np.random.default_rng(0)
    y = np.repeat(rng.normal(size=(5000, 2)), 3, axis=1).astype(dtype)
    for samples in (y, y[:, :1].copy()):
        n = samples.shape[1]
        rows, r = pycopi.decorrelate_stream(np.eye(n, dtype=dtype), samples, rate=0.01, **keywords)
        assert np.all(np.isfinite(rows))
        assert np.all(np.isfinite(r))


@pytest.fixture(scope="module")
def mnist():
    try:
        return load_dataset("mnist", download=False)
    except FileNotFoundError as reason:
        pytest.skip(f"MNIST is not on this machine: {reason}")


@pytest.mark.parametrize("keywords", [{"rate": 3e-2}, {"rate": 1e-3, "whitening": 0.5}])
def test_mnist_is_decorrelated_at_a_rate_that_is_too_high_or_with_whitening(mnist, keywords):
    start, test = np.eye(784, dtype=np.float32), mnist.x_test[:2000]
    rows, r = pycopi.decorrelate_stream(start, mnist.x_train[:6000], **keywords)
    assert np.all(np.isfinite(rows))
    raw, left = (pycopi.analysis.off_diagonal_correlation(part) for part in (test, test @ r.T))
    assert left < 0.5 * raw


def test_mnist_whitened_much_too_fast_is_an_error_with_advice_that_helps(mnist):
    start, x = np.eye(784, dtype=np.float32), mnist.x_train[:6000]
    with pytest.raises(pycopi.StreamDivergenceError) as caught:
        pycopi.decorrelate_stream(start, x, rate=3e-2, whitening=0.5)
    error = caught.value
    assert str(error) == message(f"sample {error.sample}", BOUNDED)
    assert np.all(np.isfinite(error.decorrelated))
    assert np.all(np.isfinite(error.decorrelator))
    slower = pycopi.decorrelate_stream(start, x, rate=1e-3, whitening=0.5)
    assert np.all(np.isfinite(slower.decorrelated))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("block", [1, 7, 64])
@pytest.mark.parametrize("copy", [True, None])
def test_the_error_names_the_sample_and_carries_all_before_it(engine, dtype, block, copy):
    x = digits(dtype)
    x[300, 20] = 1000
    start, keywords = np.eye(64, dtype=dtype), {"rate": 1e-2, "block_size": block}
    with pytest.raises(pycopi.StreamDivergenceError) as caught:
        pycopi.decorrelate_stream(start.copy(), x, step_bound=None, copy=copy, **keywords)
    error = caught.value
    assert str(error) == message(f"sample {error.sample}")
    assert 300 < error.sample < 320
    wanted = pycopi.decorrelate_stream(start, x[: error.sample], step_bound=None, **keywords)
    # Once it diverges, rounding grows as fast as the values.
    assert_close(error.decorrelated, wanted.decorrelated, NUMPY, x, rtol=1e-3)
    assert_close(error.decorrelator, wanted.decorrelator, NUMPY, x, rtol=1e-3)
    assert_same(error.decorrelated[:290], wanted.decorrelated[:290])
    for advised in ({"step_bound": 1.0}, {"step_bound": None, "rate": 1e-6}):
        assert np.all(np.isfinite(pycopi.decorrelate_stream(start, x, **keywords | advised).decorrelated))


def test_one_sample_at_a_time_raises_with_the_matrix_to_go_on_from(engine):
    x = digits(np.float32)
    x[300, 20] = 1000
    states = [pycopi.start_samples(np.eye(64, dtype=np.float32))]
    with pytest.raises(pycopi.StreamDivergenceError, match=exactly(message("this sample"))) as caught:
        go_on(states, x, rate=1e-2, step_bound=None)
    error = caught.value
    assert (error.sample, error.decorrelated) == (None, None)
    assert_same(error.decorrelator, pycopi.finish_samples(states[-1]))
    rows, _ = one_by_one(np.eye(64, dtype=np.float32), x, rate=1e-2)
    assert np.all(np.isfinite(rows))


def test_the_matrix_of_the_last_sample_is_looked_at(engine):
    sample, start = np.array([1e12, 1e12], np.float32), np.eye(2, dtype=np.float32)
    with pytest.raises(pycopi.StreamDivergenceError, match="at this sample"):
        pycopi.decorrelate_sample(pycopi.start_samples(start), sample, rate=1.0, step_bound=None)
    with pytest.raises(pycopi.StreamDivergenceError, match="at sample 1:") as caught:
        pycopi.decorrelate_stream(start, np.stack([0 * sample, sample]), rate=1.0, step_bound=None)
    assert_same(caught.value.decorrelator, start)
    assert_same(caught.value.decorrelated, np.zeros((1, 2), np.float32))


@pytest.mark.parametrize("keywords", [{}, {"rule": "rls"}])
def test_inputs_beyond_the_dtype_get_other_advice_which_helps(engine, keywords):
    y = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    y[11] *= 1e25
    with pytest.raises(pycopi.StreamDivergenceError, match=exactly(message("sample 11", BOUNDED))):
        pycopi.decorrelate_stream(np.eye(3, dtype=np.float32), y, rate=0.1, **keywords)
    scaled = y / np.max(np.abs(y))
    result = pycopi.decorrelate_stream(np.eye(3, dtype=np.float32), scaled, rate=0.1, **keywords)
    assert np.all(np.isfinite(result.decorrelated))


def test_a_matrix_that_comes_with_nan_is_named(engine):
    broken = np.eye(3)
    broken[1, 2] = np.nan
    with pytest.raises(ValueError, match="decorrelator has nan at row 1"):
        pycopi.decorrelate_stream(broken, np.ones((4, 3)), rate=0.1)
    with pytest.raises(ValueError, match="decorrelator has nan at row 1"):
        pycopi.decorrelate_sample(pycopi.start_samples(broken), np.ones(3), rate=0.1)


def test_half_precision_is_checked_in_wider_numbers():
    y = np.random.default_rng(0).normal(size=(250, 300)).astype(np.float16)
    rows, r = pycopi.decorrelate_stream(np.eye(300, dtype=np.float16), y, rate=1e-3, block_size=250)
    assert np.sum(np.square(rows.astype(np.float32))) > np.finfo(np.float16).max
    assert (rows.dtype, r.dtype) == (np.float16, np.float16)


def test_the_error_can_be_pickled():
    error = pycopi.StreamDivergenceError(3, np.eye(2), np.ones((3, 2)), bounded=True)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is pycopi.StreamDivergenceError
    assert str(again) == str(error)
    assert (again.sample, again.bounded) == (3, True)
    assert_same(again.decorrelator, error.decorrelator)
    assert_same(again.decorrelated, error.decorrelated)


def test_divergence_is_an_error_in_every_library_that_can_be_looked_at(eager):
    y = np.full((9, 3), 30.0, np.float32)
    like = eager.asarray(np.eye(3, dtype=np.float32))
    with pytest.raises(pycopi.StreamDivergenceError, match=exactly(message("sample 2"))) as caught:
        pycopi.decorrelate_stream(like, eager.asarray(y), rate=1.0, step_bound=None)
    assert caught.value.decorrelated.shape == (2, 3)
    rows = [eager.asarray(row) for row in y]
    with pytest.raises(pycopi.StreamDivergenceError):
        go_on([pycopi.start_samples(like)], rows, rate=1.0, step_bound=None)


def test_compiled_code_is_not_looked_at():
    jax = pytest.importorskip("jax")
    y = jax.numpy.full((9, 3), 30.0)
    call = jax.jit(functools.partial(pycopi.decorrelate_stream, rate=1.0, step_bound=None))
    assert not np.all(np.isfinite(call(jax.numpy.eye(3), y).decorrelated))
    call = jax.jit(functools.partial(pycopi.decorrelate_stream, rate=1.0))
    assert np.all(np.isfinite(call(jax.numpy.eye(3), y).decorrelated))


def test_the_limit_of_a_row_is_written_by_every_engine(engine):
    matrix = np.diag([1.0, -1e20, 3.0])
    matrix[1, 0] = 1e19
    result = limited(matrix.copy())
    factor = 1 / np.finfo(np.float64).eps / 1e20
    assert_close(result, np.diag([1.0, factor, 1.0]) @ matrix, NUMPY, matrix, rtol=1e-14)
    healthy = np.eye(3)
    assert limited(healthy) is healthy
    assert kernels.SampleRule(0.1).bound == np.inf
