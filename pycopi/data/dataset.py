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
    """

    name: str
    x_train: NDArray[Any]
    y_train: NDArray[Any]
    x_test: NDArray[Any] | None
    y_test: NDArray[Any] | None
    classes: tuple[Label, ...] | None = None
    target: str | None = None


DIGITS = tuple(range(10))
"""The classes of the named sets."""


def scale_bytes(values: Bytes, largest: int, out: Floats | None = None) -> Floats:
    """Return ``values / largest`` as float32, one row per first index, each value rounded once.

    Parameters
    ----------
    values : numpy.ndarray, shape (N, ...), uint8
        Stored bytes; only read.
    largest : int
        The byte that becomes 1.
    out : numpy.ndarray, shape (N, features), float32, optional
        Where to write; a new array if None.

    Returns
    -------
    numpy.ndarray, shape (N, features), float32
        `out`, or the new array.

    Examples
    --------
    >>> import numpy as np
    >>> scale_bytes(np.array([[[0, 51], [204, 255]]], np.uint8), 255)
    array([[0. , 0.2, 0.8, 1. ]], dtype=float32)
    """
    rows = values.reshape(len(values), -1)
    return np.divide(rows, largest, out=out, dtype=np.float32)


def class_numbers(path: Path, labels: Bytes, start: int, step: int) -> NDArray[np.int64]:
    """Return stored labels as int64, each checked to be a class number from 0 to 9.

    Parameters
    ----------
    path : pathlib.Path
        The file that they come from.
    labels : numpy.ndarray, shape (N,), uint8
        At least one label; only read.
    start, step : int
        Offset in the file of the first label, and the distance from one to the next, in bytes.

    Returns
    -------
    numpy.ndarray, shape (N,), int64
        A new array.

    Raises
    ------
    ValueError
        If a label is above 9; the message gives the offset of the first.
    """
    if labels.max() > 9:
        first = int(np.argmax(labels > 9))
        what = f"expected a label from 0 to 9, got {labels[first]} (the labels go up to {labels.max()})"
        advice = "if this is a set of more classes, save x and y with numpy.savez and name that file; "
        raise bad_file(path, start + first * step, what, f"{advice}if not, replace it by an undamaged copy")
    return labels.astype(np.int64)
