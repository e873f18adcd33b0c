"""The only door to array-api-compat and array-api-extra: what differs from library to library.

A *namespace* ``xp`` is what array-api-compat returns for an array; everything above asks for it here.
"""

import functools
import math
import sys
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

import array_api_compat as compat
import numpy as np
from numpy.typing import NDArray

Array = Any  # any array of a library that follows the standard
Namespace = Any  # its module of functions
HostArray = NDArray[Any]

_CACHE_LINE = 64  # bytes
_NUMPY: Namespace = compat.array_namespace(np.empty(0))


def namespace(array: Array) -> Namespace:
    """Return the array API namespace of one array."""
    if type(array) is np.ndarray:  # the usual case, in which asking costs more than a small operation
        return _NUMPY
    return compat.array_namespace(array)


def library(array: Array) -> str:
    """Return the plain name of the library that an array belongs to, such as ``"torch"``."""
    return str(namespace(array).__name__).removeprefix("array_api_compat.").split(".")[0]


def device(array: Array) -> Any:
    """Return the device of an array, for new arrays beside it; None where the array is traced and has none yet.

    Of a JAX array that is spread over several devices it is a copy on each of these.
    """
    if is_traced(array):
        return None
    if is_jax(array) and len(array.devices()) > 1:
        return _on_each(array)
    return compat.device(array)


def _on_each(array: Array) -> Any:
    """Return the sharding of JAX that keeps a whole array on each of the devices of this one."""
    import jax

    sharding = array.sharding
    if sharding.is_fully_replicated:
        return sharding
    devices = sorted(sharding.device_set, key=lambda one: one.id)
    mesh = getattr(sharding, "mesh", None) or jax.sharding.Mesh(np.array(devices), ("devices",))
    spec: Any = jax.sharding.PartitionSpec
    return jax.sharding.NamedSharding(mesh, spec())


def devices(array: Array) -> Any:
    """Return the devices that hold an array, to be compared; None where it is traced and has none yet."""
    if is_traced(array):
        return None
    if is_jax(array):
        return array.devices()
    return compat.device(array)


conditions: ContextVar[list[Array] | None] = ContextVar("pycopi_conditions", default=None)
"""The conditions of a step that is being recorded, of which no value is there to be read; else None."""


def _must_be_there() -> None:
    """Raise while a step is recorded, before the device finds out, which may end in more than an error."""
    if conditions.get() is not None:
        msg = "a value cannot be read while a step is recorded"
        raise RuntimeError(msg)


def is_array(thing: object) -> bool:
    """Return whether something is an array of a library that pycopi can work with; masked arrays are not."""
    return compat.is_array_api_obj(thing) and not type(thing).__module__.startswith("numpy.ma")


def adopted(thing: Any) -> Any:
    """Return a read-only NumPy view of what is no array but lends its memory by DLPack; all else as it is."""
    if is_array(thing) or isinstance(thing, (type, np.ndarray)) or not hasattr(thing, "__dlpack__"):
        return thing
    view = np.from_dlpack(thing)
    view.flags.writeable = False
    return view


def is_numpy(array: Array) -> bool:
    """Return whether an array lies in a NumPy buffer (memory maps included)."""
    return isinstance(array, np.ndarray)


def is_dask(array: Array) -> bool:
    """Return whether an array is a Dask array, whose values are computed on demand."""
    return bool(compat.is_dask_array(array))


def is_jax(array: Array) -> bool:
    """Return whether an array is a JAX array, traced ones included."""
    return bool(compat.is_jax_array(array))


def is_cupy(array: Array) -> bool:
    """Return whether an array is a CuPy array, on a GPU."""
    return bool(compat.is_cupy_array(array))


def is_cuda_tensor(array: Array) -> bool:
    """Return whether an array is a tensor of PyTorch on a GPU of NVIDIA or AMD."""
    return bool(compat.is_torch_array(array) and array.is_cuda)


def is_bfloat16(array: Array) -> bool:
    """Return whether an array has the dtype bfloat16, which PyTorch and JAX have and the standard does not."""
    return type(array) is not np.ndarray and dtype_name(array.dtype) == "bfloat16"


def dtype_name(dtype: Any) -> str:
    """Return the plain name of a dtype of any library, such as ``"float32"``."""
    return dtype.name if isinstance(dtype, np.dtype) else str(dtype).rpartition(".")[2]


def host_dtype(like: Array) -> str:
    """Return the name of the dtype that real numbers in host memory need to become those of ``like``."""
    return "float32" if is_bfloat16(like) else dtype_name(like.dtype)


