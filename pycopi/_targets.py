"""The checks of targets: which forms they may have, and what to do with others.

Rules of this file:

- the library may be any: only shapes and dtypes are compared, and values are read only where they are there;
- class numbers are whole numbers 0 .. m - 1 of an integer dtype, (N,); real numbers are (N,) for one output,
  or rows (N, m), which may also be one-hot rows of any dtype;
- a message names what came in the user's words and says how to make targets of it.
"""

from typing import Any

import numpy as np

from pycopi._array import Array, HostArray, is_readable, library, namespace, to_numpy, wide_integers
from pycopi._checks import cast, check_finite, check_reals, needed_dtype


def check_target_form(
    name: str, targets: Array, samples: int, outputs: int, like: Array, inputs: str = "inputs"
) -> None:
    """Check shape and dtype of targets for samples and outputs, whose dtype is that of ``like``."""
    shape, kind = tuple(targets.shape), _kind(targets)
    if kind is None:
        raise TypeError(_no_numbers(name, targets))
    if not shape or shape[0] != samples:
        rows = f"{name} have {shape[0] if shape else 'no'} rows"
        msg = f"{rows} but {inputs} have {samples}; expected the same number"
        raise ValueError(msg)
    if shape != (samples, outputs) and not (len(shape) == 1 and (kind == "integer") == (outputs > 1)):
        raise ValueError(_misfit(name, targets, kind, samples, outputs, like))
    if kind == "real":
        check_reals(name, targets, like)


def check_target_values(name: str, targets: Array, outputs: int) -> None:
    """Check that class numbers are in 0 .. outputs - 1, and that real numbers are finite."""
    kind = _kind(targets)
    if kind == "real":
        check_finite(**{name: targets})
    elif kind == "integer" and targets.ndim == 1 and targets.shape[0] > 0 and is_readable(targets):
        xp = namespace(targets)
        wide = wide_integers(targets)
        least, most = xp.min(wide), xp.max(wide)
        if is_readable(least) and not (int(least) >= 0 and int(most) < outputs):
            wrong = int(least) if int(least) < 0 else int(most)
            msg = (
                f"{name} have the class number {wrong} but the network has {outputs} outputs; expected "
                f"whole numbers from 0 to {outputs - 1}"
            )
            raise ValueError(msg + _renumbering(name, targets, outputs))


def _kind(array: Array) -> str | None:
    """Return what an array holds: integer, bool or real; None for anything else, such as text."""
    isdtype = namespace(array).isdtype
    kinds = {"integer": "integral", "bool": "bool", "real": "real floating"}
    return next((name for name, kind in kinds.items() if isdtype(array.dtype, kind)), None)


def _no_numbers(name: str, targets: Array) -> str:
    """Return the message for an array of text, objects or complex numbers."""
    msg = f"{name} has dtype {targets.dtype}; expected class numbers (integers) or real numbers"
    dtype: Any = targets.dtype
    text = getattr(dtype, "kind", "") in "UST"
    if getattr(dtype, "kind", "") == "O":
        first = next(iter(targets.flat), None)
        text = isinstance(first, (str, bytes))
        if isinstance(first, (bool, int, float, np.number)):
            return f"{msg}: convert with .astype('int64') for classes, .astype('float32') for real numbers"
    return f"{msg}: number the names, as with numpy.unique(..., return_inverse=True)[1]" if text else msg


def _misfit(name: str, targets: Array, kind: str, samples: int, outputs: int, like: Array) -> str:
    """Return the message for numbers of the wrong shape, which has as many rows as it should."""
    shape = tuple(targets.shape)
    came = f"{name} has dtype {targets.dtype} and shape {shape} but the network has {outputs} output"
    came += "s" if outputs > 1 else ""
    classes = f"class numbers, integers of shape ({samples},)"
    rows = f"real numbers of shape ({samples}, {outputs})"
    if outputs == 1:
        if len(shape) == 1:  # integers
            real = cast(targets, needed_dtype(targets, like))
            return f"{came}; expected real numbers: convert with {real}, or make an output for each class"
        return f"{came}; expected real numbers of shape ({samples},) or ({samples}, 1), one for each sample"
    if len(shape) == 1:
        return f"{came}; expected {classes}{_as_classes(targets, kind, outputs)}, or {rows}"
    if shape == (samples, 1):
        whole = "" if kind == "integer" else f" and convert with {cast(targets, 'int64')}"
        return f"{came}; expected {classes}: take the column with [:, 0]{whole}, or {rows}"
    return f"{came}; expected ({samples}, {outputs}), or {classes}"


def _as_classes(targets: Array, kind: str, outputs: int) -> str:
    """Return how real numbers or booleans (N,) become class numbers, as far as their values tell."""
    whole = f": convert with {cast(targets, 'int64')}"
    if kind == "bool":
        return whole
    if not is_readable(targets):
        return f"{whole} if they are classes"
    values = to_numpy(targets)
    if np.isfinite(values).all() and (values == np.floor(values)).all():
        inside = values.size > 0 and values.min() >= 0 and values.max() < outputs
        return whole if inside else _renumbering("", values, outputs)
    return " (these are no whole numbers)"


def _renumbering(name: str, targets: Array, outputs: int) -> str:
    """Return how other whole numbers become the class numbers 0, 1, 2, ..., where there are outputs enough."""
    values: HostArray = np.unique(to_numpy(targets))
    if len(values) > outputs:
        real = cast(targets, "float32")
        many = f"; they hold {len(values)} numbers: make an output for each class"
        return f"{many}, or convert real ones with {real}"
    if name and values[0] == 1 and values[-1] == outputs:
        return "; number the classes from 0: subtract 1"
    module = {"jax": "jax.numpy"}.get(library(targets), library(targets))
    if module == "array_api_strict":
        return "; number the classes, as with array_api_strict.unique_inverse(...).inverse_indices"
    return f"; number the classes, as with {module}.unique(..., return_inverse=True)[1]"
