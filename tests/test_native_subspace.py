"""Directions followed in the C core: as the general path, which defines it, in every instruction set."""

import numpy as np
import pytest
from assertions import assert_same, exactly, tolerance
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import DTYPES, SEEDS, sizes

import pycopi
from pycopi.kernels import native
from pycopi.rules.subspace import SubspaceDecorrelation

if not native.available:
    pytest.skip("pycopi was built without its C core", allow_module_level=True)

core = native._core
SETS = core.instruction_sets()


def problem(rows, features, dtype=np.float32, seed=0, factor=1.0, **fields):
    """Return how to decorrelate, directions of some rows, and others whose powers differ."""
    rng = np.random.default_rng(seed)
    draw = lambda: (rng.standard_normal((rows, features)) * rng.uniform(0.1, 3.0, features)).astype(dtype)  # noqa: E731
    how = SubspaceDecorrelation(**{"rank": 3, "damping": 0.7, **fields})
    return how, how.start(draw()), (factor * draw()).astype(dtype)


def both(how, state, rows, copy=True):
    """Return what the C core makes of rows, and what the general path does, each as a list of arrays."""
    found = how.followed(state, rows, copy)
    with pycopi.use_engine("portable"):
        wanted = how.followed(state, rows, True)
    return [*found[:3], *found[3]], [*wanted[:3], *wanted[3]]


def assert_alike(found, wanted, terms):
    bound = tolerance(found[0].dtype, terms + 50)  # NumPy 1 makes 64 bits of a scalar
    for one, other in zip(found, wanted, strict=True):
        scale = np.max(np.abs(other), initial=1e-30)
        np.testing.assert_allclose(np.ravel(one), np.ravel(other), rtol=bound, atol=bound * scale)


@pytest.mark.parametrize("name", SETS)
@given(
    rows=sizes(1, 70), features=sizes(1, 70), dtype=DTYPES, seed=SEEDS, rank=st.sampled_from([1, 3, None]),
    fraction=st.sampled_from([0.25, 1.0]), least=st.sampled_from([0.0, 0.5]),
    factor=st.sampled_from([0.0, 1.0, 1e3]),
)  # fmt: skip
@example(rows=64, features=100, dtype=np.float32, seed=0, rank=40, fraction=0.25, least=0.0, factor=1.0)
def test_every_instruction_set_follows_as_the_general_path(
    name, rows, features, dtype, seed, rank, fraction, least, factor
):
    before = core.instruction_set()
    core.set_instruction_set(name)
    try:
        fields = {"rank": rank, "fraction": fraction, "least": least}
        how, state, later = problem(rows, features, dtype, seed, factor, **fields)
        assert native.follows(later, state.vectors)
        assert_alike(*both(how, state, later), rows + features)
    finally:
        core.set_instruction_set(before)


def test_rows_that_are_all_0_are_left_alone():
    how, state, _ = problem(9, 5)
    nothing = how.unknown(5, np.empty((0, 5), np.float32))
    zeros = np.zeros((9, 5), np.float32)
    found, wanted = both(how, nothing._replace(sums=state.sums), zeros)
    assert_alike(found, wanted, 9)
    assert_same(found[0], zeros)
    assert np.isfinite(found[1])


@pytest.mark.parametrize("copy", [None, True, False])
def test_what_may_be_overwritten(copy):
    how, state, rows = problem(20, 8)
    before = state._replace(moments=state.moments.copy(), sums=state.sums.copy())
    wanted = how.followed(before, rows, True)[3]
    found = how.followed(state, rows, copy)[3]
    assert (found.moments is state.moments, found.sums is state.sums) == ((copy is not True,) * 2)
    assert_same(found.moments, wanted.moments)
    if copy:
        assert_same(state.moments, before.moments)
        assert_same(state.sums, before.sums)


def test_rows_of_a_larger_table_and_read_only_ones():
    how, state, rows = problem(20, 8)
    table = np.zeros((20, 13), np.float32)
    table[:, 2:10] = rows
    table.flags.writeable = False
    one, other = how.followed(state, rows, True), how.followed(state, table[:, 2:10], True)
    assert_same(one[0], other[0])


def test_many_rows_are_followed_by_threads_and_agree():
    how, state, rows = problem(2000, 200, rank=16)
    assert_alike(*both(how, state, rows), 2200)


def test_what_is_not_a_number_is_not_hidden():
    how, state, rows = problem(20, 8)
    rows[3, 2] = np.nan
    found = how.followed(state, rows, True)
    assert np.isnan(found[0][3]).all()
    assert np.isnan(found[1])


def test_refused_arguments():
    ones = lambda *shape: np.ones(shape, np.float32)  # noqa: E731
    arguments = [ones(4, 5), ones(4, 5), ones(2, 5), ones(2), ones(2, 5), ones(3), ones(2), 1.0, 1.0, 0.0, 2]
    core.subspace(*arguments)
    message = "sums has size 2 along axis 0; expected 3 to fit the arguments before it"
    with pytest.raises(ValueError, match=exactly(message)):
        core.subspace(*arguments[:5], ones(2), *arguments[6:])
    with pytest.raises(ValueError, match=r"^out overlaps rows in memory"):
        core.subspace(arguments[0], arguments[0], *arguments[2:])
    for counted in (-1, 99, float("nan")):  # no more rows than there are
        core.subspace(*arguments[:10], counted)
    with pytest.raises(TypeError, match=exactly("subspace takes 11 arguments; got 0")):
        core.subspace()