def is_traced(array: Array) -> bool:
    """Return whether an array stands for values that are not there yet (inside ``jax.jit``)."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(array, jax.core.Tracer)


def is_readable(array: Array) -> bool:
    """Return whether the values of an array are there to be looked at.

    While JAX traces, what is computed of an array that is there is traced as well: ask for the result.
    """
    return not is_traced(array) and not is_dask(array)


def is_writable(array: Array) -> bool:
    """Return whether an array can be changed in place."""
    return bool(compat.is_writeable_array(array))


def may_overwrite(name: str, array: Array, copy: bool | None, *inputs: Array | None) -> bool:
    """Return whether ``copy`` lets an update reuse the buffer of ``array``, which it computes from ``inputs``.

    ``copy`` has the meaning of array-api-extra: None may overwrite, True never, False must. An input that
    shares memory with the array stands against it.
    """
    if copy is True:
        return False
    why = "" if is_writable(array) else f"is a read-only {library(array)} array"
    if not why and any(x is not None and share_memory(array, x) for x in inputs):
        why = "shares memory with another argument"
    if why and copy is False:
        msg = f"{name} cannot be changed in place, as copy=False asks: it {why}; pass copy=None or copy=True"
        raise ValueError(msg)
    return not why


def share_memory(array: Array, other: Array) -> bool:
    """Return whether a write to one array may change the other; arrays that cannot be written never do."""
    if compat.is_torch_array(array):
        return bool(array.untyped_storage().data_ptr() == other.untyped_storage().data_ptr())
    if is_numpy(array) or compat.is_cupy_array(array):
        return bool(namespace(array).may_share_memory(array, other))
    return False


def detached(array: Array) -> Array:
    """Return the same array outside PyTorch's record of operations: pycopi needs no automatic gradient."""
    return array.detach() if compat.is_torch_array(array) and array.requires_grad else array


def copy_array(array: Array) -> Array:
    """Return a copy of an array in fresh memory, on the same library and device."""
    if is_numpy(array):
        return aligned_copy(array, array.dtype)
    return namespace(array).asarray(detached(array), copy=True)


