"""Assertions that raise; test_assertions.py proves that each fails on what is wrong."""

import re
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_dask_array
from array_api_compat import device as device_of
from backends import Backend


def tolerance(dtype: Any, terms: int, *, factor: float = 8.0) -> float:
    """Return a relative tolerance for sums of ``terms`` products in a floating dtype."""
    return factor * max(1, terms) * float(np.finfo(np.dtype(dtype)).eps)


def assert_close(
    actual: Any, expected: np.ndarray, backend: Backend, like: Any, *, rtol: float, scale: float | None = None
) -> None:
    """Compare library, device, dtype and shape with ``like`` and ``expected``, then the values.

    ``rtol`` is relative to the largest expected value, or to ``scale`` where sums cancel.
    """
    if array_namespace(actual) is not array_namespace(like):
        msg = f"namespace {array_namespace(actual)} is not {array_namespace(like)}"
        raise AssertionError(msg)
    if actual.dtype != like.dtype:
        msg = f"dtype {actual.dtype} is not {like.dtype}"
        raise AssertionError(msg)
    if not is_dask_array(actual) and device_of(actual) != device_of(like):
        msg = f"device {device_of(actual)} is not {device_of(like)}"
        raise AssertionError(msg)
    values = backend.numpy(actual)
    if values.shape != expected.shape:
        msg = f"shape {values.shape} is not {expected.shape}"
        raise AssertionError(msg)
    if expected.size == 0:
        return
    if scale is None:
        scale = max(1.0, float(np.max(np.abs(expected))))
    error = float(np.max(np.abs(values.astype(np.float64) - expected)))
    if not error <= rtol * scale:
        msg = f"largest error {error:.3g} exceeds {rtol:.3g} * {scale:.3g}"
        raise AssertionError(msg)


def assert_same(actual: np.ndarray, expected: np.ndarray) -> None:
    """Compare dtype, shape and every bit of two NumPy arrays."""
    if actual.dtype != expected.dtype or actual.shape != expected.shape:
        msg = f"{actual.dtype} {actual.shape} is not {expected.dtype} {expected.shape}"
        raise AssertionError(msg)
    if actual.tobytes() != expected.tobytes():
        msg = f"{int(np.sum(actual != expected))} of {actual.size} values differ"
        raise AssertionError(msg)


def exactly(message: str) -> str:
    """Return a pattern for ``pytest.raises`` that matches the whole message and no other."""
    return f"^{re.escape(message)}$"


def within(message: str) -> str:
    """Return a pattern for ``pytest.raises`` that matches a message that contains this text."""
    return re.escape(message)
