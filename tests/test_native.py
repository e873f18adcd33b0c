"""The C core: values in every instruction set and layout, refused arguments, threads, leaks."""

import gc
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import reference
from assertions import assert_same, exactly, tolerance
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import DTYPES, SEEDS

from pycopi.kernels import native, portable

if not native.available:
    pytest.skip("pycopi was built without its C core", allow_module_level=True)

from pycopi import _core

SETS = _core.instruction_sets()
SIZES = st.one_of(st.integers(0, 9), st.sampled_from([15, 16, 17, 31, 32, 33, 47, 64, 65, 97]))
RANKS = st.one_of(st.integers(0, 5), st.sampled_from([50, 255, 256, 257, 600]))
LAYOUTS = st.sampled_from(["plain", "wide", "reversed", "repeated"])


@pytest.fixture(autouse=True)
def _keep_instruction_set() -> Iterator[None]:
    kept = _core.instruction_set()
    yield
    _core.set_instruction_set(kept)


def assert_near(actual: np.ndarray, expected: np.ndarray, terms: int) -> None:
    """Compare with sums in float64 of ``terms`` products that are at most one each."""
    error = float(np.max(np.abs(actual.astype(np.float64) - expected), initial=0.0))
    largest = float(np.max(np.abs(expected), initial=1.0))
    bound = tolerance(actual.dtype, terms + 4, factor=1) * largest
    if not error <= bound:
        message = f"largest error {error:.3g} exceeds {bound:.3g}"
        raise AssertionError(message)


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


def problem(m: int, n: int, k: int, dtype: Any, seed: int = 0, scales: str = "rc") -> list[Any]:
    """Return the arguments of a call after ``out``, of values in [-1, 1]."""
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.uniform(-1, 1, shape).astype(dtype)  # noqa: E731
    rows, columns = draw(m), draw(n)
    return [
        draw(m, n),
        draw(k, m),
        draw(k, n),
        0.75,
        rows if "r" in scales else None,
        columns if "c" in scales else None,
    ]


def ones(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.ones(shape, dtype)


def misaligned() -> np.ndarray:
    return np.zeros(4 * 12 + 1, np.uint8)[1:].view(np.float32).reshape(3, 4)


def read_only() -> np.ndarray:
    array = ones(3, 4)
    array.flags.writeable = False
    return array


def expected_of(arguments: list[Any]) -> np.ndarray:
    wide = [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in arguments]
    return reference.rank_k(*wide)


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
    transposed=st.booleans(),
    layouts=st.tuples(LAYOUTS, LAYOUTS, st.sampled_from(["plain", "wide", "reversed"])),
)
@example(50, 600, 97, np.float32, 0, False, ("plain", "wide", "wide"))
@example(50, 97, 600, np.float32, 1, True, ("wide", "plain", "wide"))
def test_products_in_every_layout(batch, m, n, dtype, seed, transposed, layouts):
    rng = np.random.default_rng(seed)
    matrix = laid_out(rng.uniform(-1, 1, (m, n)).astype(dtype), layouts[0])
    rows = laid_out(rng.uniform(-1, 1, (batch, n if transposed else m)).astype(dtype), layouts[1])
    wide = matrix.astype(np.float64)
    expected = rows.astype(np.float64) @ (wide.T if transposed else wide)
    for name in SETS:
        _core.set_instruction_set(name)
        out = laid_out(np.full(expected.shape, np.nan, dtype), layouts[2])
        _core.product(out, rows, matrix, transposed)
        assert_near(out, expected, rows.shape[1])


