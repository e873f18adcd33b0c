"""From host memory to the parameters: the one rule by which data may come from another library.

NumPy arrays and memory maps, Dask arrays, and PyTorch tensors and JAX arrays on the CPU are in host memory:
they go with parameters of any library, and their rows are moved there batch by batch. Anything else must be
on the library and device of the parameters already. Dtypes are never converted but for one: NumPy and Dask
have no bfloat16, so their float32 becomes that where the parameters are.
"""

from typing import Any

import numpy as np

from pycopi._array import (
    Array,
    HostArray,
    detached,
    device,
    from_numpy,
    is_dask,
    is_jax,
    is_numpy,
    is_traced,
    library,
    namespace,
    to_numpy,
)
from pycopi._checks import common_namespace


def check_movable(name: str, array: Array, like: Array) -> None:
    """Check that data are where ``like`` is, or in host memory."""
    if not _moves(array, like):
        common_namespace(parameters=like, **{name: array})


def take(array: Array, rows: Any, like: Array) -> Array:
    """Return rows of an array, a slice or an array of numbers, on the library and device of ``like``.

    The result may share memory with ``array``.
    """
    if is_dask(array) and not is_dask(like):
        return from_numpy(_read(array, rows), like)
    if is_numpy(array):
        return from_numpy(np.asarray(array[rows]), like)
    part = detached(array)
    if isinstance(rows, slice):
        part = part[rows, ...]
    else:
        part = namespace(part).take(part, from_numpy(rows, part), axis=0)
    return from_numpy(to_numpy(part), like) if _moves(part, like) else part


def _moves(array: Array, like: Array) -> bool:
    """Return whether an array in host memory is needed elsewhere."""
    if is_traced(array) or is_traced(like):
        return False
    if namespace(array) is namespace(like):
        return library(array) == "torch" and array.device.type == "cpu" and device(like) != device(array)
    if is_numpy(array) or is_dask(array):
        return True
    if is_jax(array):
        return all(own.platform == "cpu" for own in array.devices())
    return library(array) == "torch" and array.device.type == "cpu"


def _read(lazy: Array, rows: Any) -> HostArray:
    """Return rows of a Dask array, read in their order there, so that each chunk is read once."""
    if isinstance(rows, slice):
        return np.asarray(lazy[rows])
    order = np.argsort(rows)
    return np.asarray(lazy[rows[order]])[np.argsort(order)]
