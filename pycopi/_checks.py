"""The checks of arguments.

Rules of this file:

- what needs only shapes and dtypes is always checked; values are read only where they are there, so never
  of traced or lazy arrays;
- every error names the argument, what was expected, what came, and what to do.
"""

import math
import operator
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from pycopi._array import (
    Array,
    HostArray,
    Namespace,
    devices,
    dtype_name,
    host_dtype,
    is_array,
    is_dask,
    is_numpy,
    is_readable,
    is_traced,
    library,
    namespace,
    slices,
    to_numpy,
)

_BLOCK = 1 << 22  # values checked at a time, so that a check needs little memory


def common_namespace(**arrays: Array) -> Namespace:
    """Return the namespace that all the named arrays share; raise TypeError naming the odd one."""
    reference, first = next(iter(arrays.items()))
    for name, array in arrays.items():
        check_array(name, array)
        if namespace(array) is not namespace(first):
            msg = (
                f"{name} is a {library(array)} array but {reference} is a {library(first)} array; "
                f"convert one of them so that all come from the same library"
            )
            raise TypeError(msg)
        here, there = devices(array), devices(first)
        if here is not None and there is not None and here != there:
            msg = f"{name} is on device {_shown(here)} but {reference} is on {_shown(there)}"
            msg += "; move them to one device"
            raise ValueError(msg)
    return namespace(first)


def _shown(place: Any) -> str:
    """Return the name of a device, or the names of several."""
    return ", ".join(sorted(map(str, place))) if isinstance(place, set) else str(place)


def check_array(name: str, thing: Any, like: Array | None = None) -> None:
    """Check that something is an array of a library that pycopi can work with.

    Advice names the dtype of ``like``, where the array must have it.
    """
    if is_array(thing):
        return
    msg = (
        f"{name} is a {type(thing).__name__}; expected an array of a library that follows the "
        f"array API standard (NumPy, CuPy, JAX, PyTorch, ...){_conversion(name, thing, like)}"
    )
    raise TypeError(msg)


def _conversion(name: str, thing: Any, like: Array | None) -> str:
    """Return how to make an array of something, where there is a way."""
    module, dtype = type(thing).__module__, "" if like is None else f"dtype={host_dtype(like)!r}"
    if module.startswith("numpy.ma"):
        return ": fill what is masked first, as with .filled(0)"
    if module.startswith("pandas"):
        return f": convert it first, with .to_numpy({dtype})"
    if hasattr(thing, "toarray"):  # a sparse matrix
        return f": convert it first, with .toarray(){dtype and f'.astype({dtype})'}"
    if isinstance(thing, (list, tuple, Real)) or hasattr(thing, "__array__"):
        arguments = ", ".join(filter(None, (name if name.isidentifier() else "...", dtype)))
        return f": convert it first, as in numpy.asarray({arguments})"
    return ""


def needed_dtype(array: Array, like: Array) -> str:
    """Return the name of the dtype that real numbers must have to go with ``like``.

    It is that of ``like``; for NumPy and Dask, which have no bfloat16, float32 stands for it.
    """
    in_host = is_numpy(array) or is_dask(array)
    return host_dtype(like) if in_host else dtype_name(like.dtype)


def cast(array: Array, dtype: str) -> str:
    """Return the code that converts an array of this library to the dtype of a name."""
    if library(array) == "torch":
        return f".to(torch.{dtype})"
    if library(array) == "array_api_strict":
        return f"array_api_strict.astype(..., array_api_strict.{dtype})"
    return f".astype({dtype!r})"


def check_features(name: str, inputs: Array, features: int) -> None:
    """Check that inputs are rows of so many features."""
    shape = tuple(inputs.shape)
    if len(shape) == 2 and shape[1] == features:
        return
    advice = f", or a network made for {shape[1]} inputs" if len(shape) == 2 else ""
    if shape == (features,):
        advice = "; a single sample is a row as well: add an axis with [None, :]"
    elif len(shape) == 1 and features == 1:
        advice = "; make rows of one feature with [:, None]"
    elif len(shape) == 2 and shape[0] == features:
        advice = "; samples are rows: transpose with .T"
    elif len(shape) > 2 and math.prod(shape[1:]) == features:
        advice = f"; flatten each sample: reshape to {(shape[0], features)}"
    msg = f"{name} has shape {shape} but the network takes {features} features; expected (any, {features})"
    raise ValueError(msg + advice)