def aligned_copy(values: HostArray, dtype: Any) -> HostArray:
    """Return a copy in memory of `aligned_empty`."""
    copy = aligned_empty(values.shape, dtype)
    copy[...] = values
    return copy


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> HostArray:
    """Return memory that begins at a cache line, so that no register's worth crosses one; NumPy's need not."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    array: HostArray = memory[start : start + size].view(dtype).reshape(shape)
    return array


def compact(array: Array) -> Array:
    """Return an array with its values row after row in memory, itself where they are; elsewhere a copy.

    In which order a product adds up may depend on how its factors are laid out, and on NumPy on their type.
    """
    if is_numpy(array):
        return np.require(array, array.dtype.newbyteorder("="), ["C", "A", "E"])
    if compat.is_torch_array(array):
        return array.contiguous()
    return namespace(array).ascontiguousarray(array) if is_cupy(array) else array


def from_numpy(values: HostArray, like: Array, *, dtype: Any = None) -> Array:
    """Return NumPy values as an array of the library and device of ``like``.

    ``dtype`` is a dtype of that library; None keeps the values' own, except that float32 becomes bfloat16 where
    ``like`` is that, since NumPy has no bfloat16. The result never shares memory with ``values``, except where
    ``like`` is a NumPy array and no conversion is needed.
    """
    xp = namespace(like)
    if dtype is None and values.dtype == np.float32 and is_bfloat16(like):
        dtype = like.dtype
    values = np.asarray(values, dtype=values.dtype.newbyteorder("="))
    if is_numpy(like):
        return np.asarray(values, dtype=dtype)
    if is_dask(like):
        return xp.asarray(values, dtype=dtype)
    return xp.asarray(np.array(values), dtype=dtype, device=device(like), copy=True)


def to_numpy(array: Array) -> HostArray:
    """Return the values of an array of any library as a NumPy array; the result may share memory.

    Those of bfloat16, which NumPy does not have, are float32, which holds each of them.
    """
    _must_be_there()
    if is_bfloat16(array):
        array = namespace(array).astype(array, namespace(array).float32)
    if is_numpy(array):
        return np.asarray(array)
    if compat.is_cupy_array(array):
        return np.asarray(array.get())
    if compat.is_torch_array(array):
        return np.asarray(array.detach().cpu().numpy())
    if library(array) == "array_api_strict":
        array = compat.to_device(array, namespace(array).Device("CPU_DEVICE"))
    return np.asarray(array)


def one_hot(classes: Array, count: int, dtype: Any) -> Array:
    """Return class numbers (B,) in 0 .. count - 1 as one-hot rows (B, count)."""
    from array_api_extra import one_hot as encode  # not needed before the first batch

    return encode(wide_integers(classes), count, dtype=dtype)


def wide_integers(classes: Array) -> Array:
    """Return class numbers in a dtype that holds any of them, and that the library can compute with."""
    xp = namespace(classes)
    if compat.is_torch_array(classes):
        return xp.astype(classes, xp.int64)
    return xp.astype(classes, xp.int32) if xp.iinfo(classes.dtype).bits < 32 else classes


def astype(array: Array, dtype: Any) -> Array:
    """Return an array in a dtype of its library: itself where it has that already."""
    return array if array.dtype == dtype else namespace(array).astype(array, dtype)


def is_narrow(array: Array) -> bool:
    """Return whether real numbers have fewer than 32 bits: float16 and bfloat16."""
    if type(array) is np.ndarray:  # as in `namespace`
        return bool(array.dtype.itemsize < 4)
    return bool(namespace(array).finfo(array.dtype).bits < 32)


def wide_floats(array: Array) -> Array:
    """Return real numbers in at least 32 bits, for sums over many of them."""
    if type(array) is np.ndarray and array.dtype.itemsize >= 4:  # as in `namespace`
        return array
    return namespace(array).astype(array, namespace(array).float32) if is_narrow(array) else array


def widest_floats(array: Array) -> Array:
    """Return real numbers in float64 where library and device have it, for what float32 is too coarse for."""
    xp = namespace(array)
    information = xp.__array_namespace_info__()
    offered = information.dtypes(device=device(array), kind="real floating")
    return xp.astype(array, offered["float64"]) if "float64" in offered else wide_floats(array)


def overflow_ignored() -> AbstractContextManager[None]:
    """Return a block in which NumPy does not warn of overflow: for computations that look at their result."""
    return np.errstate(over="ignore", invalid="ignore")


def division_ignored() -> AbstractContextManager[None]:
    """Return a block in which NumPy does not warn of divisions by 0."""
    return np.errstate(divide="ignore")


def diagonal(matrix: Array) -> Array:
    """Return the diagonal (n,) of a square matrix; the standard has a function for it in an extension only."""
    if is_numpy(matrix):
        return matrix.diagonal()
    return namespace(matrix).reshape(matrix, (-1,))[:: matrix.shape[0] + 1]


def largest_value(array: Array) -> float:
    """Return the largest finite number in the dtype of an array."""
    return _largest(array.dtype, namespace(array))


@functools.lru_cache(maxsize=64)
def _largest(dtype: Any, xp: Namespace) -> float:
    return float(xp.finfo(dtype).max)


def number(array: Array) -> float:
    """Return a 0-d array as a Python float; this waits for the device."""
    _must_be_there()
    return float(array)


def eigh(matrix: Array) -> tuple[Array, Array]:
    """Return eigenvalues (n,), from small to large, and eigenvectors (n, n) of a symmetric matrix.

    Both are NaN where a value of the matrix is not finite, of which some libraries find no eigenvalues.
    """
    _must_be_there()
    if is_dask(matrix):
        return _lazy_eigh(matrix)
    try:
        decompose = namespace(matrix).linalg.eigh  # of an extension that a library may lack
    except AttributeError:
        msg = f"{library(matrix)} has no linalg.eigh, which computes eigenvalues; convert the array to NumPy"
        raise NotImplementedError(msg) from None
    return _decomposed(decompose, matrix)


def _decomposed(decompose: Any, matrix: Array) -> tuple[Array, Array]:
    try:
        values, vectors = decompose(matrix)
    except (np.linalg.LinAlgError, RuntimeError):
        if math.isfinite(number(namespace(matrix).sum(matrix))):
            raise
        return matrix[0, :] * math.nan, matrix * math.nan
    return values, vectors


def _lazy_eigh(matrix: Array) -> tuple[Array, Array]:
    """Return what `eigh` does as Dask arrays, of which NumPy finds the values when they are wanted."""
    whole = matrix.rechunk(matrix.shape)
    empty = np.empty((0, 0), matrix.dtype)
    values = whole.map_blocks(_eigenvalues, drop_axis=1, meta=empty.reshape(0))
    return values, whole.map_blocks(_eigenvectors, meta=empty)


def _eigenvalues(matrix: HostArray) -> HostArray:
    values: HostArray = _decomposed(np.linalg.eigh, matrix)[0]
    return values


def _eigenvectors(matrix: HostArray) -> HostArray:
    vectors: HostArray = _decomposed(np.linalg.eigh, matrix)[1]
    return vectors


def slices(count: int, size: int) -> list[slice]:
    """Return the slices of at most ``size`` that make up ``count`` rows, none of them beyond the end."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
