"""The assertions of the suite fail on what is wrong."""

import numpy as np
import pytest
from array_api_compat import array_namespace
from assertions import assert_close, assert_same, tolerance
from backends import NUMPY

VALUES = np.array([[1.0, 2.0], [3.0, 4.0]])


def check(actual, expected=VALUES, like=VALUES, rtol=1e-9):
    assert_close(actual, expected, NUMPY, like, rtol=rtol)


def test_close_accepts_what_is_close():
    check(VALUES + 1e-12)
    check(np.empty((0, 2)), np.empty((0, 2)))


@pytest.mark.parametrize(
    ("actual", "message"),
    [
        (VALUES.astype(np.float32), "dtype"),
        (VALUES[:1], "shape"),
        (VALUES + 1e-6, "largest error"),
        (np.full((2, 2), np.nan), "largest error"),
    ],
    ids=["dtype", "shape", "values", "nan"],
)
def test_close_refuses(actual, message):
    with pytest.raises(AssertionError, match=message):
        check(actual)


def test_close_refuses_another_library_and_device():
    strict = pytest.importorskip("array_api_strict")
    here = strict.asarray(VALUES)
    there = strict.asarray(VALUES, device=strict.Device("device1"))
    assert array_namespace(here) is strict
    with pytest.raises(AssertionError, match="namespace"):
        check(here)
    with pytest.raises(AssertionError, match="device"):
        check(there, like=here)


def test_same_refuses_a_changed_bit():
    assert_same(VALUES, VALUES.copy())
    with pytest.raises(AssertionError, match="1 of 4 values differ"):
        assert_same(VALUES, VALUES + np.array([[0, 0], [0, 1e-15]]))
    with pytest.raises(AssertionError, match="float32"):
        assert_same(VALUES, VALUES.astype(np.float32))


def test_tolerance_grows_with_the_terms():
    assert tolerance(np.float32, 100) == 100 * tolerance("float32", 1)
