"""What the tests of the C core share: calls of its rank-k update, and what they must give."""

from typing import Any

import numpy as np
import pytest
import reference
from assertions import tolerance

from pycopi.kernels import native

if not native.available:
    pytest.skip("pycopi was built without its C core", allow_module_level=True)

from pycopi import _core

SETS = _core.instruction_sets()


def assert_near(actual: np.ndarray, expected: np.ndarray, terms: int) -> None:
    """Compare with sums in float64 of ``terms`` products that are at most one each."""
    error = float(np.max(np.abs(actual.astype(np.float64) - expected), initial=0.0))
    largest = float(np.max(np.abs(expected), initial=1.0))
    bound = tolerance(actual.dtype, terms + 4, factor=1) * largest
    if not error <= bound:
        message = f"largest error {error:.3g} exceeds {bound:.3g}"
        raise AssertionError(message)


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
