"""Bounded steps in the C core: as the portable engine, which defines them, in every layout and set."""

import numpy as np
import pytest
from assertions import assert_same, exactly
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import DTYPES, SEEDS, sizes

from pycopi.kernels import Bound, RankK, move, native, portable

if not native.available:
    pytest.skip("pycopi was built without its C core", allow_module_level=True)

core = native._core
SETS = core.instruction_sets()
RANKS = st.one_of(st.integers(0, 20), st.sampled_from([255, 256, 257, 600]))


def problem(m, n, k=5, dtype=np.float32, seed=0, kept=None):
    """Return rows of sizes from 0 to 1, a velocity of which steps keep so much, and a change.

    Some steps are longer than a tenth of these rows, most are not.
    """
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.uniform(-1, 1, shape)  # noqa: E731
    matrix = draw(m, n) * rng.choice([0.0, 0.01, 1.0], (m, 1))
    sizes = rng.choice([0.01, 1.0, 10.0], (m, 1))
    left, right = (sizes * draw(m, k)).T, draw(k, n)
    velocity = None if kept is None else (draw(m, n) * sizes).astype(dtype)
    rows = None if kept is None else np.full(m, kept, dtype)
    change = RankK(np.ascontiguousarray(left.astype(dtype)), right.astype(dtype), 0.1, rows, None)
    return matrix.astype(dtype), velocity, change


def bounds(dtype=np.float32):
    return Bound(0.1, np.asarray([0.02], dtype))


def wide(part):
    if isinstance(part, tuple):
        return type(part)(*map(wide, part))
    return part.astype(np.float64) if isinstance(part, np.ndarray) else part


def moved(matrix, velocity, change, bound, kept=0.9):
    """Return what the definition makes of them in float64."""
    return portable.move(*map(wide, (matrix, velocity, change)), kept, wide(bound), True)


def assert_alike(found, wanted, change):
    eps, terms = np.finfo(found[0].dtype).eps, len(change.left) + 50
    for one, other in zip(found, wanted, strict=True):
        assert (one is None) == (other is None)
        if other is not None:
            np.testing.assert_allclose(one, other, rtol=terms * eps, atol=terms * eps)


@pytest.mark.parametrize("name", SETS)
@given(
    m=sizes(0, 40), n=sizes(0, 150), k=RANKS, dtype=DTYPES, seed=SEEDS, bounded=st.booleans(),
    kept=st.sampled_from([None, 0.0, 0.5]),
)  # fmt: skip
@example(m=60, n=3000, k=20, dtype=np.float64, seed=0, bounded=True, kept=None)
@example(m=60, n=3000, k=20, dtype=np.float32, seed=0, bounded=True, kept=0.9)
def test_every_instruction_set_moves_as_the_definition(name, m, n, k, dtype, seed, bounded, kept):
    before = core.instruction_set()
    core.set_instruction_set(name)
    try:
        given_ones = problem(m, n, k, dtype, seed, kept)
        bound = bounds(dtype) if bounded else None
        wanted = moved(*given_ones, bound)
        assert_alike(native.move(*given_ones, 0.9, bound, None), wanted, given_ones[2])
    finally:
        core.set_instruction_set(before)


@given(m=sizes(1, 12), n=sizes(1, 150), dtype=DTYPES, seed=SEEDS)
def test_no_step_is_longer_than_its_bound_and_short_ones_stay(m, n, dtype, seed):
    matrix, velocity, change = problem(m, n, dtype=dtype, seed=seed, kept=0.5)
    whole = portable.rank_k_update(*map(wide, (velocity, change)), True)
    longest = np.maximum(0.1 * np.linalg.norm(wide(matrix), axis=1), 0.02)
    short = np.linalg.norm(whole, axis=1) < 0.999 * longest
    found = wide(move(matrix, velocity, change, bound=bounds(dtype))[1])
    assert np.all(np.linalg.norm(found, axis=1) <= longest * (1 + 1e-5))
    np.testing.assert_allclose(found[short], whole[short], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kept", [None, 0.5])
@pytest.mark.parametrize("copy", [None, True, False])
def test_what_may_be_overwritten(copy, kept):
    matrix, velocity, change = problem(9, 40, kept=kept)
    old, wanted = matrix.copy(), moved(matrix, velocity, change, bounds())
    before = None if velocity is None else velocity.copy()
    found = native.move(matrix, velocity, change, 0.9, bounds(), copy)
    assert (found[0] is matrix) is (copy is not True)
    if velocity is not None:
        assert (found[1] is velocity) is (copy is not True)
    if copy:
        assert_same(matrix, old)
        if velocity is not None:
            assert_same(velocity, before)
    assert_alike(found, wanted, change)


@pytest.mark.parametrize("kept", [None, 0.5])
def test_a_step_of_many_ranks_agrees(kept):
    given_ones = problem(20, 30, k=2000, kept=kept)
    wanted = moved(*given_ones, bounds())
    assert_alike(native.move(*given_ones, 0.9, bounds(), None), wanted, given_ones[2])


def test_rows_apart_in_memory_and_factors_in_another_order():
    matrix, velocity, change = problem(9, 40, kept=0.5)
    wanted = moved(matrix, velocity, change, bounds())
    places = np.zeros((2, 18, 80), np.float32)[:, ::2, :40]
    places[...] = matrix, velocity
    turned = RankK(*(np.asfortranarray(part) if isinstance(part, np.ndarray) else part for part in change))
    assert_alike(native.move(*places, turned, 0.9, bounds(), False), wanted, change)


def test_the_number_of_threads_changes_no_bit():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    found = []
    for count in (1, 2):
        given_ones = problem(501, 1000, kept=0.5)
        with threadpoolctl.threadpool_limits(count):
            found.append(native.move(*given_ones, 0.9, bounds(), None))
    for one, other in zip(*found, strict=True):
        assert_same(one, other)


def test_a_step_that_is_not_finite_is_not_hidden():
    matrix, _, change = problem(3, 40)
    change.left[0, 0], change.left[0, 1] = np.nan, np.inf
    found = native.move(matrix, None, change, 1.0, bounds(), None)[0]
    assert not np.isfinite(found[:2]).all(axis=1).any()
    assert np.isfinite(found[2]).all()


def test_a_row_that_is_not_a_number_bounds_nothing_as_in_the_definition():
    matrix, velocity, change = problem(3, 40)
    matrix[0, 0] = np.nan
    wanted = moved(matrix, velocity, change, bounds())
    assert_alike(native.move(matrix, velocity, change, 0.9, bounds(), None), wanted, change)


@pytest.mark.parametrize(
    ("right", "message"),
    [
        (
            np.ones((2, 5), np.float32),
            "right has size 5 along axis 1; expected 4 to fit the arguments before it",
        ),
        (
            np.ones((2, 4)),
            "right has the buffer format 'd' but matrix has 'f'; convert one of them to the other's dtype",
        ),
    ],
    ids=["shape", "dtype"],
)
def test_refused_steps(right, message):
    left = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match=exactly(message)):
        core.move(np.ones((3, 4), np.float32), None, left, right, 1.0, None, 1.0, 0.1, 0.1)


def test_a_velocity_in_the_matrix_itself_is_refused():
    matrix, ones = np.ones((3, 4), np.float32), np.ones((2, 4), np.float32)
    with pytest.raises(ValueError, match=r"^matrix overlaps velocity in memory; expected separate memory"):
        core.move(matrix, matrix, ones[:, :3], ones, 1.0, None, 1.0, 0.1, 0.1)
