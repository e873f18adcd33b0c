"""What the targets of a file are: labels of classes, which are numbered here, or real numbers.

Rules of this file:

- integers, booleans and text are labels; floats are, if all are whole numbers, of few different values;
- classes are numbered 0, 1, 2, ... in the sorted order of their labels, over training and test targets;
- a caller who knows better says so, and is obeyed or refused, never overruled.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Label = bool | int | float | str
Task = Literal["classes", "regression"]
TASKS = ("classes", "regression")
MOST_VALUES = 20
"""Whole floats of more different values than this are real numbers."""


def are_labels(parts: Sequence[NDArray[Any]]) -> bool:
    """Return whether targets are taken for labels of classes where nobody says what they are.

    Parameters
    ----------
    parts : sequence of numpy.ndarray, shape (N,) or (N, outputs)
        Finite training targets, and test targets if there are any.

    Returns
    -------
    bool
        True for integers, booleans and text; for floats (N,) or (N, 1) if all are whole numbers of 2
        to 20 different values, each of which occurs twice or more on average.

    Examples
    --------
    >>> are_labels([np.array([0.0, 2.0, 2.0, 0.0])]), are_labels([np.array([0.0, 0.5, 0.5, 0.0])])
    (True, False)
    """
    if parts[0].dtype.kind != "f":
        return True
    if any(part.ndim > 1 and part.shape[1] != 1 for part in parts):
        return False
    values = np.concatenate([part.ravel() for part in parts])
    different = np.unique(values)
    few = 2 <= len(different) <= min(MOST_VALUES, len(values) / 2)
    return bool(few and (different == np.floor(different)).all())


def number_labels(
    parts: Sequence[NDArray[Any]],
) -> tuple[list[NDArray[np.int64]], tuple[Label, ...]]:
    """Return class numbers in place of labels, and the label of each number.

    Parameters
    ----------
    parts : sequence of numpy.ndarray, shape (N,)
        Labels for training, and for the test if there are any; only read.

    Returns
    -------
    numbers : list of numpy.ndarray, shape (N,), int64
        A new array for each part.
    classes : tuple
        The labels in sorted order; whole floats become int.

    Examples
    --------
    >>> number_labels([np.array(["bee", "ape", "bee"])])
    ([array([1, 0, 1])], ('ape', 'bee'))
    """
    labels, numbers = np.unique(np.concatenate(parts), return_inverse=True)
    ends = np.cumsum([len(part) for part in parts])[:-1]
    classes = tuple(_plain(label) for label in labels.tolist())
    return [part.astype(np.int64) for part in np.split(numbers.ravel(), ends)], classes


def _plain(label: Label) -> Label:
    """Return a whole float as an int, and any other label as it is."""
    return int(label) if isinstance(label, float) and label.is_integer() else label
