"""Memory that a loop uses again in every turn, so that its steady state allocates no large array.

An engine that works on NumPy arrays asks `empty` for the memory of what it returns. Within ``reuse`` the same
requests in the same order get the same memory as in the turn before: what a turn has made is overwritten in the
next, so only a loop that keeps nothing of it may ask for this.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from pycopi._array import HostArray


class Buffers:
    """The arrays of one loop, in the order in which a turn asks for them."""

    def __init__(self) -> None:
        self._arrays: list[HostArray] = []
        self._next = 0

    def rewind(self) -> None:
        """Begin a new turn."""
        self._next = 0

    def empty(self, shape: tuple[int, ...], dtype: Any) -> HostArray:
        """Return memory of uninitialised values; of the last turn, where that asked for the same here."""
        index, self._next = self._next, self._next + 1
        if index == len(self._arrays):
            self._arrays.append(np.empty(shape, dtype))
        elif self._arrays[index].shape != shape or self._arrays[index].dtype != dtype:
            self._arrays[index] = np.empty(shape, dtype)
        return self._arrays[index]


_current: ContextVar[Buffers | None] = ContextVar("pycopi_buffers", default=None)


@contextmanager
def reuse(buffers: Buffers) -> Iterator[None]:
    """Let the operations in the block, which is one turn of a loop, write to these buffers."""
    buffers.rewind()
    token = _current.set(buffers)
    try:
        yield
    finally:
        _current.reset(token)


def empty(shape: tuple[int, ...], dtype: Any) -> HostArray:
    """Return memory for the result of an operation."""
    buffers = _current.get()
    return np.empty(shape, dtype) if buffers is None else buffers.empty(shape, dtype)
