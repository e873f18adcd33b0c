"""``pycopi predict``: what a saved model says of new rows."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pycopi._array import HostArray, from_numpy, to_numpy
from pycopi._checks import check_features
from pycopi._files import write_text
from pycopi.cli import flags as f
from pycopi.cli.backends import load_model
from pycopi.cli.splits import of_classes
from pycopi.data.npz import load_rows
from pycopi.data.table import load_columns
from pycopi.losses import log_softmax
from pycopi.storage import Saved

FLAGS = (
    f.MODEL,
    f.Flag(
        "",
        "rows",
        f.Kind("ROWS", "", Path),
        "A .csv file with the columns of the model, at any place, or an .npz file with x.",
    ),
    f.BACKEND,
    f.DEVICE,
    f.Flag(f.FILES, "probabilities", None, "Also write the probability of each class."),
    f.Flag(
        f.FILES,
        "output",
        f.Kind("FILE", "", Path),
        "CSV file to write, which replaces an older one.",
        "standard output",
    ),
)


def predict(given: f.Given) -> None:
    """Write what a saved model predicts for new rows, as CSV.

    After a line of names comes a line for each row, in their order: the label of its class,
    or the numbers that the model gives. Given the folder of a run with --patience, it takes
    the model of the best epoch.
    """
    _, saved, _, like = load_model(given)
    about = of_classes(saved)
    if "probabilities" in given and not about["probabilities"]:
        msg = (
            "--probabilities is for models of classes with the loss cross_entropy; leave it out for this model"
        )
        raise ValueError(msg)
    rows = read_rows(given["rows"], saved.details.get("columns"))
    check_features(str(given["rows"]), rows, saved.network.inputs)
    outputs = saved.network.predict(saved.parameters, from_numpy(rows, like, dtype=like.dtype))
    text = _as_csv(saved, to_numpy(outputs), about["classes"], "probabilities" in given)
    if "output" in given:
        write_text(given["output"], text)
    else:
        print(text, end="")


def read_rows(path: Path, columns: Sequence[str] | None) -> HostArray:
    """Return the rows (N, n) that a file holds, in the columns of a model where it has names for them."""
    kind = path.suffix.lower()
    if kind == ".npz":
        return load_rows(path)
    if kind != ".csv":
        msg = f"{path} is neither a .csv nor an .npz file; save the rows in one of these"
        raise ValueError(msg)
    if columns is None:
        msg = (
            f"{path} is a table, but the model has learned from arrays without names; save the rows as x of an"
        )
        msg += " .npz file"
        raise ValueError(msg)
    return load_columns(path, columns)


def _as_csv(saved: Saved, outputs: HostArray, classes: Sequence[Any] | None, probabilities: bool) -> str:
    """Return the text of a table of predictions."""
    settings = saved.details.get("settings")
    target = settings.get("target") if isinstance(settings, Mapping) else None
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows(_lines(outputs, target or "prediction", classes, probabilities))
    return file.getvalue()


def _lines(
    outputs: HostArray, name: str, classes: Sequence[Any] | None, probabilities: bool
) -> Iterator[list[Any]]:
    """Yield the line of names, and then one for each row."""
    if classes is None:
        count = outputs.shape[1]
        yield [name] if count == 1 else [f"{name} {index}" for index in range(1, count + 1)]
        yield from outputs.astype(str).tolist()
        return
    labels = [classes[number] for number in outputs.argmax(axis=1)]
    if not probabilities:
        yield [name]
        yield from ([label] for label in labels)
        return
    shares = np.exp(log_softmax(outputs))
    yield [name, *(f"probability of {label}" for label in classes)]
    yield from ([label, *row] for label, row in zip(labels, shares.astype(str).tolist(), strict=True))
