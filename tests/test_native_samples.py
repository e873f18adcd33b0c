"""The C kernels for single samples and blocks of them: values in every layout, refused arguments, threads."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from assertions import assert_same, exactly, tolerance
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import DTYPES, SAMPLE_RULES, SEEDS

from pycopi.kernels import RankK, native, portable

if not native.available:
    pytest.skip("pycopi was built without its C core", allow_module_level=True)

from pycopi import _core

SETS = _core.instruction_sets()
SIZES = st.one_of(st.integers(0, 9), st.sampled_from([15, 16, 17, 31, 33, 64, 97, 127, 128, 129, 260]))


def assert_near(actual: np.ndarray, expected: np.ndarray, terms: int) -> None:
    """Compare with float64, relative to the largest value."""
    error = float(np.max(np.abs(actual.astype(np.float64) - expected), initial=0.0))
    bound = tolerance(actual.dtype, terms + 4) * float(np.max(np.abs(expected), initial=1.0))
    if not error <= bound:
        message = f"largest error {error:.3g} exceeds {bound:.3g}"
        raise AssertionError(message)


def test_assert_near_fails_on_a_wrong_value():
    with pytest.raises(AssertionError, match="largest error 1 exceeds"):
        assert_near(np.ones(2, np.float32), np.array([1.0, 2.0]), 1)
    with pytest.raises(AssertionError, match="largest error nan exceeds"):
        assert_near(np.array([np.nan]), np.zeros(1), 1)


def laid_out(values: np.ndarray, layout: str) -> np.ndarray:
    """Return a matrix as a view of a larger one, whose other values are NaN."""
    base = np.full((values.shape[0] + 1, values.shape[1] + 5), np.nan, values.dtype)
    view = {"wide": base[1:, 3:-2], "reversed": base[::-1][1:, 3:-2], "plain": values.copy()}[layout]
    view[...] = values
    return view


def wide(*arrays: Any) -> list[Any]:
    return [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in arrays]


def problem(m: int, n: int, dtype: Any, seed: int, scales: str = "rc") -> tuple[Any, ...]:
    """Return a matrix, its update, a sample and a vector, of values in [-1, 1]."""
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.uniform(-1, 1, shape).astype(dtype)  # noqa: E731
    rows, columns = draw(m), draw(n)
    update = RankK(
        draw(1, m), draw(1, n), 0.75, rows if "r" in scales else None, columns if "c" in scales else None
    )
    return draw(m, n), update, draw(n), draw(m)


@settings(max_examples=150)
@given(
    m=SIZES, n=SIZES, dtype=DTYPES, seed=SEEDS, scales=st.sampled_from([None, "", "r", "c", "rc"]),
    layout=st.sampled_from(["plain", "wide", "reversed"]), back=st.booleans(),
)  # fmt: skip
def test_sweeps_in_every_layout(m, n, dtype, seed, scales, layout, back):
    matrix, update, sample, vector = problem(m, n, dtype, seed, scales or "")
    change = None if scales is None else update
    exact = None if change is None else RankK(*wide(*change))
    after = portable.update_then_project(*wide(matrix), exact, *wide(sample), back, True)
    before = portable.pull_then_update(*wide(matrix, vector), exact, True)
    for name in SETS:
        _core.set_instruction_set(name)
        own = laid_out(matrix, layout)
        result, x, v = native.update_then_project(own, change, sample, back, False)
        assert result is own
        assert_near(result, after[0], 2)
        assert_near(x, after[1], n)
        assert (v is None) is not back
        if back:
            assert_near(v, after[2], m + n)
        own = laid_out(matrix, layout)
        result, p = native.pull_then_update(own, vector, change, False)
        assert_near(result, before[0], 2)
        assert_near(p, before[1], m)
        base = own.base if layout != "plain" else None
        assert base is None or np.count_nonzero(np.isnan(base)) == base.size - own.size


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SETS)
def test_results_do_not_depend_on_where_arrays_lie(name, dtype):
    _core.set_instruction_set(name)
    for m, n in [(3, 5), (3, 7), (6, 9), (9, 13), (17, 31)]:
        matrix, update, _, vector = problem(m, n, dtype, 0, "c")
        memory, found = np.empty(m * n + 4 * n + 160, dtype), set()
        at = memory.size - m * n >> 1
        own = memory[at : at + m * n].reshape(m, n)
        for gap in range(-80 - n, 80):
            start = at + gap if gap < -n else at + m * n + max(gap, 0)
            pulled = memory[start : start + n]
            own[...] = matrix
            left, right = update.left[0], update.right[0]
            _core.sweep(own, pulled, None, None, vector, left, right, None, update.column_scale, None, 0.75)
            found.add(own.tobytes() + pulled.tobytes())
        assert len(found) == 1


@settings(max_examples=100)
@given(
    k=st.integers(1, 40), n=SIZES, dtype=DTYPES, seed=SEEDS, rule=st.sampled_from(SAMPLE_RULES),
    layout=st.sampled_from(["plain", "wide", "reversed"]),
)  # fmt: skip
def test_stream_block_in_every_layout(k, n, dtype, seed, rule, layout):
    projected = np.random.default_rng(seed).uniform(-1, 1, (k, n)).astype(dtype)
    rule = rule._replace(rate=4 * rule.rate / (n + 1))
    expected = portable.stream_block(*wide(projected), rule)
    for name in SETS:
        _core.set_instruction_set(name)
        outs = [laid_out(np.zeros((k, n), dtype), layout) for _ in range(3)]
        outs += [np.empty(n, dtype), np.empty(k, dtype)]
        _core.stream_block(*outs, laid_out(projected, layout), *rule)
        for actual, wanted in zip(outs, expected, strict=True):
            assert_near(actual, wanted, 4 * (n + k))
        for actual, wanted in zip(native.stream_block(projected, rule), outs, strict=True):
            assert_same(actual, np.ascontiguousarray(wanted))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("m", [801, 1707])  # below CACHED and beyond it, in either dtype
def test_large_matrices_in_threads(m, name, dtype):
    _core.set_instruction_set(name)
    matrix, update, sample, vector = problem(m, 1203, dtype, 0)
    exact = RankK(*wide(*update))
    after = portable.update_then_project(*wide(matrix), exact, *wide(sample), True, True)
    before = portable.pull_then_update(*wide(matrix, vector), exact, True)
    first = native.update_then_project(matrix, update, sample, True, True)
    for actual, wanted in zip(first, after, strict=True):
        assert_near(actual, wanted, 2910)
    pulled = native.pull_then_update(matrix, vector, update, True)
    assert_near(pulled[1], before[1], 1707)
    assert_same(pulled[0], first[0])
    for _ in range(5):
        for actual, wanted in zip(
            native.update_then_project(matrix, update, sample, True, True), first, strict=True
        ):
            assert_same(actual, wanted)
    call = lambda _: native.update_then_project(matrix, update, sample, True, True)  # noqa: E731
    with ThreadPoolExecutor(
        4
    ) as pool:  # calls at once share no threads, so sums over rows may round differently
        for result in pool.map(call, range(8)):
            for actual, wanted in zip(result, after, strict=True):
                assert_near(actual, wanted, 2910)


def ones(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.ones(shape, dtype)


def locked(*shape: int) -> np.ndarray:
    array = ones(*shape)
    array.flags.writeable = False
    return array


NAMES = (
    "matrix", "pulled", "projected", "returned", "vector", "left", "right", "row_scale", "column_scale",
    "sample",
)  # fmt: skip


def sweep(**arrays: Any) -> None:
    """Call the sweep of a (3, 4) matrix with an update and both products after it, other arguments as named."""
    good = {
        "matrix": ones(3, 4), "projected": ones(3), "returned": ones(4), "left": ones(3), "right": ones(4),
        "sample": ones(4),
    } | arrays  # fmt: skip
    _core.sweep(*(good.get(name) for name in NAMES), arrays.get("scale", 1.0))


TOGETHER = (
    "expected pulled with vector, projected with sample, left with right, scales with both, and returned with "
    "projected and without pulled"
)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"left": ones(4)}, "left has size 4 along axis 0; expected 3 to fit the arguments before it"),
        ({"sample": ones(3)}, "sample has size 3 along axis 0; expected 4 to fit the arguments before it"),
        ({"returned": ones(3)}, "returned has size 3 along axis 0; expected 4 to fit the arguments before it"),
        (
            {"row_scale": ones(4)},
            "row_scale has size 4 along axis 0; expected 3 to fit the arguments before it",
        ),
        (
            {"column_scale": ones(3)},
            "column_scale has size 3 along axis 0; expected 4 to fit the arguments before it",
        ),
        ({"matrix": locked(3, 4)}, "matrix is read-only; expected a writable array: pass a copy of it"),
        ({"projected": locked(3)}, "projected is read-only; expected a writable array: pass a copy of it"),
        ({"left": None}, TOGETHER),
        ({"sample": None}, TOGETHER),
        ({"projected": None, "sample": None}, TOGETHER),
        ({"vector": ones(3)}, TOGETHER),
        ({"vector": ones(3), "pulled": ones(4)}, TOGETHER),
        ({"left": None, "right": None, "row_scale": ones(3)}, TOGETHER),
    ],
)
def test_sweep_refuses(arrays, message):
    with pytest.raises(ValueError, match=exactly(message)):
        sweep(**arrays)


def test_sweep_refuses_arrays_that_share_memory():
    matrix, row, column = ones(3, 4), ones(4), ones(3)
    pairs = [
        ({"matrix": matrix, "right": matrix[1]}, "matrix", "right"),
        ({"matrix": matrix, "projected": matrix[0, :3]}, "matrix", "projected"),
        ({"returned": row, "sample": row}, "returned", "sample"),
        ({"projected": column, "left": column}, "projected", "left"),
        ({"projected": row[:3], "returned": row}, "projected", "returned"),
        ({"matrix": matrix, "left": None, "right": None, "returned": matrix[2]}, "returned", "matrix"),
        ({"matrix": row[None, :], "left": None, "right": None, "returned": row, "projected": ones(1)},
         "returned", "matrix"),
    ]  # fmt: skip
    for arrays, out, other in pairs:
        message = f"{out} overlaps {other} in memory; expected separate memory: pass a copy of {other}"
        with pytest.raises(ValueError, match=exactly(message)):
            sweep(**arrays)


def test_a_sweep_without_an_update_reads_a_read_only_matrix():
    projected, returned = np.empty(3, np.float32), np.empty(4, np.float32)
    sweep(matrix=locked(3, 4), left=None, right=None, projected=projected, returned=returned)
    assert_same(projected, np.full(3, 4, np.float32))
    assert_same(returned, np.full(4, 12, np.float32))


def test_stream_block_refuses():
    block = [ones(2, 3), ones(2, 3), ones(2, 3), ones(3), ones(2), ones(2, 3)]
    rule = 0.1, 0.0, 1.0, False
    cases = [
        (0, ones(2, 4), "left has size 3 along axis 1; expected 4 to fit the arguments before it"),
        (3, ones(2), "scales has size 2 along axis 0; expected 3 to fit the arguments before it"),
        (1, locked(2, 3), "left is read-only; expected a writable array: pass a copy of it"),
        (4, ones(3), "powers has size 3 along axis 0; expected 2 to fit the arguments before it"),
        (2, block[1], "left overlaps right in memory; expected separate memory: pass a copy of right"),
        (
            0,
            block[5],
            "decorrelated overlaps projected in memory; expected separate memory: pass a copy of projected",
        ),
    ]
    for position, array, message in cases:
        arrays = [*block[:position], array, *block[position + 1 :]]
        with pytest.raises(ValueError, match=exactly(message)):
            _core.stream_block(*arrays, *rule)
    with pytest.raises(TypeError, match="stream_block takes 10 arguments; got 6"):
        _core.stream_block(*block)
    with pytest.raises(TypeError, match="sweep takes 11 arguments; got 1"):
        _core.sweep(ones(2, 2))
    with pytest.raises(TypeError, match="must be real number"):
        _core.stream_block(*block, "fast", *rule[1:])
    _core.stream_block(*(a[:0] for a in block[:3]), block[3], *(a[:0] for a in block[4:]), *rule)
    assert_same(block[3], ones(3))
