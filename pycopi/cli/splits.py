"""The arrays of a data set, as a run needs them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, HostArray, from_numpy
from pycopi.cli.flags import Given
from pycopi.cli.held_out import as_in_its_run
from pycopi.data import Dataset
from pycopi.data.rounding import lost_in_float32
from pycopi.data.table import listed
from pycopi.data.targets import MOST_VALUES, Label, Task
from pycopi.experiments.runner import Source
from pycopi.storage import Saved

Pair = tuple[Array, Array]
_OTHERWISE = ("name the column of the targets with --target", "save y.astype('float64') for regression")


def source_of(given: Given) -> Source:
    """Return where a command looks for data."""
    return Source(given.get("data_dir"), "no_download" not in given)


def open_data(given: Given, task: Task | None = None, target: str | None = None) -> Dataset:
    """Return the data set that a command names; ``task`` and ``target`` say what the targets of a file are."""
    return source_of(given).load(given["data"], task, target)


def open_for_model(details: Mapping[str, Any], given: Given) -> Dataset:
    """Return the data set that a command names, with the columns and class numbers of a model of these details.

    Where the model does not say which classes it learned, labels that are whole numbers are class numbers.
    """
    known = "classes" in details
    own = details.get("classes")
    task: Task | None = None if not known else "regression" if own is None else "classes"
    dataset = open_columns(details, given, task)
    if dataset.classes is None or (own is None and not all(type(label) is int for label in dataset.classes)):
        return dataset
    numbers = np.asarray(dataset.classes if own is None else _numbers(dataset, own))
    y_test = None if dataset.y_test is None else numbers[dataset.y_test]
    classes = None if own is None else tuple(own)
    return dataset._replace(y_train=numbers[dataset.y_train], y_test=y_test, classes=classes)


def open_columns(details: Mapping[str, Any], given: Given, task: Task | None = None) -> Dataset:
    """Return the data set that a command names, with the columns of a model that has these details."""
    settings, is_table = details.get("settings"), given["data"].lower().endswith(".csv")
    target = settings.get("target") if is_table and isinstance(settings, dict) else None
    dataset = as_in_its_run(open_data(given, task, target), details)
    return _in_order(dataset, details.get("columns"))


def _in_order(dataset: Dataset, own: Sequence[str] | None) -> Dataset:
    """Return the data set with the columns that a model has learned, in their order, where both have names."""
    found = dataset.columns
    if own is None or found is None or tuple(own) == found:
        return dataset
    if sorted(own) != sorted(found) or len(set(own)) < len(own):
        msg = (
            f"{dataset.name} has the columns {listed(found)}, but the model has learned {listed(own)}; "
            f"give the table these columns"
        )
        raise ValueError(msg)
    order = [found.index(name) for name in own]
    x_test = None if dataset.x_test is None else dataset.x_test[:, order]
    return dataset._replace(x_train=dataset.x_train[:, order], x_test=x_test, columns=tuple(own))


def _numbers(dataset: Dataset, own: Sequence[Label]) -> list[int]:
    """Return the number that a model has for each class of a data set."""
    numbers = {label: number for number, label in enumerate(own)}
    for label in dataset.classes or ():
        if label not in numbers:
            msg = (
                f"{dataset.name} has the label {label!r}, which the model has not learned; "
                f"expected one of {listed(own)}"
            )
            raise ValueError(msg)
    return [numbers[label] for label in dataset.classes or ()]


def of_classes(saved: Saved) -> dict[str, Any]:
    """Return the labels of a model's classes, and whether a softmax of its outputs has their probabilities."""
    classes, settings = saved.details.get("classes"), saved.details.get("settings")
    logits = isinstance(settings, dict) and settings.get("loss") == "cross_entropy"
    return {"classes": classes, "probabilities": classes is not None and logits}


class Splits(NamedTuple):
    """Data on the library and device of a run, and the sizes that the network needs.

    ``test`` is None for a file without test arrays; ``labels`` are those of the classes, if there are such, and
    ``unlearned`` those that test samples alone have; ``column`` is that of the targets in a CSV file.
    """

    train: Pair
    test: Pair | None
    outputs: int
    labels: tuple[Label, ...] | None = None
    column: str | None = None
    unlearned: tuple[Label, ...] = ()

    def describe(self) -> str:
        """Return what the targets are taken for."""
        source = "" if self.column is None else f"column {self.column}, "
        if self.labels is None:
            return f"{source}real numbers, {self.outputs} for each sample"
        rest = f"; of test samples alone, so not learned: {listed(self.unlearned)}" if self.unlearned else ""
        return f"{source}labels of {self.outputs} classes: {listed(self.labels)}{rest}"


def split(dataset: Dataset, like: Array) -> Splits:
    """Return a data set in the library, device and dtype of ``like``."""
    outputs, test = _outputs(dataset), None
    if dataset.x_test is not None and dataset.y_test is not None:
        test = place(dataset.x_test, dataset.y_test, like)
    learned = np.unique(dataset.y_train) if dataset.classes else ()
    unlearned = tuple(label for one, label in enumerate(dataset.classes or ()) if one not in learned)
    train = place(dataset.x_train, dataset.y_train, like)
    return Splits(train, test, outputs, dataset.classes, dataset.target, unlearned)


def place(inputs: HostArray, targets: HostArray, like: Array) -> Pair:
    """Return inputs and targets where ``like`` is, real numbers in its dtype."""
    kind: Any = like.dtype if is_real(targets) else None
    return from_numpy(inputs, like, dtype=like.dtype), from_numpy(targets, like, dtype=kind)


def lost_columns(dataset: Dataset) -> list[str]:
    """Return the columns of a data set whose numbers hardly differ any more, or overflow, in float32."""
    arrays = {"x": dataset.x_train, "y": dataset.y_train}
    return [f"column {one} of {name}" for name, array in arrays.items() for one in lost_in_float32(array)]


def is_real(targets: HostArray) -> bool:
    """Return whether targets are real numbers rather than class numbers."""
    return bool(np.issubdtype(targets.dtype, np.floating))


def _outputs(dataset: Dataset) -> int:
    """Return the number of classes, or of target columns."""
    if dataset.classes is None:
        first = dataset.y_train
        return int(first.shape[1]) if first.ndim == 2 else 1
    count, samples = len(dataset.classes), len(dataset.y_train)
    if count == 1:
        msg = f"{dataset.name} has the label {dataset.classes[0]!r} alone; expected two classes or more"
        raise ValueError(msg)
    if count > max(MOST_VALUES, samples // 2):
        msg = (
            f"{dataset.name} has {count} different labels on {samples} samples; expected two samples of each "
            f"class or more; if they are no labels, {_OTHERWISE[dataset.target is None]}"
        )
        raise ValueError(msg)
    return count
