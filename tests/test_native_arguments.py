"""The C core: arguments that it refuses, memory that overlaps, and references that it does not keep."""

import gc
import re
import sys

import numpy as np
import pytest
from assertions import assert_same, exactly
from native_calls import assert_near, expected_of, misaligned, ones, problem, read_only

from pycopi import _core

PRODUCTS_REFUSED = {
    "too few arguments": ((), TypeError, "product takes 5 arguments; got 0"),
    "left": (
        (ones(2, 4), ones(3, 3), ones(3, 4), False, False),
        ValueError,
        "left has size 3 along axis 0; expected 2 to fit the arguments before it",
    ),
    "left to be transposed": (
        (ones(2, 4), ones(3, 3), ones(3, 4), True, False),
        ValueError,
        "left has size 3 along axis 1; expected 2 to fit the arguments before it",
    ),
    "right": (
        (ones(2, 4), ones(2, 4), ones(3, 4), False, False),
        ValueError,
        "right has size 3 along axis 0; expected 4 to fit the arguments before it",
    ),
    "right to be transposed": (
        (ones(2, 3), ones(2, 3), ones(3, 4), False, True),
        ValueError,
        "right has size 4 along axis 1; expected 3 to fit the arguments before it",
    ),
    "read-only": (
        (read_only(), ones(3, 2), ones(2, 4), False, False),
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
    arguments = [ones(3, 3), ones(3, 3), ones(3, 3), False, False]
    arguments[0] = arguments[index]
    name = ("out", "left", "right")[index]
    message = f"out overlaps {name} in memory; expected separate memory: pass a copy of {name}"
    with pytest.raises(ValueError, match=exactly(message)):
        _core.product(*arguments)


@pytest.mark.parametrize("index", [3, 4])
def test_what_decides_whether_a_product_is_transposed_may_fail(index):
    class Undecided:
        def __bool__(self):
            msg = "neither"
            raise RuntimeError(msg)

    arguments = [ones(2, 4), ones(2, 3), ones(3, 4), False, False]
    arguments[index] = Undecided()
    with pytest.raises(RuntimeError, match=r"^neither$"):
        _core.product(*arguments)


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
