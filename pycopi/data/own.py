"""Data of the user's own: what arrays must be, whatever file they come from, and how they become a data set."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pycopi.data.dataset import Dataset, scale_bytes
from pycopi.data.targets import Label, Task, are_labels, number_labels

Arrays = dict[str, NDArray[Any]]


def make_dataset(path: Path, stored: Arrays, task: Task | None = None) -> Dataset:
    """Return the data set of stored arrays: x and y, and both or neither of x_test and y_test.

    Inputs are flattened to (N, features): uint8 is divided by 255 and becomes float32, other integers of up to
    16 bits and float16 become float32, wider integers and floats float64; float32 stays. Targets (N,) or (N, 1)
    that are labels become class numbers, int64 (N,), in the sorted order of the labels, which ``classes``
    keeps; others, (N,) or (N, outputs), are for regression and get their dtype by the same rule as inputs.
    """
    _check_twins(path, stored)
    ends = ("", "_test") if "x_test" in stored else ("",)
    inputs = [inputs_of(path, f"x{end}", stored[f"x{end}"]) for end in ends]
    targets, classes = _targets(path, {f"y{end}": stored[f"y{end}"] for end in ends}, task)
    for end, x, y in zip(ends, inputs, targets, strict=True):
        if len(x) != len(y):
            what = f"expected as many rows in y{end} as the {len(x)} in x{end}, got {len(y)}"
            raise unfit(path, what, "save one target for each row")
    x_test, y_test = (inputs[1], targets[1]) if len(ends) > 1 else (None, None)
    return Dataset(path.stem, inputs[0], targets[0], x_test, y_test, classes)


def _check_twins(path: Path, stored: Arrays) -> None:
    """Raise unless a test array has the dtype and the row shape of its training array."""
    for name in ("x", "y") if "x_test" in stored else ():
        train, test = stored[name], stored[f"{name}_test"]
        wanted, got = train.shape[1:], test.shape[1:]
        text = train.dtype.kind == test.dtype.kind == "U"  # whose length may differ
        if wanted != got or (train.dtype != test.dtype and not text):
            what = f"expected {name}_test of dtype {train.dtype} with rows of shape {wanted}"
            advice = f"save {name} and {name}_test in one form"
            raise unfit(path, f"{what} as in {name}, got {test.dtype} and {got}", advice)


def _targets(
    path: Path, stored: Arrays, task: Task | None
) -> tuple[list[NDArray[Any]], tuple[Label, ...] | None]:
    """Return targets as class numbers and the label of each, or as real numbers and None."""
    finite = [_finite(path, name, y) if y.dtype.kind == "f" else y for name, y in stored.items()]
    if task == "classes" or (task is None and are_labels(finite)):
        return number_labels([_column(path, name, y) for name, y in zip(stored, finite, strict=True)])
    for name, y in stored.items():
        if y.ndim > 2:
            what = f"expected {name} of shape (N,) or (N, outputs), got {y.shape}"
            raise unfit(path, what, "save one value or one row of values for each row of x")
        if y.dtype.kind == "U":
            what = f"expected numbers in {name} for regression, got text"
            raise unfit(path, what, "save numbers, or take the targets as classes")
    return [_finite(path, name, y) for name, y in zip(stored, finite, strict=True)], None


def _column(path: Path, name: str, labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels (N,), which may be stored as a column."""
    if labels.ndim == 1 or labels.shape[1:] == (1,):
        return labels.ravel()
    what = f"expected labels {name} of shape (N,), one for each row of x, got {labels.shape}"
    raise unfit(path, what, "save argmax(axis=1) of one-hot rows, or floats for regression")


def inputs_of(path: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return inputs as floating rows, one for each first index."""
    if array.ndim < 2:
        what = f"expected {name} of shape (N, features) or (N, ...), got {array.shape}"
        raise unfit(path, what, f"save {name}.reshape(-1, 1) for a single feature")
    if array.dtype == np.uint8:
        return scale_bytes(array, 255)
    return _finite(path, name, array.reshape(len(array), -1))


def _finite(path: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array as float64 where float32 cannot hold its numbers, else as float32, once it is finite."""
    wide = array.dtype.itemsize >= (8 if array.dtype.kind == "f" else 4)
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is reported as infinite
        values = array.astype(np.float64 if wide else np.float32, copy=False)
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        what = f"expected finite values in {name}, got NaN or infinity in row {np.argmin(finite)}"
        raise unfit(path, what, "remove such rows or replace the values")
    return values


def unfit(path: Path, what: str, advice: str) -> ValueError:
    """Return the error for a sound file with the wrong content, to be raised."""
    return ValueError(f"{path}: {what}; {advice}")
