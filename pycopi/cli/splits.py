"""The arrays of a data set, as a run needs them."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, HostArray, from_numpy
from pycopi.data import Dataset, load_dataset

Pair = tuple[Array, Array]


def open_data(data: str, data_dir: Path | None, no_download: bool) -> Dataset:
    """Return the data set that a command names."""
    return load_dataset(data, data_dir=data_dir, download=not no_download)


class Splits(NamedTuple):
    """Data on the library and device of a run, and the sizes that the network needs.

    ``test`` is None for a file without test arrays.
    """

    train: Pair
    test: Pair | None
    inputs: int
    outputs: int
    classes: bool


def split(dataset: Dataset, like: Array) -> Splits:
    """Return a data set in the library, device and dtype of ``like``."""
    pairs = [(dataset.x_train, dataset.y_train)]
    if dataset.x_test is not None and dataset.y_test is not None:
        pairs.append((dataset.x_test, dataset.y_test))
    outputs = _outputs(dataset.name, [y for _, y in pairs], len(dataset.x_train))
    placed = [place(*pair, like) for pair in pairs]
    test = placed[1] if len(placed) > 1 else None
    return Splits(placed[0], test, dataset.x_train.shape[1], outputs, not is_real(dataset.y_train))


def place(inputs: HostArray, targets: HostArray, like: Array) -> Pair:
    """Return inputs and targets where ``like`` is, real numbers in its dtype."""
    kind: Any = like.dtype if is_real(targets) else None
    return from_numpy(inputs, like, dtype=like.dtype), from_numpy(targets, like, dtype=kind)


def is_real(targets: HostArray) -> bool:
    """Return whether targets are real numbers rather than class numbers."""
    return bool(np.issubdtype(targets.dtype, np.floating))


def _outputs(name: str, targets: list[HostArray], samples: int) -> int:
    """Return the number of classes, or of target columns."""
    first = targets[0]
    if is_real(first):
        return int(first.shape[1]) if first.ndim == 2 else 1
    classes = 1 + max(int(y.max(initial=0)) for y in targets)
    if classes > max(samples, 2):
        msg = (
            f"{name}: the largest class number is {classes - 1} but there are {samples} samples; "
            f"number the classes 0, 1, 2, ..., or save floats for regression"
        )
        raise ValueError(msg)
    return classes
