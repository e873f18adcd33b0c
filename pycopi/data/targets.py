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
    """Return whether targets, (N,) or (N, outputs), are taken for labels where nobody says what they are.

    So are integers, booleans and text; and floats (N,) or (N, 1) if all are whole numbers of 2 to 20 different
    values, each of which occurs twice or more on average.
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
    """Return class numbers in place of labels (N,), and the label of each number, in sorted order.

    Whole floats become int.
    """
    labels, numbers = np.unique(np.concatenate(parts), return_inverse=True)
    ends = np.cumsum([len(part) for part in parts])[:-1]
    classes = tuple(_plain(label) for label in labels.tolist())
    return [part.astype(np.int64) for part in np.split(numbers.ravel(), ends)], classes


def _plain(label: Label) -> Label:
    return int(label) if isinstance(label, float) and label.is_integer() else label
