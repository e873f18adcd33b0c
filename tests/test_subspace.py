"""Decorrelation in closed form against float64, on every backend; and that it is the limit of small steps."""

import numpy as np
import pytest
import reference
from assertions import assert_close, exactly, tolerance
from backends import NUMPY
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import DTYPES, SEEDS, batches, sizes

import pycopi
from pycopi.kernels import apply
from pycopi.rules import directions, eigen
from pycopi.rules.subspace import SubspaceDecorrelation

SCALES = st.sampled_from([1e-4, 1.0, 1e4])
WHOLE = SubspaceDecorrelation(rank=None, damping=0.5)
FEW = SubspaceDecorrelation(rank=3, damping=0.01, memory=0.0)
SLOW = SubspaceDecorrelation(rank=3, damping=0.01, memory=0.8)


def wide(values):
    return values.astype(np.float64)


def separated(rng, *, rows=300, n=8):
    """Return rows whose leading second moments are far apart: their directions are found to rounding."""
    powers = np.array([50.0, 16.0, 5.0] + [0.02] * (n - 3))
    turn, _ = np.linalg.qr(rng.normal(size=(n, n)))
    sides, _ = np.linalg.qr(rng.normal(size=(rows, n)))
    return np.sqrt(rows) * sides @ np.diag(np.sqrt(powers)) @ turn


def settled(how, y, *, refreshes=5):
    """Return the directions after some refreshes with the same rows."""
    state = how.start(y)
    for _ in range(refreshes):
        state = how.refreshed(directions.accumulate(state, y))
    return state


def power_of(y):
    return directions.mean_power(directions.row_squares(y), y.shape[1])


def test_inputs_that_have_grown_count_at_once_and_smaller_ones_change_nothing():
    y = separated(np.random.default_rng(0))
    state = settled(FEW, y)
    for factor, wanted in ((10.0, 100.0), (0.1, 1.0)):
        found = directions.present(state, power_of(factor * y), directions.project(state, factor * y))
        np.testing.assert_allclose(found.values, wanted * state.values, rtol=1e-6)
        np.testing.assert_allclose(found.power, wanted * state.power, rtol=1e-6)


@given(k=sizes(1, 7), seed=SEEDS, dtype=DTYPES, rank=sizes(1, 7), scale=SCALES)
def test_eigenpairs_are_found_also_where_the_library_has_none(xp, k, seed, dtype, rank, scale):
    xp.require()
    factor = np.random.default_rng(seed).normal(size=(k, rank)) * scale
    matrix = (factor @ factor.T).astype(dtype)
    like = xp.asarray(matrix)
    values, vectors = xp.call(eigen.eigenpairs, like)
    rtol = tolerance(dtype, 8 * k)
    size = float(np.max(np.abs(matrix)))
    found, turn = wide(xp.numpy(values)), wide(xp.numpy(vectors))
    assert_close(vectors, turn, xp, like, rtol=rtol)
    np.testing.assert_allclose(turn.T @ turn, np.eye(k), atol=rtol)
    np.testing.assert_allclose(np.sort(found), np.linalg.eigvalsh(wide(matrix)), atol=rtol * size)
    np.testing.assert_allclose(turn @ np.diag(found) @ turn.T, wide(matrix), atol=rtol * size)


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e6])
def test_rows_that_nearly_depend_become_orthonormal(xp, condition, rng):
    rows = rng.normal(size=(5, 40)) / condition + rng.normal(size=(1, 40))
    like = xp.asarray(rows.astype(np.float32))
    made = wide(xp.numpy(xp.call(eigen.orthonormal, like)))
    np.testing.assert_allclose(made @ made.T, np.eye(5), atol=1e-5)


