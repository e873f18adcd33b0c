"""What comes in and goes out: arrays of any library that scikit-learn dispatches on, all else as NumPy.

Rules of this file:

- with ``array_api_dispatch`` the rows of X stay on their library and device; without it they become NumPy;
- y and sample weights follow X; they are read in host memory once;
- sparse matrices are refused, by scikit-learn's own message: a decorrelating matrix would be dense.
"""

from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils.validation import validate_data

from pycopi._array import Array, HostArray, device, devices, from_numpy, is_array, is_numpy, namespace, to_numpy


def dispatched(thing: Any) -> bool:
    """Return whether something is an array that stays with its library."""
    return bool(get_config()["array_api_dispatch"]) and is_array(thing) and not is_numpy(thing)


def host(thing: Any) -> Any:
    """Return an array that would stay with its library as NumPy; anything else as it is."""
    return to_numpy(thing) if dispatched(thing) else thing


def floats_for(inputs: Any) -> list[Any]:
    """Return the dtypes that X may keep, in its library; X of any other dtype becomes the first."""
    if not dispatched(inputs):
        return [np.float64, np.float32]
    offered = namespace(inputs).__array_namespace_info__().dtypes(device=device(inputs), kind="real floating")
    return [offered[name] for name in ("float64", "float32") if name in offered]


def read_inputs(estimator: Any, inputs: Any, method: str, like: Array, **checks: Any) -> Array:
    """Return X for a fitted estimator, which must be where its arrays are, as ``like`` is."""
    dtypes = floats_for(inputs)
    if dispatched(inputs) or not is_numpy(like):
        same = dispatched(inputs) and namespace(inputs) is namespace(like) and devices(inputs) == devices(like)
        if not same:
            name = type(estimator).__name__
            msg = (
                f"Inputs passed to {name}.{method}() must use the same namespace and the same device as those "
                f"passed to fit(); expected {_place(like)}, got {_place(inputs)}: move them there, or fit on "
                f"what you predict with"
            )
            raise ValueError(msg)
    return validate_data(estimator, inputs, reset=False, dtype=dtypes, **checks)


def beside(values: HostArray, like: Array, *, dtype: Any = None) -> Array:
    """Return host values on the library and device of ``like``; text stays where it is."""
    return from_numpy(values, like, dtype=dtype) if values.dtype.kind in "biuf" else values


def _place(array: Any) -> str:
    if not is_array(array):
        return type(array).__name__
    return f"{namespace(array).__name__.removeprefix('array_api_compat.')} on {devices(array)}"
