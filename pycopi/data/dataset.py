"""The tuple that every loader returns, and how stored bytes become its inputs and class numbers."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pycopi.data.reading import Bytes, bad_file
from pycopi.data.targets import Label

Floats = NDArray[np.float32]


class Dataset(NamedTuple):
    """Named training and test arrays, rows first.

    Attributes
    ----------
    name : str
        ``"digits"``, ``"mnist"``, ``"cifar10"``, or the stem of a file.
    x_train : numpy.ndarray, shape (N, features), float32 or float64
        Training inputs; float32 in [0, 1] for the named sets.
    y_train : numpy.ndarray, shape (N,) int64, or shape (N,) or (N, outputs) float
        Class numbers 0, 1, 2, ...; floats are regression targets and come from files alone.
    x_test, y_test : numpy.ndarray or None
        The same for the test set; both None for a file without them.
    classes : tuple of bool, int, float or str, or None
        The label of each class number, in their order; None for regression targets.
    target : str or None
        The column of a CSV file that the targets come from; None for other data.
    columns : tuple of str or None
        The columns of a CSV file that the inputs come from, in their order; None for other data.
    """

    name: str
    x_train: NDArray[Any]
    y_train: NDArray[Any]
    x_test: NDArray[Any] | None
    y_test: NDArray[Any] | None
    classes: tuple[Label, ...] | None = None
    target: str | None = None
    columns: tuple[str, ...] | None = None


DIGITS = tuple(range(10))
"""The classes of the named sets."""


def scale_bytes(values: Bytes, largest: int, out: Floats | None = None) -> Floats:
    """Return ``values / largest`` (N, features) as float32, a row per first index, each value rounded once."""
    rows = values.reshape(len(values), -1)
    return np.divide(rows, largest, out=out, dtype=np.float32)


def class_numbers(path: Path, labels: Bytes, start: int, step: int) -> NDArray[np.int64]:
    """Return labels (N,) as int64, each checked to be a class number from 0 to 9.

    ``start`` is the offset in the file of the first label, ``step`` the distance to the next, in bytes.
    """
    if labels.max() > 9:
        first = int(np.argmax(labels > 9))
        what = f"expected a label from 0 to 9, got {labels[first]} (the labels go up to {labels.max()})"
        advice = "if this is a set of more classes, save x and y with numpy.savez and name that file; "
        raise bad_file(path, start + first * step, what, f"{advice}if not, replace it by an undamaged copy")
    return labels.astype(np.int64)