@settings(max_examples=4)
@given(y=batches(), seed=SEEDS, scale=SCALES)
def test_full_rank_is_the_closed_form(xp, y, seed, scale):
    y = (y * scale).astype(y.dtype)
    rows = np.random.default_rng(seed).normal(size=(4, y.shape[1])).astype(y.dtype)
    like = xp.asarray(rows)

    def work(y, rows):
        state = WHOLE.start(y)
        return WHOLE.decorrelate(state, rows)

    x = xp.call(work, xp.asarray(y), like)
    r = reference.closed_form(wide(y), y.shape[1], 0.5)
    rtol = tolerance(y.dtype, 16 * y.size)
    assert_close(x, wide(rows) @ r.T, xp, like, rtol=rtol, scale=10.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_few_directions_are_the_closed_form_with_the_mean_of_the_rest(xp, dtype, scale, rng):
    y = (separated(rng) * scale).astype(dtype)
    rows, delta = rng.normal(size=(6, 8)).astype(dtype), rng.normal(size=(6, 4)).astype(dtype)
    like = xp.asarray(rows)

    def work(y, rows, delta):
        state = settled(FEW, y)
        change = FEW.descent(state, rows, delta, 0.3)
        return FEW.decorrelate(state, rows), apply(xp.xp.matmul(delta.T, rows) * 0.0, change, True)

    x, step = xp.call(work, xp.asarray(y), like, xp.asarray(delta))
    moments, _ = reference.damped_moments(wide(y), 3, 0.01)
    rtol = tolerance(dtype, 300)
    assert_close(x, wide(rows) @ reference.closed_form(wide(y), 3, 0.01), xp, like, rtol=rtol)
    wanted = 0.3 / 6 * wide(delta).T @ wide(rows) @ np.linalg.inv(moments)
    assert_close(step, wanted, xp, like, rtol=rtol, scale=float(np.max(np.abs(wanted))))


def test_the_closed_form_is_the_limit_of_small_learned_steps(rng):
    """With kappa = 1/2 the learned R also grows by exp(t / 2), for steps of sum t; d is 1 / (exp(t) - 1)."""
    y = rng.normal(size=(200, 5)) @ (np.eye(5) + 0.5 * rng.normal(size=(5, 5)))
    power = np.mean(y**2)
    for time, steps in [(0.4, 4000), (2.0, 20000)]:
        r = np.eye(5)
        for _ in range(steps):
            r = pycopi.decorrelation_update(r, decorrelated=y @ r, rate=time / steps, whitening=0.5)
        how = SubspaceDecorrelation(rank=None, damping=1.0 / np.expm1(time) / power)
        closed = how.decorrelate(how.start(y), np.eye(5))
        assert_close(
            r / np.exp(time / 2),
            closed,
            NUMPY,
            y,
            rtol=4 * time / steps * np.max(np.linalg.eigvalsh(y.T @ y / 200)),
        )


@settings(max_examples=4)
@given(
    y=batches(features=6, least_rows=2),
    other=batches(features=6),
    seed=SEEDS,
    rank=st.sampled_from([1, 3, None]),
)
def test_weights_that_are_carried_over_do_the_same(xp, y, other, seed, rank):
    how = SubspaceDecorrelation(rank=rank, damping=0.7)
    weight = np.random.default_rng(seed).normal(size=(4, 6)).astype(y.dtype)
    like = xp.asarray(weight)

    def work(y, other, weight):
        old = how.start(y)
        new = how.refreshed(directions.accumulate(old, other))
        carried = apply(weight, how.carry(weight, old, new), True)
        return how.whiten(old, weight), how.whiten(new, carried)  # W R, as R is symmetric

    before, after = xp.call(work, xp.asarray(y), xp.asarray(other.astype(y.dtype)), like)
    assert_close(after, wide(xp.numpy(before)), xp, like, rtol=tolerance(y.dtype, 60))


@settings(max_examples=4)
@given(y=batches(least_rows=3), memory=st.sampled_from([0.0, 0.6]))
def test_single_samples_add_up_to_their_batch(xp, y, memory):
    how = SubspaceDecorrelation(rank=2, memory=memory)

    def work(start, y):
        state = how.start(start)
        alone = state
        for index in range(y.shape[0]):
            alone = directions.accumulate(alone, y[index : index + 1, :])
        return how.refreshed(directions.accumulate(state, y)).values, how.refreshed(alone).values

    like = xp.asarray(y)
    batch, alone = xp.call(work, xp.asarray(y[:2]), like)
    assert_close(
        alone, wide(xp.numpy(batch)), xp, like, rtol=tolerance(y.dtype, 20), scale=float(np.sum(wide(y) ** 2))
    )


def test_directions_follow_data_that_change(rng):
    first, second = separated(rng), separated(rng)
    state = FEW.start(first)
    for _ in range(30):
        state = SLOW.refreshed(directions.accumulate(state, second[rng.permutation(300)[:100]]))
    wanted = np.linalg.eigh(second.T @ second / 300)[1][:, -3:]
    overlap = np.linalg.svd(np.asarray(state.vectors) @ wanted)[1]
    assert np.min(overlap) > 0.999
    np.testing.assert_allclose(np.sort(state.values), [5.0, 16.0, 50.0], rtol=0.15)


def test_without_new_rows_a_refresh_changes_nothing(rng):
    state = FEW.start(separated(rng))
    again = FEW.refreshed(state)
    rows = rng.normal(size=(5, 8))
    assert_close(FEW.decorrelate(again, rows), FEW.decorrelate(state, rows), NUMPY, rows, rtol=1e-12)


def test_inputs_that_are_all_zero_give_steps_of_zero(xp):
    zeros = xp.asarray(np.zeros((5, 4), np.float32))
    delta = xp.asarray(np.ones((5, 2), np.float32))

    def work(zeros, delta):
        how = SubspaceDecorrelation(rank=2)
        state = how.refreshed(directions.accumulate(how.start(zeros), zeros))
        return how.descent(state, zeros, delta, 0.5).right

    assert_close(xp.call(work, zeros, delta), np.zeros((5, 4)), xp, zeros, rtol=0.0)


def test_powers_whose_inverse_would_overflow_count_as_none():
    rows = np.full((5, 4), 1e-20, np.float32)
    how = SubspaceDecorrelation(rank=2)
    assert np.all(np.isfinite(how.descent(how.start(rows), rows, np.ones((5, 2), np.float32), 0.5).scale))


def test_a_least_power_bounds_the_step_of_weak_inputs(rng):
    rows = 1e-6 * rng.normal(size=(50, 4))
    for least, size in ((0.0, 1e12), (0.1, 1 / 0.1), (1e-3, 1e3)):
        how = SubspaceDecorrelation(rank=2, damping=1.0, least=least)
        moved, unit = how.precondition(how.start(rows), rows)
        assert 0.3 * size < float(unit) < 3 * size
        assert np.all(np.abs(moved) <= 1.01 * np.max(np.abs(rows)))


@pytest.mark.parametrize("copy", [None, True])
def test_what_accumulates_in_place_is_what_accumulates_in_a_copy(xp, copy, rng):
    y = rng.normal(size=(6, 5))
    rows = xp.asarray(y)
    state = SLOW.start(rows)
    moments, sums = wide(xp.numpy(state.moments)), wide(xp.numpy(state.sums))
    vectors = wide(xp.numpy(state.vectors))
    found = directions.accumulate(state, rows, copy=copy)
    assert_close(found.moments, moments + vectors @ y.T @ y, xp, rows, rtol=1e-12, scale=10.0)
    assert_close(found.sums, sums + np.array([np.sum(y**2) / 5, 6.0, 0.0]), xp, rows, rtol=1e-12)
    if copy:
        np.testing.assert_array_equal(xp.numpy(state.sums), sums)


def test_what_is_not_finite_has_no_eigenvalues(xp):
    matrix = xp.asarray(np.where(np.eye(12) > 0, np.nan, 1.0).astype(np.float32))
    values, vectors = xp.call(eigen.eigenpairs, matrix)
    assert np.isnan(xp.numpy(values)).all()
    assert np.isnan(xp.numpy(vectors)).all()


@pytest.mark.parametrize("rank", [1, 16, None])
def test_a_large_batch_of_steps_within_the_bound_converges_at_any_scale(rank, rng):
    """A linear map is learned from inputs that are far from decorrelated: no rate fits both without R."""
    y = rng.normal(size=(256, 20)) + 10.0
    target = y @ rng.normal(size=(20, 3))
    for scale in (1e-4, 1.0, 1e4):
        inputs, how = y * scale, SubspaceDecorrelation(rank=rank)
        state, a = how.start(inputs), np.zeros((3, 20))
        for _ in range(1200):
            a = apply(a, how.descent(state, inputs, target - inputs @ a.T, 1.0), True)
        assert np.mean((target - inputs @ a.T) ** 2) < 1e-3 * np.mean((target - target.mean(0)) ** 2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rank": 0}, "rank is 0; expected a whole number of at least 1"),
        (
            {"damping": 0.0},
            "damping is 0.0, which divides by powers of 0; expected a number above 0, such as 1.0",
        ),
        ({"damping": -1.0}, "damping is -1.0; expected a finite number of at least 0"),
        ({"least": -1.0}, "least is -1.0; expected a finite number of at least 0"),
        ({"memory": 1.0}, "memory is 1.0, with which nothing new counts; expected a number below 1"),
        ({"fraction": 0.0}, "fraction is 0.0; expected a number above 0 and at most 1"),
        ({"refresh": 1.5}, "refresh is 1.5; expected a whole number of at least 1"),
    ],
)
def test_fields_out_of_range_are_errors(fields, message):
    with pytest.raises(ValueError, match=exactly(message)):
        SubspaceDecorrelation(**fields)


