"""Bounded steps in the C core: as the portable engine, which defines them, in every layout and set."""

import numpy as np
import pytest
from assertions import assert_same, exactly
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, SEEDS, sizes

from pycopi.kernels import Bound, move, native, portable

if not native.available:
    pytest.skip("pycopi was built without its C core", allow_module_level=True)

core = native._core
SETS = core.instruction_sets()


def matrix_and_step(m, n, dtype=np.float32, seed=0, size=0.1):
    """Return rows of sizes from 0 to 1 and steps of which some are beyond a tenth of these, most are not."""
    rng = np.random.default_rng(seed)
    matrix = rng.uniform(-1, 1, (m, n)) * rng.choice([0.0, 0.01, 1.0], (m, 1))
    step = rng.uniform(-1, 1, (m, n)) * size * rng.choice([0.01, 1.0, 10.0], (m, 1))
    return matrix.astype(dtype), step.astype(dtype)


def moved(matrix, step, bound, kept=0.9):
    """Return what the definition makes of both in float64."""
    wide = None if bound is None else Bound(bound.times, bound.least.astype(np.float64))
    return portable.move(matrix.astype(np.float64), step.astype(np.float64), kept, wide, True)


def assert_alike(found, wanted, dtype):
    eps = np.finfo(dtype).eps
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=50 * eps, atol=50 * eps)


@pytest.mark.parametrize("name", SETS)
@given(m=sizes(0, 12), n=sizes(0, 150), dtype=DTYPES, seed=SEEDS, bounded=st.booleans())
def test_every_instruction_set_moves_as_the_definition(name, m, n, dtype, seed, bounded):
    before = core.instruction_set()
    core.set_instruction_set(name)
    try:
        matrix, step = matrix_and_step(m, n, dtype, seed)
        bound = Bound(0.1, np.asarray([0.02], dtype)) if bounded else None
        wanted = moved(matrix, step, bound)
        assert_alike(native.move(matrix, step, 0.9, bound, None), wanted, dtype)
    finally:
        core.set_instruction_set(before)


@given(m=sizes(1, 12), n=sizes(1, 150), dtype=DTYPES, seed=SEEDS)
def test_no_step_is_longer_than_its_bound_and_short_ones_stay(m, n, dtype, seed):
    matrix, step = matrix_and_step(m, n, dtype, seed)
    longest = np.maximum(0.1 * np.linalg.norm(matrix.astype(np.float64), axis=1), 0.02)
    given_step, short = step.copy(), np.linalg.norm(step.astype(np.float64), axis=1) < 0.999 * longest
    found = move(matrix, step, bound=Bound(0.1, np.asarray([0.02], dtype)))[1]
    assert np.all(np.linalg.norm(found.astype(np.float64), axis=1) <= longest * (1 + 1e-5))
    assert_same(found[short], given_step[short])


@pytest.mark.parametrize("copy", [None, True, False])
def test_what_may_be_overwritten(copy):
    matrix, step = matrix_and_step(9, 40)
    old, bound = matrix.copy(), Bound(0.1, np.asarray([0.02], np.float32))
    found = native.move(matrix, step.copy(), 0.9, bound, copy)
    assert (found[0] is matrix) is (copy is not True)
    if copy:
        assert_same(matrix, old)
    assert_alike(found, moved(old, step, bound), np.float32)


def test_rows_apart_in_memory_and_steps_in_another_order():
    matrix, step = matrix_and_step(9, 40)
    bound = Bound(0.1, np.asarray([0.02], np.float32))
    wanted, apart = moved(matrix, step, bound), np.zeros((18, 80), np.float32)[::2, :40]
    apart[...] = matrix
    assert_alike(native.move(apart, np.asfortranarray(step), 0.9, bound, False), wanted, np.float32)


def test_the_number_of_threads_changes_no_bit():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    found = []
    for count in (1, 2):
        matrix, step = matrix_and_step(501, 1000)
        with threadpoolctl.threadpool_limits(count):
            found.append(native.move(matrix, step, 0.9, Bound(0.1, np.asarray([0.02], np.float32)), None))
    for one, other in zip(*found, strict=True):
        assert_same(one, other)


def test_a_step_that_is_not_finite_is_not_hidden():
    matrix, step = matrix_and_step(3, 40)
    step[0, 0], step[1, 0] = np.nan, np.inf
    found = native.move(matrix, step, 1.0, Bound(0.1, np.asarray([0.02], np.float32)), None)[0]
    assert not np.isfinite(found[:2]).all(axis=1).any()
    assert np.isfinite(found[2]).all()


def test_a_row_that_is_not_a_number_bounds_nothing_as_in_the_definition():
    matrix, step = matrix_and_step(3, 40)
    matrix[0, 0], bound = np.nan, Bound(0.1, np.asarray([0.02], np.float32))
    wanted = moved(matrix, step, bound)
    assert_alike(native.move(matrix, step, 0.9, bound, None), wanted, np.float32)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            np.ones((3, 5), np.float32),
            "step has size 5 along axis 1; expected 4 to fit the arguments before it",
        ),
        (
            np.ones((3, 4)),
            "step has the buffer format 'd' but matrix has 'f'; convert one of them to the other's dtype",
        ),
    ],
    ids=["shape", "dtype"],
)
def test_refused_steps(step, message):
    with pytest.raises(ValueError, match=exactly(message)):
        core.move(np.ones((3, 4), np.float32), step, 1.0, 0.1, 0.1)


def test_a_step_in_the_matrix_itself_is_refused():
    matrix = np.ones((3, 4), np.float32)
    with pytest.raises(ValueError, match=r"^matrix overlaps step in memory; expected separate memory"):
        core.move(matrix, matrix, 1.0, 0.1, 0.1)
