"""One sample at a time equals the plain loop, on every backend; the kernels behind it equal their equations."""

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
from pycopi import kernels
from pycopi.kernels import RankK


def drawn(generator, *shape):
    return generator.uniform(-1, 1, shape)


@given(
    samples=sizes(0, 8), n=sizes(1, 6), seed=SEEDS, dtype=DTYPES,
    rule=st.sampled_from([(0.0, None), (0.4, None), (0.0, 0.2), (0.4, 0.2), (1.0, 0.2), "rls"]),
)  # fmt: skip
def test_samples_equal_the_loop(xp, samples, n, seed, dtype, rule):
    generator = np.random.default_rng(seed)
    y = (generator.normal(size=(samples, n)) @ (np.eye(n) + 0.5)).astype(dtype)
    r = np.eye(n, dtype=dtype)
    like = xp.asarray(r)
    state, rows = pycopi.start_samples(like), []
    keywords = {"rule": rule} if rule == "rls" else {"whitening": rule[0], "step_bound": rule[1]}
    step = functools.partial(pycopi.decorrelate_sample, rate=0.05, **keywords)
    for sample in y:
        x, state = xp.call(step, state, xp.asarray(sample))
        rows.append(x)
    exact = r.astype(np.float64), y.astype(np.float64), 0.05
    wanted, end = reference.recursive_stream(*exact) if rule == "rls" else reference.stream(*exact, *rule)
    scale = max([1.0, *np.abs(wanted).ravel(), *np.abs(end).ravel()])
    rtol = tolerance(dtype, 10 * (samples + n))
    for x, expected in zip(rows, wanted, strict=True):
        assert_close(x, expected, xp, like, rtol=rtol, scale=scale)
    assert_close(pycopi.finish_samples(state), end, xp, like, rtol=rtol, scale=scale)


@pytest.mark.parametrize("keywords", [{}, {"step_bound": 0.2}, {"whitening": 0.5}, {"rule": "rls"}])
def test_samples_equal_the_stream(keywords, rng):
    y = rng.normal(size=(40, 37)) @ (np.eye(37) + 0.1 * rng.normal(size=(37, 37)))
    whole = pycopi.decorrelate_stream(np.eye(37), y, rate=0.01, **keywords)
    state, rows = pycopi.start_samples(np.eye(37)), []
    for sample in y:
        x, state = pycopi.decorrelate_sample(state, sample, rate=0.01, copy=None, **keywords)
        rows.append(x)
    assert_close(np.stack(rows), whole.decorrelated, NUMPY, y, rtol=1e-13)
    assert_close(pycopi.finish_samples(state), whole.decorrelator, NUMPY, y, rtol=1e-13)