PRODUCTS_REFUSED = {
    "too few arguments": ((), TypeError, "product takes 4 arguments; got 0"),
    "rows": (
        (ones(2, 4), ones(3, 3), ones(3, 4), False),
        ValueError,
        "rows has size 3 along axis 0; expected 2 to fit the arguments before it",
    ),
    "matrix": (
        (ones(2, 4), ones(2, 4), ones(3, 4), False),
        ValueError,
        "matrix has size 3 along axis 0; expected 4 to fit the arguments before it",
    ),
    "matrix to be transposed": (
        (ones(2, 3), ones(2, 3), ones(3, 4), True),
        ValueError,
        "matrix has size 4 along axis 1; expected 3 to fit the arguments before it",
    ),
    "read-only": (
        (read_only(), ones(3, 2), ones(2, 4), False),
        ValueError,
        "out is read-only; expected a writable array: pass a copy of it",
    ),
}


@pytest.mark.parametrize(("arguments", "error", "message"), PRODUCTS_REFUSED.values(), ids=PRODUCTS_REFUSED)
def test_refused_products(arguments, error, message):
    with pytest.raises(error, match=exactly(message)):
        _core.product(*arguments)


@pytest.mark.parametrize("index", [1, 2])
def test_products_do_not_overwrite_what_they_read(index):
    arguments = [ones(3, 3), ones(3, 3), ones(3, 3), False]
    arguments[0] = arguments[index]
    name = ("out", "rows", "matrix")[index]
    message = f"out overlaps {name} in memory; expected separate memory: pass a copy of {name}"
    with pytest.raises(ValueError, match=exactly(message)):
        _core.product(*arguments)


def test_what_decides_whether_a_product_is_transposed_may_fail():
    class Undecided:
        def __bool__(self):
            msg = "neither"
            raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match=r"^neither$"):
        _core.product(ones(2, 4), ones(2, 3), ones(3, 4), Undecided())


@pytest.mark.parametrize("count", [1, 2, 3, 4, 50, 256, 257])
@pytest.mark.parametrize("transposed", [False, True])
def test_products_of_the_engine(count, transposed):
    rng = np.random.default_rng(count)
    matrix = rng.uniform(-1, 1, (40, 70)).astype(np.float32)
    rows = rng.uniform(-1, 1, (count, 70 if transposed else 40)).astype(np.float32)
    expected = portable.product(rows.astype(np.float64), matrix.astype(np.float64), transposed)
    assert_near(native.product(rows, matrix, transposed), expected, 70)
    assert_near(native.product(np.asfortranarray(rows), matrix, transposed), expected, 70)


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


FLOATS = "expected 'f' or 'd' (float32 or float64 in the byte order of this machine)"
SWAPPED = ">f" if sys.byteorder == "little" else "<f"
REFUSED = {
    "too few arguments": ((), TypeError, "rank_k_update takes 7 arguments; got 0"),
    "a list": (
        {"matrix": [1.0]},
        TypeError,
        "matrix is of <class 'list'>; expected a float32 or float64 array",
    ),
    "scale": ({"scale": "1"}, TypeError, "must be real number, not str"),
    "integers": (
        {"left": ones(2, 3, dtype=np.int32)},
        ValueError,
        f"left has the buffer format 'i'; {FLOATS}: convert it first",
    ),
    "byte order": (
        {"right": ones(2, 4, dtype=np.dtype(np.float32).newbyteorder())},
        ValueError,
        f"right has the buffer format '{SWAPPED}'; {FLOATS}: convert it first",
    ),
    "mixed": (
        {"column_scale": ones(4, dtype=np.float64)},
        ValueError,
        ("column_scale has the buffer format 'd' but out has 'f'; convert one of them to the other's dtype"),
    ),
    "dimensions": ({"left": ones(3)}, ValueError, "left has ndim 1; expected 2"),
    "no dimensions": ({"row_scale": ones()}, ValueError, "row_scale has ndim 0; expected 1"),
    "shape of out": (
        {"out": ones(3, 5)},
        ValueError,
        "matrix has size 4 along axis 1; expected 5 to fit the arguments before it",
    ),
    "shape of left": (
        {"left": ones(2, 4)},
        ValueError,
        "left has size 4 along axis 1; expected 3 to fit the arguments before it",
    ),
    "shape of right": (
        {"right": ones(1, 4)},
        ValueError,
        "right has size 1 along axis 0; expected 2 to fit the arguments before it",
    ),
    "shape of row_scale": (
        {"row_scale": ones(4)},
        ValueError,
        "row_scale has size 4 along axis 0; expected 3 to fit the arguments before it",
    ),
    "shape of column_scale": (
        {"column_scale": ones(3)},
        ValueError,
        "column_scale has size 3 along axis 0; expected 4 to fit the arguments before it",
    ),
    "transposed": (
        {"right": ones(4, 2).T},
        ValueError,
        (
            "right has a stride of 8 bytes along its last axis; expected 4 (contiguous): "
            "copy it first, as in numpy.ascontiguousarray(right)"
        ),
    ),
    "misaligned": (
        {"matrix": misaligned()},
        ValueError,
        "matrix is not aligned to its 4-byte elements; copy it first, as in numpy.array(matrix)",
    ),
    "read-only": (
        {"out": read_only()},
        ValueError,
        "out is read-only; expected a writable array: pass a copy of it",
    ),
    "repeated rows": (
        {"out": np.lib.stride_tricks.as_strided(ones(8), (3, 4), (8, 4))},
        ValueError,
        "out has rows of 16 bytes that lie 8 bytes apart, so they share memory; pass a copy of it",
    ),
}