def test_rows_of_another_width_are_an_error(rng):
    state = FEW.start(separated(rng))
    message = "rows has shape (2, 5) but the directions are those of 8 features; expected (any, 8)"
    with pytest.raises(ValueError, match=exactly(message)):
        FEW.decorrelate(state, rng.normal(size=(2, 5)))


def test_no_rows_are_an_error():
    message = "rows has no rows; expected a batch of at least one sample"
    with pytest.raises(ValueError, match=exactly(message)):
        FEW.start(np.zeros((0, 4)))


@pytest.mark.parametrize("scale", [1e-15, 1e-8, 1e10, 1e15])
def test_inputs_of_any_scale_are_decorrelated_alike(scale, rng):
    rows = rng.normal(size=(500, 3)) @ np.diag([10.0, 1.0, 1.0])
    how = pycopi.SubspaceDecorrelation(rank=1, damping=0.1)
    wanted = how.decorrelate(how.start(rows), rows)
    scaled = (rows * scale).astype(np.float32)
    found = how.decorrelate(how.start(scaled), scaled).astype(np.float64) / scale
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_the_papers_network_takes_at_most_half_the_memory_of_adams():
    """Directions take a few percent of the weights, moments twice the weights."""
    recipe = pycopi.subspace_recipe([3072, 1000, 1000, 1000, 1000, 10], epochs=1)
    ours = pycopi.start(recipe.network, recipe.settings)
    adam = pycopi.start(recipe.network, pycopi.Settings(rule="adam", gain=1.0))
    taken = [sum(array.nbytes for array in state.named().values()) for state in (ours, adam)]
    assert taken[0] < 0.5 * taken[1]
