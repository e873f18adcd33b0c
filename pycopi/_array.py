"""The only door to array-api-compat and array-api-extra: library, device, dtype, and the checks on them.

Rules of this file:

- a *namespace* ``xp`` is what array-api-compat returns for an array; everything above asks for it here;
- checks that need only shapes and dtypes always run; checks that read values run only where reading is
  cheap, so never on traced or lazy arrays;
- every error names the argument, what was expected, what came, and what to do.
"""

import math
import sys
from collections.abc import Callable
from typing import Any

import array_api_compat as compat
import numpy as np
from numpy.typing import NDArray

Array = Any  # any array of a library that follows the standard
Namespace = Any  # its module of functions
HostArray = NDArray[Any]

_BLOCK = 1 << 22  # values checked at a time, so that a check needs little memory


def namespace(array: Array) -> Namespace:
    """Return the array API namespace of one array."""
    return compat.array_namespace(array)


def library(array: Array) -> str:
    """Return the plain name of the library that an array belongs to, such as ``"torch"``."""
    return str(namespace(array).__name__).removeprefix("array_api_compat.").split(".")[0]


def device(array: Array) -> Any:
    """Return the device of an array; None where the array is traced and has none yet."""
    return None if is_traced(array) else compat.device(array)


def is_numpy(array: Array) -> bool:
    """Return whether an array lies in a NumPy buffer (memory maps included)."""
    return isinstance(array, np.ndarray)


def is_dask(array: Array) -> bool:
    """Return whether an array is a Dask array, whose values are computed on demand."""
    return bool(compat.is_dask_array(array))