@pytest.mark.parametrize(("changes", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_arguments(changes, error, message):
    arguments = {
        "out": np.full((3, 4), 7, np.float32),
        "matrix": ones(3, 4),
        "left": ones(2, 3),
        "right": ones(2, 4),
        "scale": 1.0,
        "row_scale": None,
        "column_scale": None,
    }
    arguments.update(changes or {})
    before = arguments["out"].copy()
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        _core.rank_k_update(*(arguments.values() if changes else ()))
    assert_same(arguments["out"], before)


def overlapping(name: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    base = np.arange(60, dtype=np.float32)
    matrix = base[:12].reshape(3, 4)
    return base, {
        "matrix shifted by a row": {"out": base[4:16].reshape(3, 4), "matrix": matrix},
        "matrix in other strides": {"out": base[:24].reshape(3, 8)[:, :4], "matrix": matrix},
        "matrix reversed": {"out": matrix[::-1], "matrix": matrix},
        "columns that meet": {
            "out": base[:24].reshape(3, 8)[:, :4],
            "matrix": base[:24].reshape(3, 8)[:, 3:7],
        },
        "columns that meet the other way": {
            "out": base[:24].reshape(3, 8)[:, 3:7],
            "matrix": base[:24].reshape(3, 8)[:, :4],
        },
        "left": {"out": matrix, "left": base[11:17].reshape(2, 3)},
        "right": {"out": matrix, "right": matrix[:2]},
        "row_scale": {"out": matrix, "row_scale": base[:3]},
        "column_scale": {"out": matrix, "column_scale": matrix[1]},
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "matrix shifted by a row",
        "matrix in other strides",
        "matrix reversed",
        "columns that meet",
        "columns that meet the other way",
        "left",
        "right",
        "row_scale",
        "column_scale",
    ],
)
def test_overlap_is_refused(name):
    base, arrays = overlapping(name)
    arguments = {"matrix": ones(3, 4), "left": ones(2, 3), "right": ones(2, 4), "scale": 1.0}
    arguments = {**arguments, "row_scale": None, "column_scale": None, **arrays}
    other = name.split()[0] if name.split()[0] in arguments else "matrix"
    itself = ", or the very same" if other == "matrix" else ""
    message = f"out overlaps {other} in memory; expected separate memory{itself}"
    message += f": pass a copy of {other}"
    before = base.copy()
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        _core.rank_k_update(arguments.pop("out"), *arguments.values())
    assert_same(base, before)


def test_arrays_that_meet_end_to_end_are_no_overlap():
    base = np.random.default_rng(0).uniform(-1, 1, 60).astype(np.float32)
    matrix, out, left = base[:12].reshape(3, 4), base[12:24].reshape(3, 4)[::-1], base[24:30].reshape(2, 3)
    right, columns = base[4:12].reshape(2, 4), base[30:34]
    expected = expected_of([matrix, left, right, 0.5, None, columns])
    _core.rank_k_update(out, matrix, left, right, 0.5, None, columns)
    assert_near(out, expected, 2)


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


@pytest.mark.parametrize("name", SETS)
def test_concurrent_calls(name):
    _core.set_instruction_set(name)
    problems = [problem(150 + 7 * i, 130 + i, 40, np.float32, seed=i) for i in range(8)]

    def repeated(arguments: list[Any]) -> list[np.ndarray]:
        outs = [np.empty_like(arguments[0]) for _ in range(20)]
        for out in outs:
            _core.rank_k_update(out, *arguments)
        return outs

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(repeated, problems))
    for arguments, outs in zip(problems, results, strict=True):
        assert_near(outs[0], expected_of(arguments), 40)
        for out in outs[1:]:
            assert_same(out, outs[0])


CALLS = """
import sys
import numpy as np
from pycopi import _core

rng = np.random.default_rng(0)
draw = lambda *shape: rng.uniform(-1, 1, shape).astype(np.float32)
matrix, out = draw(700, 600), np.empty((700, 600), np.float32)


def results():
    global rng
    rng = np.random.default_rng(1)
    left, right, rows, wide, columns = draw(50, 700), draw(50, 600), draw(50, 700), draw(50, 600), draw(600)
    batch, back = np.empty((50, 600), np.float32), np.empty((50, 700), np.float32)
    _core.rank_k_update(out, matrix, left, right, 0.5, None, columns)
    _core.product(batch, rows, matrix, False)
    _core.product(back, wide, matrix, True)
    return b"".join(a.tobytes() for a in (out, batch, back))


"""


def in_a_new_process(code: str, threads: int) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_DYNAMIC": "false"}
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", CALLS + code],
        capture_output=True, text=True, check=True, env=environment, timeout=60,
    )  # fmt: skip
    return found.stdout


