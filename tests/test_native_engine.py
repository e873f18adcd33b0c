"""The native engine: which matrices it takes, in place and into copies."""

import numpy as np
import pytest
from assertions import assert_same
from native_calls import assert_near, misaligned, ones, problem, read_only

from pycopi.kernels import RankK, native, portable


@pytest.mark.parametrize("count", [1, 2, 3, 4, 50, 256, 257])
@pytest.mark.parametrize("transposed", [False, True])
def test_products_of_the_engine(count, transposed):
    rng = np.random.default_rng(count)
    matrix = rng.uniform(-1, 1, (40, 70)).astype(np.float32)
    rows = rng.uniform(-1, 1, (count, 70 if transposed else 40)).astype(np.float32)
    expected = portable.product(rows.astype(np.float64), matrix.astype(np.float64), transposed)
    assert_near(native.product(rows, matrix, transposed), expected, 70)
    assert_near(native.product(np.asfortranarray(rows), matrix, transposed), expected, 70)


def test_accepts():
    plain = ones(3, 4)
    assert native.accepts(plain)
    assert native.accepts(plain.astype(np.float64)[:, 1:3])
    for other in (
        plain.T,
        plain[:, ::2],
        plain[0],
        plain.astype(np.float16),
        plain.astype(np.int64),
        plain.astype(plain.dtype.newbyteorder()),
        np.ma.masked_array(plain),
        misaligned(),
        [[1.0]],
    ):
        assert not native.accepts(other)


@pytest.mark.parametrize("shape", [(20, 30, 5), (520, 1200, 300)], ids=str)
@pytest.mark.parametrize("scales", ["", "rc"])
@pytest.mark.parametrize("copy", [None, True, False])
def test_engine_agrees_with_its_portable_twin(shape, scales, copy):
    arguments = problem(*shape, np.float32, scales=scales)
    wide = [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in arguments]
    expected = portable.rank_k_update(wide[0], RankK(*wide[1:]), True)
    matrix = arguments[0].copy()
    result = native.rank_k_update(matrix, RankK(*arguments[1:]), copy)
    assert (result is matrix) is (copy is not True)
    if copy:
        assert_same(matrix, arguments[0])
    assert_near(result, expected, shape[2])


@pytest.mark.parametrize("k", [1, 5])
def test_engine_copies_what_has_no_contiguous_rows(k):
    matrix, left, right, scale, rows, columns = problem(20, 30, k, np.float32)
    expected = native.rank_k_update(matrix, RankK(left, right, scale, rows, columns), True)
    spread = [np.repeat(left, 2, axis=1)[:, ::2], np.asfortranarray(right), scale]
    spread += [np.repeat(rows, 2)[::2], np.repeat(columns, 3)[::3]]
    assert_same(native.rank_k_update(matrix, RankK(*spread), True), expected)
    assert native.rank_k_update(matrix, RankK(*spread), False) is matrix
    assert_same(matrix, expected)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("scales", ["", "r", "c", "rc"])
def test_engine_in_place_and_into_a_copy(k, scales):
    matrix, left, right, scale, rows, columns = problem(20, 30, k, np.float32)
    rows, columns = rows if "r" in scales else None, columns if "c" in scales else None
    left64, right64 = left.astype(np.float64), right.astype(np.float64)
    wanted = matrix * (1.0 if rows is None else rows[:, None].astype(np.float64))
    wanted = wanted * (1.0 if columns is None else columns) + scale * left64.T @ right64
    copied = native.rank_k_update(matrix, RankK(left, right, scale, rows, columns), True)
    assert_near(copied, wanted, k)
    assert native.rank_k_update(matrix, RankK(left, right, scale, rows, columns), None) is matrix
    assert_same(matrix, copied)


@pytest.mark.parametrize("k", [1, 2])
def test_engine_and_read_only_matrices(k):
    matrix = read_only()
    result = native.rank_k_update(matrix, RankK(ones(k, 3), ones(k, 4), 1.0), None)
    assert_same(result, np.full((3, 4), 1 + k, np.float32))
    assert_same(matrix, ones(3, 4))
    with pytest.raises(ValueError, match=r"^matrix cannot be changed in place"):
        native.rank_k_update(matrix, RankK(ones(k, 3), ones(k, 4), 1.0), False)


@pytest.mark.parametrize("size", [4, 512])
def test_engine_makes_a_copy_where_inputs_share_memory(size):
    matrix = np.random.default_rng(0).uniform(-1, 1, (size, size)).astype(np.float32)
    before = matrix.copy()
    with pytest.raises(
        ValueError, match=r"^matrix cannot be changed in place, .* it shares memory with another argument; "
    ):
        native.rank_k_update(matrix, RankK(matrix, matrix, 1.0), False)
    assert_same(matrix, before)
    result = native.rank_k_update(matrix, RankK(matrix, matrix, 1.0), None)
    assert_same(matrix, before)
    wide = before.astype(np.float64)
    assert_near(result, wide + wide.T @ wide, size)
    result = native.rank_k_update(matrix, RankK(matrix[:1], matrix[1:2], 1.0), None)
    assert_same(matrix, before)
    assert_near(result, wide + wide[:1].T @ wide[1:2], size)
