"""What the loops of the Numba engine have in common; they allocate nothing and keep nothing.

Rules of the files that import this one: matrices are C-contiguous; an argument of size 0 stands for one that is
not there; sums over a row are kept in registers and added in a fixed order, so that a result depends on the
values alone. What takes ``parts`` divides the rows among so many, which threads share where it is compiled for
threads, and one thread goes through in turn where it is not: the result is the same.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba import types

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS = {"nogil": True, "error_model": "numpy"}
inner: Callable[[F], F] = numba.njit(**OPTIONS)


@inner
def share(count: Any, step: Any, part: Any, parts: Any) -> Any:
    """Return the first row of a part, and the one after its last: whole steps, except at the end."""
    size = (count + step * parts - 1) // (step * parts) * step
    return min(part * size, count), min((part + 1) * size, count)


def writing(dtype: Any, dimensions: int) -> Any:
    """Return the type of an array that is written."""
    return types.Array(dtype, dimensions, "C")


def reading(dtype: Any, dimensions: int) -> Any:
    """Return the type of an array that may be read-only."""
    return types.Array(dtype, dimensions, "C", readonly=True)