def test_the_number_of_threads_changes_no_bit():
    code = "import hashlib; print(_core.threads(), hashlib.sha256(results()).hexdigest())"
    counts, digests = zip(*(in_a_new_process(code, threads).split() for threads in (1, 2, 3)), strict=True)
    assert len(set(digests)) == 1
    assert counts == ("1", "2", "3") or len(set(counts)) == 1  # the second in a build without OpenMP


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_threads_of_its_own():
    code = """
import os
before = results()
sys.stdout.flush()
child = os.fork()
if child == 0:
    print(_core.threads(), results() == before)
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
"""
    assert in_a_new_process(code, 2) == "2 True\n"


def test_threads_of_python_share_one_pool():
    """Calls at once from several Python threads, some of them in several threads of the core: the same bits."""
    code = """
from concurrent.futures import ThreadPoolExecutor

left, right = draw(50, 700), draw(50, 600)


def update(_):
    own = np.empty_like(out)
    _core.rank_k_update(own, matrix, left, right, 0.5, None, None)
    return own.tobytes()


with ThreadPoolExecutor(4) as pool:
    print(len(set(pool.map(update, range(40)))))
"""
    assert in_a_new_process(code, 2) == "1\n"


def test_threadpoolctl_limits_the_core():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    if _core.threads() == 1:
        pytest.skip("one thread only, or a build without OpenMP")
    with threadpoolctl.threadpool_limits(1, user_api="openmp"):
        assert _core.threads() == 1
    assert _core.threads() > 1


