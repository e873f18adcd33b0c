"""CUDA graphs: what a function asks of a GPU, recorded once, and asked for again in one call.

The function runs once on the host, and nothing on the device. The graph reads and writes the very memory that
the function did: arrays that change must be refilled in place, and numbers of the host are fixed. What the
function allocates comes from memory of the graph's own.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from pycopi._array import Array, dtype_name, is_cuda_tensor, is_cupy
from pycopi._control import recording
from pycopi.kernels import cupy


class Recording(NamedTuple):
    """A graph: the memory that it uses, what launches it, and what the function returned.

    Each launch writes the result. Memory comes first because a tuple lets go of what it holds from the end.
    """

    memory: Any
    launch: Callable[[], Any]
    result: Any


def can_record(like: Array) -> bool:
    """Return whether what is asked of an array's device can be recorded: CuPy's, and PyTorch's on a GPU.

    Steps of float16 tensors are not: a rate on the device would be rounded to float16, too.
    """
    if is_cupy(like):
        return str(like.dtype) in cupy.TYPES and cupy.records_products()
    return is_cuda_tensor(like) and dtype_name(like.dtype) != "float16"


def record(function: Callable[[], Any], like: Array) -> Recording:
    """Return the graph of what a function asks of the device of ``like``.

    It must have run once before, so that kernels and handles are there. What cannot be recorded, such as a look
    at a value, raises; nothing has happened on the device then.
    """
    with recording():
        return _of_cupy(function) if is_cupy(like) else _of_torch(function, like)


class _Pool:
    """Memory of CuPy for one graph, given back with it.

    A pool that finds no more memory would give back what a recording has let go of, which its graph still
    uses; so the recording fails instead.
    """

    def __init__(self) -> None:
        from cupy import cuda

        self.pool = cuda.MemoryPool(self._allocate)
        self.pool.set_limit(size=0)

    @staticmethod
    def _allocate(size: int) -> Any:
        from cupy import cuda

        try:
            return cuda.MemoryPointer(cuda.Memory(size), 0)
        except cuda.runtime.CUDARuntimeError as error:
            msg = f"there is no memory for a recording: {error}"
            raise RuntimeError(msg) from None

    def __del__(self) -> None:
        with suppress(Exception):  # at the end of a process there may be no device any more
            self.pool.free_all_blocks()


def _of_cupy(function: Callable[[], Any]) -> Recording:
    from cupy import cuda

    stream, memory = cuda.Stream(non_blocking=True), _Pool()
    cuda.Device().synchronize()  # what is under way on other streams has written what the function reads
    with cuda.using_allocator(memory.pool.malloc), stream:
        stream.begin_capture()
        try:
            result = function()
        except BaseException:
            with suppress(Exception):  # the capture has failed already; this ends it
                stream.end_capture()
            raise
        graph = stream.end_capture()
    return Recording(memory, graph.launch, result)


def _of_torch(function: Callable[[], Any], like: Array) -> Recording:
    import torch

    cuda: Any = torch.cuda
    graph, before = cuda.CUDAGraph(), cuda.current_stream(like.device)
    own = {"stream": cuda.Stream(like.device), "capture_error_mode": "thread_local"}  # other threads go on
    try:
        with cuda.device(like.device), cuda.graph(graph, **own):
            result = function()
    except BaseException:
        cuda.set_stream(before)  # a capture that fails leaves its own
        raise
    return Recording(graph, graph.replay, result)
