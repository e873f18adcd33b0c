"""Products of CuPy matrices by cuBLAS, which CUDA can record: CuPy's own refuse that.

cuBLAS is the one that CuPy has loaded. Each thread has a handle of its own on each device. The workspace is
memory of CuPy: in a recording that of the graph, which goes on using it.
"""

import ctypes
import functools
import os
import threading
from typing import Any

from pycopi._array import Array

_WORKSPACE = 32 << 20  # bytes: what NVIDIA advises for Hopper, and more than older GPUs want
_TYPES = {"float32": (ctypes.c_float, "cublasSgemm_v2"), "float64": (ctypes.c_double, "cublasDgemm_v2")}
_PLAIN, _TRANSPOSED = 0, 1  # of cublasOperation_t
_TF32 = 3  # of cublasMath_t

_handles = threading.local()


@functools.cache
def library() -> Any:
    """Return cuBLAS as CuPy has loaded it, or None where its functions are not found there, as for AMD."""
    from cupy_backends.cuda.libs import cublas

    try:
        found = ctypes.CDLL(cublas.__file__)
        for name in ("cublasCreate_v2", "cublasSetStream_v2", "cublasSetWorkspace_v2", "cublasSetMathMode"):
            getattr(found, name).restype = ctypes.c_int
        pointer, number = ctypes.c_void_p, ctypes.c_int
        for _, name in _TYPES.values():
            function = getattr(found, name)
            function.restype = number
            sizes, operand = [number] * 5, [pointer, number]
            function.argtypes = [pointer, *sizes, pointer, *operand, *operand, pointer, *operand]
    except (OSError, AttributeError):
        return None
    return found


def gemm(left: Array, right: Array, out: Array, scale: float = 1.0, keep: float = 0.0) -> None:
    """Write ``scale * left @ right + keep * out`` to ``out`` (m, n), C-contiguous, of one dtype with both.

    Row after row, cuBLAS sees each matrix transposed, so it is asked for ``right.T @ left.T``.
    """
    (m, n), k = out.shape, left.shape[1]
    if not out.size:
        return
    number, name = _TYPES[str(out.dtype)]
    (first, first_kind, first_step), (second, second_kind, second_step) = map(_operand, (right, left))
    found, handle = library(), _handle()
    factors = number(scale), number(keep)
    _check(
        getattr(found, name)(
            handle, first_kind, second_kind, n, m, k, ctypes.addressof(factors[0]),
            first.data.ptr, first_step, second.data.ptr, second_step,
            ctypes.addressof(factors[1]), out.data.ptr, n,
        )
    )  # fmt: skip


def _operand(matrix: Array) -> tuple[Array, int, int]:
    """Return a matrix that cuBLAS can read, whether it is to be transposed, and the step between its rows."""
    if matrix.flags.c_contiguous:
        return matrix, _PLAIN, max(1, matrix.shape[1])
    if matrix.flags.f_contiguous:
        return matrix, _TRANSPOSED, max(1, matrix.shape[0])
    return _operand(matrix.copy())


def _handle() -> Any:
    """Return the handle of this thread on the current device, set to the current stream.

    Each stream gets a workspace from its own memory, so that no two of them write to the same one.
    """
    import cupy

    device, stream = cupy.cuda.runtime.getDevice(), cupy.cuda.get_current_stream().ptr
    known = _handles.__dict__.setdefault("by_device", {})
    if device not in known:
        handle = ctypes.c_void_p()
        _check(library().cublasCreate_v2(ctypes.byref(handle)))
        if os.environ.get("CUPY_TF32") == "1":  # as CuPy itself does
            _check(library().cublasSetMathMode(handle, _TF32))
        known[device] = handle, None, None
    handle, last, _ = known[device]
    if last != stream:  # to set the stream is to set the workspace back
        memory = cupy.cuda.alloc(_WORKSPACE)
        space = ctypes.c_void_p(memory.ptr), ctypes.c_size_t(_WORKSPACE)
        known[device] = handle, None, None
        _check(library().cublasSetStream_v2(handle, ctypes.c_void_p(stream)))
        _check(library().cublasSetWorkspace_v2(handle, *space))
        known[device] = handle, stream, memory
    return handle


def _check(status: int) -> None:
    if status:
        msg = f"cuBLAS could not multiply: status {status} of cublasStatus_t"
        raise RuntimeError(msg)
