"""A loop that shows whether Numba compiles what the others are made of; the rules of ``loops.py`` hold."""

from typing import Any

from numba import types

from pycopi.kernels.numba.loops import reading, writing
from pycopi.kernels.numba.vectors import load, multiply_add, spread, store, total


def probe_signature(dtype: Any) -> Any:
    """Return the types of what `probe` takes."""
    return types.void(writing(dtype, 1), reading(dtype, 1))


def probe(out: Any, values: Any) -> None:
    """Write ``values * total + values`` to ``out``, for one register of each."""
    register = load(values, 0)
    store(out, 0, multiply_add(register, spread(total(register)), register))