def test_no_references_and_no_memory_are_kept():
    import tracemalloc

    out = ones(40, 50)
    arguments = problem(40, 50, 4, np.float32)
    wrong = [*arguments[:2], ones(5, 50), *arguments[3:]]

    def calls() -> None:
        for _ in range(200):
            _core.rank_k_update(out, *arguments)
            with pytest.raises(ValueError, match="right has size"):
                _core.rank_k_update(out, *wrong)
            with pytest.raises(TypeError, match="matrix is of"):
                _core.rank_k_update(out, None, *arguments[1:])
            with pytest.raises(ValueError, match="no instruction set"):
                _core.set_instruction_set("none")
            _core.instruction_sets()

    objects = [out, *(a for a in [*arguments, *wrong] if isinstance(a, np.ndarray))]
    calls()
    gc.collect()
    before = [sys.getrefcount(a) for a in objects]
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    calls()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - start
    tracemalloc.stop()
    assert [sys.getrefcount(a) for a in objects] == before
    assert grown < 200 * 16  # a leak at any call would be larger


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
    expected = portable.rank_k_update(*wide, True)
    matrix = arguments[0].copy()
    result = native.rank_k_update(matrix, *arguments[1:], copy)
    assert (result is matrix) is (copy is not True)
    if copy:
        assert_same(matrix, arguments[0])
    assert_near(result, expected, shape[2])


@pytest.mark.parametrize("k", [1, 5])
def test_engine_copies_what_has_no_contiguous_rows(k):
    matrix, left, right, scale, rows, columns = problem(20, 30, k, np.float32)
    expected = native.rank_k_update(matrix, left, right, scale, rows, columns, True)
    spread = [np.repeat(left, 2, axis=1)[:, ::2], np.asfortranarray(right), scale]
    spread += [np.repeat(rows, 2)[::2], np.repeat(columns, 3)[::3]]
    assert_same(native.rank_k_update(matrix, *spread, True), expected)
    assert native.rank_k_update(matrix, *spread, False) is matrix
    assert_same(matrix, expected)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("scales", ["", "r", "c", "rc"])
def test_engine_in_place_and_into_a_copy(k, scales):
    matrix, left, right, scale, rows, columns = problem(20, 30, k, np.float32)
    rows, columns = rows if "r" in scales else None, columns if "c" in scales else None
    left64, right64 = left.astype(np.float64), right.astype(np.float64)
    wanted = matrix * (1.0 if rows is None else rows[:, None].astype(np.float64))
    wanted = wanted * (1.0 if columns is None else columns) + scale * left64.T @ right64
    copied = native.rank_k_update(matrix, left, right, scale, rows, columns, True)
    assert_near(copied, wanted, k)
    assert native.rank_k_update(matrix, left, right, scale, rows, columns, None) is matrix
    assert_same(matrix, copied)


@pytest.mark.parametrize("k", [1, 2])
def test_engine_and_read_only_matrices(k):
    matrix = read_only()
    result = native.rank_k_update(matrix, ones(k, 3), ones(k, 4), 1.0, None, None, None)
    assert_same(result, np.full((3, 4), 1 + k, np.float32))
    assert_same(matrix, ones(3, 4))
    with pytest.raises(ValueError, match=r"^matrix cannot be changed in place"):
        native.rank_k_update(matrix, ones(k, 3), ones(k, 4), 1.0, None, None, False)


@pytest.mark.parametrize("size", [4, 512])
def test_engine_makes_a_copy_where_inputs_share_memory(size):
    matrix = np.random.default_rng(0).uniform(-1, 1, (size, size)).astype(np.float32)
    before = matrix.copy()
    with pytest.raises(
        ValueError, match=r"^matrix cannot be changed in place, .* it shares memory with another argument; "
    ):
        native.rank_k_update(matrix, matrix, matrix, 1.0, None, None, False)
    assert_same(matrix, before)
    result = native.rank_k_update(matrix, matrix, matrix, 1.0, None, None, None)
    assert_same(matrix, before)
    wide = before.astype(np.float64)
    assert_near(result, wide + wide.T @ wide, size)
    result = native.rank_k_update(matrix, matrix[:1], matrix[1:2], 1.0, None, None, None)
    assert_same(matrix, before)
    assert_near(result, wide + wide[:1].T @ wide[1:2], size)