def check_reals(name: str, array: Array, like: Array) -> None:
    """Check that data have the real floating dtype of ``like``, in whichever library they are."""
    wanted = needed_dtype(array, like)
    if not namespace(array).isdtype(array.dtype, "real floating"):
        msg = f"{name} has dtype {array.dtype}; expected a real floating dtype such as float32"
    elif dtype_name(array.dtype) != wanted:
        msg = f"{name} has dtype {dtype_name(array.dtype)} but parameters have {dtype_name(like.dtype)}"
        msg += f"; expected {'the same' if wanted == dtype_name(like.dtype) else wanted}"
    else:
        return
    msg += f": convert with {cast(array, wanted)}"
    raise TypeError(msg)


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


def check_finite(**arrays: Array) -> None:
    """Check that the named arrays hold no NaN and no infinity; traced and lazy arrays are not read."""
    for name, array in arrays.items():
        check_finite_rows(name, array)


def check_finite_rows(name: str, array: Array, start: int = 0) -> None:
    """Check what `check_finite` does for one array, whose first row is row ``start`` of the user's."""
    if not is_readable(array):
        return
    xp = namespace(array)
    rows = max(1, _BLOCK // max(1, math.prod(array.shape[1:])))
    for block in slices(array.shape[0], rows):
        part = array[block, ...]
        finite = xp.all(xp.isfinite(part))
        if is_readable(finite) and not bool(finite):
            _raise_not_finite(name, to_numpy(part), start + block.start)


def is_finite(array: Array) -> bool:
    """Return whether an array holds no NaN and no infinity; True where its values cannot be looked at."""
    if not is_readable(array):
        return True
    finite = namespace(array).all(namespace(array).isfinite(array))
    return not is_readable(finite) or bool(finite)


def _raise_not_finite(name: str, part: HostArray, start: int) -> None:
    wrong = ~np.isfinite(part)
    row = start + int(np.argwhere(wrong)[0][0])
    msg = (
        f"{name} has {part[wrong][0]} at row {row} ({np.sum(wrong)} such values in the block read); "
        f"expected finite numbers: remove or fill them first"
    )
    raise ValueError(msg)


def as_float(name: str, value: Any, *, least: float = 0.0, most: float = float("inf")) -> Any:
    """Return a hyperparameter as a Python float, checked; a traced one is taken as it is.

    NumPy's numbers and 0-d arrays become Python floats, because they would change the dtype of what they
    multiply.
    """
    if is_traced(value):
        return value
    scalar = is_array(value) and value.ndim == 0
    if isinstance(value, bool) or not (isinstance(value, Real) or scalar):
        msg = f"{name} is a {type(value).__name__}; expected a number"
        raise TypeError(msg)
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not least <= number <= most or math.isinf(number):
        upper = "" if most == float("inf") else f" and at most {most:g}"
        msg = f"{name} is {number}; expected a finite number of at least {least:g}{upper}"
        raise ValueError(msg)
    return number


def as_whole(name: str, value: Any, *, least: int = 1) -> int:
    """Return a whole number such as a batch size as a Python int, checked."""
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        msg = f"{name} is {value!r}; expected a whole number of at least {least}"
        raise ValueError(msg)
    return number


def as_choice(name: str, value: Any, choices: Mapping[str, Any], kind: type) -> Any:
    """Return an object that is given by its name among the choices, or itself, checked."""
    if isinstance(value, str):
        if value not in choices:
            msg = f"{name} is {value!r}; expected one of {', '.join(choices)}"
            raise ValueError(msg)
        return choices[value]
    if not isinstance(value, kind):
        names = ", ".join(choices)
        msg = f"{name} is a {type(value).__name__}; expected one of {names}, or your own {kind.__name__}"
        raise TypeError(msg)
    return value


def check_samples(name: str, samples: int) -> None:
    """Check that a batch is not empty."""
    if samples == 0:
        msg = f"{name} has no rows; expected a batch of at least one sample"
        raise ValueError(msg)
