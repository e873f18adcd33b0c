"""``pycopi analyse``: what a saved model has learned, as a table, pictures and JSON."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pycopi import __version__
from pycopi._array import Array
from pycopi._files import write_text
from pycopi.cli import flags as f
from pycopi.cli.backends import load_model
from pycopi.cli.folder import read_origin
from pycopi.cli.splits import is_real, open_for_model, place
from pycopi.data import Dataset
from pycopi.experiments.inside import (
    Findings,
    Subject,
    draw_correlations,
    draw_fields,
    draw_images,
    find,
    layer_rows,
    layer_table,
)
from pycopi.plotting import compression_curves
from pycopi.presets import preset_for
from pycopi.settings import Settings
from pycopi.state import State
from pycopi.storage import Saved

RESULTS = "analysis.json"
FIELDS, MATRICES = "receptive-fields.png", "correlation.png"
IMAGES, COMPRESSION = "images.png", "compression.png"

BATCH, STEPS, UNITS = 50, 40, 100
"""Samples in a step, where a model does not say; steps over which angles are means; fields that are drawn."""

_COLUMNS = {
    "|r| before": ("correlation_before", ".3f", ""),
    "|r| after": ("correlation_after", ".3f", ""),
    "update": ("update_angle", ".1f", "degrees between an update of W and the steepest descent of the loss"),
    "feedback": ("feedback_angle", ".1f", "degrees between feedback-aligned and backpropagated perturbations"),
    "linear from": ("accuracy", ".2%", "test accuracy with this layer and those above as a linear one"),
}
"""The columns of the table: a field, how it is written, and what it means."""

_ABOUT = "|r| before, after: mean absolute correlation of the layer's inputs, and after R"

FLAGS = (
    f.MODEL,
    f.DATA,
    f.Flag(
        f.ANALYSIS,
        "layer",
        f.whole(),
        "Layer whose receptive fields and correlations are drawn, counted from 1 at the inputs.",
        "1",
    ),
    f.Flag(f.ANALYSIS, "samples", f.whole(), "Training samples to average over, at most.", "20000"),
    f.BACKEND,
    f.DEVICE,
    f.output(
        "Folder for analysis.json and the pictures, which replace older ones.", "analysis, beside the model"
    ),
    *f.PLACES,
    f.JSON,
)


def analyse(given: f.Given) -> None:
    """Look into a saved model, layer by layer.

    Prints how correlated the inputs of each layer are before and after R,
    how its updates align with the gradient, and how much of it is linear.
    The output folder gets analysis.json, and pictures: receptive fields and
    correlations of a layer; images raw, decorrelated and ZCA-whitened;
    accuracy against layers removed.
    """
    layer, data = given.get("layer", 1), given["data"]
    path, saved, state, like = load_model(given)
    count = len(saved.network.layers)
    if layer > count:
        msg = f"--layer is {layer} but the model has {count} layers; expected a number from 1 to {count}"
        raise ValueError(msg)
    folder = given.get("output", path.parent / "analysis")
    if folder.exists() and not folder.is_dir():
        msg = f"--output {folder} is a file; expected a folder"
        raise ValueError(msg)
    notes: list[str] = []
    dataset = open_for_model(saved.details, given)
    subject = _subject(saved, state, path, dataset, given.get("samples", 20_000), like, notes)
    with _status() as announce:
        findings = find(subject, announce)
        folder.mkdir(parents=True, exist_ok=True)
        announce("pictures")
        files = [RESULTS, *_draw(folder, subject, findings, layer, data, notes)]
    results = {"pycopi": __version__, "model": str(given["model"]), "data": data, **_results(subject, findings)}
    write_text(folder / RESULTS, json.dumps(results, indent=1, allow_nan=False) + "\n")
    print(*notes, sep="\n", end="\n" if notes else "", file=sys.stderr)
    if "json" in given:
        print(json.dumps({**results, "output": str(folder), "files": files}, allow_nan=False))
        return
    console = Console(highlight=False)
    _print_findings(console, findings)
    console.print(f"samples: {results['samples']} for training, of {data}", soft_wrap=True)
    console.print(f"output: {folder}: {', '.join(files)}", soft_wrap=not console.is_terminal)


def _subject(
    saved: Saved, state: State, path: Path, dataset: Dataset, samples: int, like: Array, notes: list[str]
) -> Subject:
    """Return the model and the data to look at; add what cannot be had to notes."""
    settings, batch_size = Settings(), BATCH
    if "settings" in saved.details:
        recipe = read_origin(path, saved.details).plan.recipe
        settings, batch_size = recipe.settings, recipe.batch_size
    else:
        about = "this model does not say how it learned: the update angles are those of the default settings"
        notes.append(about)
    train, test = place(dataset.x_train[:samples], dataset.y_train[:samples], like), None
    if is_real(dataset.y_train):
        notes.append(f"no accuracies: the targets of {dataset.name} are real numbers, not classes")
    elif dataset.x_test is None or dataset.y_test is None:
        notes.append(f"no accuracies: {dataset.name} has no test samples (x_test and y_test of an .npz file)")
    else:
        test = place(dataset.x_test, dataset.y_test, like)
    angled = STEPS * batch_size
    return Subject(saved.network, state, settings, batch_size, train, test, samples, angled)


def _draw(
    folder: Path, subject: Subject, findings: Findings, layer: int, data: str, notes: list[str]
) -> list[str]:
    """Draw the pictures that can be drawn here, and return the names of their files."""
    shape = preset_for(data).image
    feature = "input" if layer > 1 or shape is None else "pixel"
    titles = (f"inputs of layer {layer}, raw", f"inputs of layer {layer}, decorrelated")
    files = [MATRICES]
    try:
        draw_correlations(subject, findings, layer, folder / MATRICES, titles, feature)
        if findings.accuracies is not None:
            compression_curves({"network": findings.accuracies}, folder / COMPRESSION)
            files.append(COMPRESSION)
        if shape is not None:
            draw_fields(subject, layer, shape, folder / FIELDS, f"receptive fields of layer {layer}", UNITS)
            draw_images(subject, shape, folder / IMAGES)
            return [*files, FIELDS, IMAGES]
    except ImportError as error:
        notes.append(f"no pictures: {error}")
        return []
    notes.append(f"no receptive fields and no images: the shape of an image of {data} is not known")
    return files


def _results(subject: Subject, findings: Findings) -> dict[str, Any]:
    accuracies = findings.accuracies
    return {
        "samples": int(subject.train[0].shape[0]),
        "test_samples": None if subject.test is None else int(subject.test[0].shape[0]),
        "layers": list(layer_rows(findings)),
        "accuracy_by_layers_removed": None if accuracies is None else list(accuracies),
    }


def _print_findings(console: Console, findings: Findings) -> None:
    header, *rows = layer_table(findings, {name: column[:2] for name, column in _COLUMNS.items()})
    table = Table()
    for heading in header:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    meanings = [f"{name}: {about}" for name, (_, _, about) in _COLUMNS.items() if about and name in header]
    console.print("\n".join([_ABOUT, *meanings]), soft_wrap=not console.is_terminal)


@contextmanager
def _status() -> Iterator[Any]:
    """Show on a terminal what is being done; the block gets the function to tell it."""
    console = Console(stderr=True)
    spinner = "dots" if console.encoding.startswith("utf") else "line"
    with console.status("reading", spinner=spinner) as status:
        yield lambda text: status.update(f"analysing: {text}")
