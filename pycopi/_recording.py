"""CUDA graphs: what a function asks of a GPU, recorded once, and asked for again in one call.

The function runs once on the host, and nothing on the device. The graph reads and writes the very memory that
the function did: arrays that change must be refilled in place, and numbers of the host are fixed. What the
function allocates comes from memory of the graph's own.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from pycopi._array import Array, is_cuda_tensor, is_cupy
from pycopi._control import recording
from pycopi.kernels import cupy


class Recording(NamedTuple):
    """A graph: what launches it, what the function returned (written by every launch), and its memory."""

    launch: Callable[[], Any]
    result: Any
    memory: Any


def can_record(like: Array) -> bool:
    """Return whether what is asked of an array's device can be recorded: CuPy's, and PyTorch's on a GPU."""
    if is_cupy(like):
        return str(like.dtype) in cupy.TYPES and cupy.records_products()
    return is_cuda_tensor(like)


def record(function: Callable[[], Any], like: Array) -> Recording:
    """Return the graph of what a function asks of the device of ``like``.

    It must have run once before, so that kernels and handles are there. What cannot be recorded, such as a look
    at a value, raises; nothing has happened on the device then.
    """
    with recording():
        return _of_cupy(function) if is_cupy(like) else _of_torch(function)


def _of_cupy(function: Callable[[], Any]) -> Recording:
    from cupy import cuda

    stream, pool = cuda.Stream(non_blocking=True), cuda.MemoryPool()
    cuda.Device().synchronize()  # what is under way on other streams has written what the function reads
    with cuda.using_allocator(pool.malloc), stream:
        stream.begin_capture()
        try:
            result = function()
        except BaseException:
            with suppress(Exception):  # the capture has failed already; this ends it
                stream.end_capture()
            raise
        graph = stream.end_capture()
    return Recording(graph.launch, result, pool)


def _of_torch(function: Callable[[], Any]) -> Recording:
    import torch

    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = function()
    return Recording(graph.replay, result, graph)