def is_traced(array: Array) -> bool:
    """Return whether an array stands for values that are not there yet (inside ``jax.jit``)."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(array, jax.core.Tracer)


def is_readable(array: Array) -> bool:
    """Return whether the values of an array are there to be looked at."""
    return not is_traced(array) and not is_dask(array)


def is_writable(array: Array) -> bool:
    """Return whether an array can be changed in place."""
    return bool(compat.is_writeable_array(array))


def may_overwrite(name: str, array: Array, copy: bool | None) -> bool:
    """Return whether ``copy`` lets an update reuse the buffer of ``array``.

    ``copy`` has the meaning of array-api-extra: None may overwrite, True never, False must.
    """
    if copy is True or is_writable(array):
        return copy is not True
    if copy is None:
        return False
    msg = f"{name} cannot be changed in place (a read-only {library(array)} array), but copy=False asks for it"
    msg += "; pass copy=None or copy=True"
    raise ValueError(msg)


def copy_array(array: Array) -> Array:
    """Return a copy of an array in fresh memory, on the same library and device."""
    return namespace(array).asarray(array, copy=True)


def from_numpy(values: HostArray, like: Array, *, dtype: Any = None) -> Array:
    """Return NumPy values as an array of the library and device of ``like``.

    ``dtype`` is a dtype of that library; None keeps the values' own kind. The result never shares memory
    with ``values``, except where ``like`` is a NumPy array and no conversion is needed.
    """
    xp = namespace(like)
    if is_numpy(like):
        return np.asarray(values, dtype=dtype)
    if is_dask(like):
        return xp.asarray(values, dtype=dtype)
    return xp.asarray(np.array(values), dtype=dtype, device=device(like), copy=True)


def to_numpy(array: Array) -> HostArray:
    """Return the values of an array of any library as a NumPy array; the result may share memory."""
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

    return encode(classes, count, dtype=dtype)


def number(array: Array) -> float:
    """Return a 0-d array as a Python float; this waits for the device."""
    return float(array)


def jit(function: Callable[..., Any], like: Array, *, static: tuple[str, ...], donate: str) -> Any:
    """Return ``function`` compiled by JAX where ``like`` is a JAX array, and unchanged elsewhere.

    ``static`` names the hashable arguments, ``donate`` the one whose buffers the result may take over.
    """
    if not compat.is_jax_array(like):
        return function
    import jax

    return jax.jit(function, static_argnames=static, donate_argnames=donate)


def common_namespace(**arrays: Array) -> Namespace:
    """Return the namespace that all the named arrays share; raise TypeError naming the odd one."""
    reference, first = next(iter(arrays.items()))
    for name, array in arrays.items():
        if not compat.is_array_api_obj(array):
            msg = (
                f"{name} is a {type(array).__name__}; expected an array of a library that follows the "
                f"array API standard (NumPy, CuPy, JAX, PyTorch, ...): convert it first, "
                f"as in numpy.asarray({name})"
            )
            raise TypeError(msg)
        if namespace(array) is not namespace(first):
            msg = (
                f"{name} is a {library(array)} array but {reference} is a {library(first)} array; "
                f"convert one of them so that all come from the same library"
            )
            raise TypeError(msg)
        here, there = device(array), device(first)
        if here is not None and there is not None and here != there:
            msg = f"{name} is on device {here} but {reference} is on {there}; move them to one device"
            raise ValueError(msg)
    return namespace(first)


def check_floats(**arrays: Array) -> Namespace:
    """Check that the named arrays share library, device and one real floating dtype; return the namespace."""
    xp = common_namespace(**arrays)
    reference, first = next(iter(arrays.items()))
    for name, array in arrays.items():
        if not xp.isdtype(array.dtype, "real floating"):
            msg = f"{name} has dtype {array.dtype}; expected a real floating dtype such as float32"
            raise TypeError(msg)
        if array.dtype != first.dtype:
            msg = (
                f"{name} has dtype {array.dtype} but {reference} has {first.dtype}; "
                f"convert one of them, as in xp.astype({name}, {reference}.dtype)"
            )
            raise TypeError(msg)
    return xp


def check_shape(name: str, array: Array, expected: tuple[int | None, ...], because: str) -> None:
    """Check the shape of an array; None stands for any size. ``because`` says where ``expected`` is from."""
    shape = tuple(array.shape)
    fits = len(shape) == len(expected) and all(
        want is None or have == want for have, want in zip(shape, expected, strict=True)
    )
    if not fits:
        wanted = str(tuple("any" if size is None else size for size in expected)).replace("'", "")
        msg = f"{name} has shape {shape} but {because}; expected {wanted}"
        raise ValueError(msg)


def slices(count: int, size: int) -> list[slice]:
    """Return the slices of at most ``size`` that make up ``count`` rows, none of them beyond the end."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def check_finite(**arrays: Array) -> None:
    """Check that the named arrays hold no NaN and no infinity; traced and lazy arrays are not read."""
    for name, array in arrays.items():
        if not is_readable(array):
            continue
        xp = namespace(array)
        rows = max(1, _BLOCK // max(1, math.prod(array.shape[1:])))
        for block in slices(array.shape[0], rows):
            part = array[block, ...]
            if not bool(xp.all(xp.isfinite(part))):
                _raise_not_finite(name, to_numpy(part), block.start)


def _raise_not_finite(name: str, part: HostArray, start: int) -> None:
    wrong = ~np.isfinite(part)
    row = start + int(np.argwhere(wrong)[0][0])
    msg = (
        f"{name} has {part[wrong][0]} at row {row} ({np.sum(wrong)} such values in the block read); "
        f"expected finite numbers: remove or fill them first"
    )
    raise ValueError(msg)


def check_rate(name: str, value: Any, *, least: float = 0.0, most: float = float("inf")) -> None:
    """Check a hyperparameter that is a plain number; a traced one is taken as it is."""
    if is_traced(value):
        return
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        msg = f"{name} is a {type(value).__name__}; expected a Python float"
        raise TypeError(msg)
    if not least <= value <= most or value == float("inf"):
        upper = "" if most == float("inf") else f" and at most {most:g}"
        msg = f"{name} is {value}; expected a finite number of at least {least:g}{upper}"
        raise ValueError(msg)
