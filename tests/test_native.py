"""The C core: values in every instruction set and layout."""

import re

import numpy as np
import pytest
from assertions import assert_same
from hypothesis import example, given, settings
from hypothesis import strategies as st
from native_calls import SETS, assert_near, expected_of, problem
from strategies import DTYPES, SEEDS

from pycopi import _core

SIZES = st.one_of(st.integers(0, 9), st.sampled_from([15, 16, 17, 31, 32, 33, 47, 64, 65, 97]))
RANKS = st.one_of(st.integers(0, 5), st.sampled_from([50, 255, 256, 257, 600]))
LAYOUTS = st.sampled_from(["plain", "wide", "reversed", "repeated"])


def laid_out(values: np.ndarray, layout: str) -> np.ndarray:
    """Return the values as a view of a larger buffer; a repeated row replaces all rows."""
    rows, columns = values.shape
    if layout == "wide":
        base = np.full((rows, columns + 5), np.nan, values.dtype)
        base[:, 3 : columns + 3] = values
        return base[:, 3 : columns + 3]
    if layout == "reversed":
        return values[::-1].copy()[::-1]
    if layout == "repeated" and rows:
        return np.broadcast_to(values[0], values.shape)
    return values.copy()


def test_assert_near_fails_on_a_wrong_value():
    with pytest.raises(AssertionError, match="largest error 1 exceeds"):
        assert_near(np.ones(2, np.float32), np.array([1.0, 2.0]), 1)
    with pytest.raises(AssertionError, match="largest error nan exceeds"):
        assert_near(np.array([np.nan]), np.zeros(1), 1)


@settings(max_examples=150)
@given(
    m=SIZES,
    n=SIZES,
    k=RANKS,
    dtype=DTYPES,
    seed=SEEDS,
    scales=st.sampled_from(["", "r", "c", "rc"]),
    layouts=st.tuples(*[LAYOUTS] * 3),
    out_layout=st.sampled_from(["plain", "wide", "reversed"]),
)
@example(
    m=64,
    n=96,
    k=50,
    dtype=np.float32,
    seed=0,
    scales="rc",
    layouts=("plain",) * 3,
    out_layout="wide",
)
@example(
    m=7,
    n=33,
    k=600,
    dtype=np.float64,
    seed=1,
    scales="c",
    layouts=("wide",) * 3,
    out_layout="plain",
)
def test_values_in_every_layout(m, n, k, dtype, seed, scales, layouts, out_layout):
    arguments = problem(m, n, k, dtype, seed, scales)
    arguments[:3] = [laid_out(a, how) for a, how in zip(arguments, layouts, strict=False)]
    expected = expected_of(arguments)
    for name in SETS:
        _core.set_instruction_set(name)
        outs = [
            laid_out(np.full((m, n), np.nan, dtype), out_layout),
            laid_out(arguments[0], out_layout),
        ]
        _core.rank_k_update(outs[0], *arguments)
        _core.rank_k_update(outs[1], outs[1], *arguments[1:])
        assert_near(outs[0], expected, k)
        assert_same(outs[1], outs[0])  # in place, and in another layout: the same bits


@settings(max_examples=100)
@given(
    batch=st.one_of(SIZES, st.sampled_from([257, 300])),
    m=SIZES,
    n=RANKS,
    dtype=DTYPES,
    seed=SEEDS,
    columns=st.booleans(),
    transposed=st.booleans(),
    layouts=st.tuples(LAYOUTS, LAYOUTS, st.sampled_from(["plain", "wide", "reversed"])),
)
@example(50, 600, 97, np.float32, 0, True, False, ("plain", "wide", "wide"))
@example(50, 97, 600, np.float32, 1, False, True, ("wide", "plain", "wide"))
def test_products_in_every_layout(batch, m, n, dtype, seed, columns, transposed, layouts):
    rng = np.random.default_rng(seed)
    matrix = laid_out(rng.uniform(-1, 1, (m, n)).astype(dtype), layouts[0])
    shape = (batch, n if transposed else m)
    left = laid_out(rng.uniform(-1, 1, shape[::-1] if columns else shape).astype(dtype), layouts[1])
    rows, wide = left.T if columns else left, matrix.astype(np.float64)
    expected = rows.astype(np.float64) @ (wide.T if transposed else wide)
    for name in SETS:
        _core.set_instruction_set(name)
        out = laid_out(np.full(expected.shape, np.nan, dtype), layouts[2])
        _core.product(out, left, matrix, columns, transposed)
        assert_near(out, expected, rows.shape[1])


@pytest.mark.parametrize("name", SETS)
def test_rows_do_not_depend_on_their_neighbours(name):
    _core.set_instruction_set(name)
    whole, parts = np.empty((2, 29, 70), np.float32)
    matrix, left, right, scale, rows, columns = problem(29, 70, 300, np.float32)
    _core.rank_k_update(whole, matrix, left, right, scale, rows, columns)
    for start, stop in ((0, 1), (1, 4), (4, 21), (21, 29)):
        cut = slice(start, stop)
        _core.rank_k_update(parts[cut], matrix[cut], left[:, cut], right, scale, rows[cut], columns)
    assert_same(parts, whole)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values_are_those_of_numpy(name, dtype):
    _core.set_instruction_set(name)
    matrix, left, right, _, rows, columns = problem(9, 35, 2, dtype)
    matrix[1, 34], matrix[2, 3], left[0, 5], right[1, 7] = np.nan, np.inf, np.nan, -np.inf
    rows[8] = np.inf
    for scale in (1.0, 0.0, float("inf"), float("nan")):
        out = np.empty_like(matrix)
        _core.rank_k_update(out, matrix, left, right, scale, rows, columns)
        with np.errstate(invalid="ignore"):
            expected = matrix * rows[:, None] * columns + dtype(scale) * (left.T @ right)
        np.testing.assert_array_equal(np.isnan(out), np.isnan(expected))
        np.testing.assert_array_equal(np.isposinf(out), np.isposinf(expected))
        np.testing.assert_array_equal(np.isneginf(out), np.isneginf(expected))


def test_instruction_sets():
    assert SETS[0] == "baseline"
    assert _core.instruction_set() == SETS[-1]
    for name in SETS:
        _core.set_instruction_set(name)
        assert _core.instruction_set() == name
    message = "this processor has no instruction set 'mmx'; instruction_sets() lists its own"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        _core.set_instruction_set("mmx")
    with pytest.raises(TypeError, match=r"^name is of <class 'int'>; expected a string$"):
        _core.set_instruction_set(1)
    assert _core.instruction_set() == SETS[-1]
