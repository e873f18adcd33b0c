"""``pycopi analyse``: what a saved model has learned, as a table, pictures and JSON."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from pycopi import __version__
from pycopi._files import whole_file
from pycopi.cli import options as o
from pycopi.cli.backends import reference_array
from pycopi.cli.findings import Findings, Subject, find, layer_rows, print_findings, trimmed
from pycopi.cli.flags import read_flag
from pycopi.cli.folder import read_plan
from pycopi.cli.pictures import draw_pictures
from pycopi.cli.splits import is_real, open_for_model, place
from pycopi.data import Dataset
from pycopi.settings import Settings
from pycopi.storage import Saved, load, read_state
from pycopi.training.checkpoint import chosen_model

RESULTS = "analysis.json"
BATCH = 50
"""Samples in a step, where a model does not say."""


def analyse(
    model: o.Model,
    data: o.Data,
    layer: o.Layer = 1,
    samples: o.Samples = 20_000,
    output: o.AnalysisOutput = None,
    backend: o.Backend = None,
    device: o.Device = None,
    data_dir: o.DataDir = None,
    no_download: o.NoDownload = False,
    as_json: o.AsJSON = False,
) -> None:
    """Look into a saved model, layer by layer.

    Prints how correlated the inputs of each layer are before and after R,
    how its updates align with the gradient, and how much of it is linear.
    The output folder gets analysis.json, and pictures: receptive fields and
    correlations of a layer; images raw, decorrelated and ZCA-whitened;
    accuracy against layers removed.
    """
    layer, samples = read_flag("layer", layer), read_flag("samples", samples)
    path = chosen_model(model) if model.is_dir() else model
    saved = load(path)
    count = len(saved.network.layers)
    if layer > count:
        msg = f"--layer is {layer} but the model has {count} layers; expected a number from 1 to {count}"
        raise ValueError(msg)
    folder = path.parent / "analysis" if output is None else output
    if folder.exists() and not folder.is_dir():
        msg = f"--output {folder} is a file; expected a folder"
        raise ValueError(msg)
    notes: list[str] = []
    dataset = open_for_model(saved.details, data, data_dir, no_download)
    subject = _subject(saved, path, dataset, samples, backend, device, notes)
    with _status() as announce:
        findings = find(subject, announce)
        folder.mkdir(parents=True, exist_ok=True)
        announce("pictures")
        files = [RESULTS, *_draw(folder, subject, findings, layer, data, notes)]
    results = {"pycopi": __version__, "model": str(model), "data": data, **_results(subject, findings)}
    with whole_file(folder / RESULTS) as temporary:
        temporary.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(*notes, sep="\n", end="\n" if notes else "", file=sys.stderr)
    if as_json:
        print(json.dumps({**results, "output": str(folder), "files": files}, allow_nan=False))
        return
    console = Console(highlight=False)
    print_findings(console, findings)
    console.print(f"samples: {results['samples']} for training, of {data}", soft_wrap=True)
    console.print(f"output: {folder}: {', '.join(files)}", soft_wrap=True)


def _subject(
    saved: Saved,
    path: Path,
    dataset: Dataset,
    samples: int,
    backend: str | None,
    device: str | None,
    notes: list[str],
) -> Subject:
    """Return the model and the data on the library and device to work on; add what cannot be had to notes."""
    name = "numpy" if backend is None else read_flag("backend", backend)
    like = reference_array(name, device, saved.parameters[0].weight.dtype.name)
    state = read_state(path, None if name == "numpy" else like)[1]
    settings, batch_size = _how_it_learned(saved, path, notes)
    train = place(*trimmed((dataset.x_train, dataset.y_train), samples), like)
    test = None
    if is_real(dataset.y_train):
        notes.append(f"no accuracies: the targets of {dataset.name} are real numbers, not classes")
    elif dataset.x_test is None or dataset.y_test is None:
        notes.append(f"no accuracies: {dataset.name} has no test arrays x_test and y_test")
    else:
        test = place(dataset.x_test, dataset.y_test, like)
    return Subject(saved.network, state, settings, batch_size, train, test)


def _how_it_learned(saved: Saved, path: Path, notes: list[str]) -> tuple[Settings, int]:
    """Return settings and batch size of the run that a model is from, or the paper's."""
    if "settings" in saved.details:
        plan = read_plan(path, saved.details)
        return plan.settings, plan.batch_size
    notes.append("this model does not say how it learned: the update angles are those of the default settings")
    return Settings(), BATCH


def _draw(
    folder: Path, subject: Subject, findings: Findings, layer: int, data: str, notes: list[str]
) -> list[str]:
    """Draw the pictures that can be drawn here, and return the names of their files."""
    try:
        files, left_out = draw_pictures(folder, subject, findings, layer, data)
    except ImportError as error:
        files, left_out = [], [f"no pictures: {error}"]
    notes += left_out
    return files


def _results(subject: Subject, findings: Findings) -> dict[str, Any]:
    """Return the numbers, as values that JSON has."""
    accuracies = findings.accuracies
    return {
        "samples": int(subject.train[0].shape[0]),
        "test_samples": None if subject.test is None else int(subject.test[0].shape[0]),
        "layers": list(layer_rows(findings)),
        "accuracy_by_layers_removed": None if accuracies is None else list(accuracies),
    }


@contextmanager
def _status() -> Iterator[Any]:
    """Show on a terminal what is being done; the block gets the function to tell it."""
    console = Console(stderr=True)
    spinner = "dots" if console.encoding.startswith("utf") else "line"
    with console.status("reading", spinner=spinner) as status:
        yield lambda text: status.update(f"analysing: {text}")
