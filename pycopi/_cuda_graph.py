"""CUDA graphs: what a function asks of the device, recorded once, and asked for again in one call.

Not run on a GPU yet. Rules of a recording: the function runs once on the host, and nothing on the device; the
graph reads and writes the very memory that the function did, so that arrays which change must be refilled in
place, and numbers of the host are fixed. What the function allocates comes from a pool of the graph's own:
memory of the common pool would be handed out to others while the graph goes on writing to it. CuPy captures a
stream that is not the default one, in the mode that lets a pool grow; a launch goes to the current stream, in
order with everything else there.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from pycopi._array import Array
from pycopi.kernels import cupy


class Recording(NamedTuple):
    """A graph: what to call, what the function returned (written by every launch), and the memory it uses."""

    launch: Callable[[], Any]
    result: Any
    memory: Any


def available() -> bool:
    """Return whether a training step can be recorded: its products need cuTENSOR."""
    return cupy.has_capturable_products()


def prepare(function: Callable[[], Any]) -> Any:
    """Return what a function returns, run as it will be recorded: kernels and handles are made on the way."""
    with cupy.capturable():
        return function()


def record(function: Callable[[], Any]) -> Recording:
    """Return the graph of what a function asks of the device; it must have run once, by `prepare`.

    What CuPy or CUDA cannot record raises; nothing has happened on the device then.
    """
    from cupy import cuda

    stream, pool = cuda.Stream(non_blocking=True), cuda.MemoryPool()
    with cuda.using_allocator(pool.malloc), stream, cupy.capturable():
        stream.begin_capture()
        try:
            result = function()
        except BaseException:
            with suppress(Exception):  # the capture has failed already; this ends it
                stream.end_capture()
            raise
        graph = stream.end_capture()
    return Recording(graph.launch, result, pool)


def refill(array: Array, values: Array) -> None:
    """Copy values into an array that a graph reads."""
    array[...] = values