def test_copy_says_what_may_be_overwritten():
    r, y = np.eye(3), np.array([1.0, 2.0, 3.0])
    first = pycopi.decorrelate_sample(pycopi.start_samples(r), y, rate=0.1).state
    kept = pycopi.decorrelate_sample(first, y, rate=0.1).state
    assert not np.shares_memory(kept.decorrelator, first.decorrelator)
    assert_same(r, np.eye(3))
    for copy in (None, False):
        state = pycopi.start_samples(np.eye(3))
        matrix = state.decorrelator
        for _ in range(2):
            state = pycopi.decorrelate_sample(state, y, rate=0.1, copy=copy).state
            assert state.decorrelator is matrix
        assert pycopi.finish_samples(state, copy=copy) is matrix
        assert_same(matrix, pycopi.finish_samples(kept))
    locked = np.eye(3)
    locked.flags.writeable = False
    message = (
        "matrix cannot be changed in place, as copy=False asks: it is a read-only numpy array; "
        "pass copy=None or copy=True"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.decorrelate_sample(pycopi.start_samples(locked), y, rate=0.1, copy=False)
    assert pycopi.decorrelate_sample(pycopi.start_samples(locked), y, rate=0.1, copy=None).state


def test_errors_say_what_is_wrong():
    state, y = pycopi.start_samples(np.eye(3)), np.ones(3)
    dtypes = "sample has dtype float32 but decorrelator has float64; convert one of them, "
    dtypes += "as in xp.astype(sample, decorrelator.dtype)"
    values = "sample has nan at row 1 (1 such values in the block read); expected finite numbers: "
    values += "remove or fill them first"
    cases = [
        (np.eye(3), y, 0.1, "state is a ndarray; expected a SampleState, such as start_samples() returns"),
        (
            state,
            np.ones(2),
            0.1,
            "sample has shape (2,) but the state's decorrelator has shape (3, 3); expected (3,)",
        ),
        (state, y, -1.0, "rate is -1.0; expected a finite number of at least 0"),
        (state, y.astype(np.float32), 0.1, dtypes),
        (state, np.array([1.0, np.nan, 0.0]), 0.1, values),
    ]
    for given_state, sample, rate, message in cases:
        with pytest.raises((TypeError, ValueError), match=exactly(message)):
            pycopi.decorrelate_sample(given_state, sample, rate=rate)
    with pytest.raises(
        ValueError, match=exactly("decorrelator has shape (2, 3) but it has 3 columns; expected (3, 3)")
    ):
        pycopi.start_samples(np.ones((2, 3)))
    with pytest.raises(TypeError, match="state is a tuple"):
        pycopi.finish_samples(())


UPDATES = st.sampled_from(["none", "plain", "rows", "columns", "both"])


def problem(m, n, dtype, kind, seed):
    """Return a matrix, an update of it, a sample (n,) and a vector (m,), of values in [-1, 1]."""
    generator = np.random.default_rng(seed)
    draw = lambda *shape: drawn(generator, *shape).astype(dtype)  # noqa: E731
    matrix, left, right, rows, columns, sample, vector = (
        draw(m, n), draw(m), draw(n), draw(m), draw(n), draw(n), draw(m),
    )  # fmt: skip
    update = RankK(
        left[None],
        right[None],
        0.75,
        rows if kind in ("rows", "both") else None,
        columns if kind in ("columns", "both") else None,
    )
    return matrix, None if kind == "none" else update, sample, vector


def wide(array):
    return None if array is None else array.astype(np.float64)


def updated(matrix, update):
    """Return the matrix in float64 after an update."""
    if update is None:
        return wide(matrix)
    left, right, scale, rows, columns = update
    return reference.rank_k(wide(matrix), wide(left), wide(right), scale, wide(rows), wide(columns))


def moved(xp, update):
    """Return the update in the arrays of a backend."""
    return update and RankK(*(xp.asarray(x) if isinstance(x, np.ndarray) else x for x in update))


@given(m=sizes(0, 9), n=sizes(0, 9), dtype=DTYPES, kind=UPDATES, seed=SEEDS, back=st.booleans())
def test_update_then_project(xp, m, n, dtype, kind, seed, back):
    matrix, update, sample, _ = problem(m, n, dtype, kind, seed)
    like = xp.asarray(matrix)
    call = functools.partial(kernels.update_then_project, back=back, copy=True)
    result, x, v = xp.call(call, like, moved(xp, update), xp.asarray(sample))
    expected = updated(matrix, update)
    rtol = tolerance(dtype, 10 * (m + n))
    assert_close(result, expected, xp, like, rtol=rtol)
    assert_close(x, expected @ wide(sample), xp, like, rtol=rtol)
    if back:
        assert_close(v, expected.T @ (expected @ wide(sample)), xp, like, rtol=rtol)
    else:
        assert v is None


@given(m=sizes(0, 9), n=sizes(0, 9), dtype=DTYPES, kind=UPDATES, seed=SEEDS, pulls=st.booleans())
def test_pull_then_update(xp, m, n, dtype, kind, seed, pulls):
    matrix, update, _, vector = problem(m, n, dtype, kind, seed)
    like = xp.asarray(matrix)
    call = functools.partial(kernels.pull_then_update, copy=True)
    result, p = xp.call(call, like, xp.asarray(vector) if pulls else None, moved(xp, update))
    rtol = tolerance(dtype, 10 * (m + n))
    assert_close(result, updated(matrix, update), xp, like, rtol=rtol)
    if pulls:
        assert_close(p, wide(matrix).T @ wide(vector), xp, like, rtol=rtol)
    else:
        assert p is None


def test_inputs_that_share_memory_with_the_matrix_leave_it_alone():
    matrix = np.arange(9.0).reshape(3, 3) / 9
    before = matrix.copy()
    update = RankK(np.ones((1, 3)), np.ones((1, 3)), 1.0)
    for engine in ["portable", *(["native"] if kernels.native.available else [])]:
        with pycopi.use_engine(engine):
            result, x, _ = kernels.update_then_project(matrix, update, matrix[1], copy=None)
            assert_same(result, before + 1)
            assert_close(x, (before + 1) @ before[1], NUMPY, matrix, rtol=1e-14)
            result, p = kernels.pull_then_update(matrix, matrix[1], update, copy=None)
            assert_same(result, before + 1)
            assert_close(p, before.T @ before[1], NUMPY, matrix, rtol=1e-14)
            assert_same(matrix, before)
            with pytest.raises(ValueError, match="it shares memory with another argument"):
                kernels.update_then_project(matrix, update, matrix[1], copy=False)
