"""What the report says of the inside of networks: the analyses of the paper, on the models of finished runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pycopi.data import Dataset
from pycopi.experiments.document import Block, Gallery, Heading, Picture, Table, Text
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
from pycopi.experiments.plan import Run
from pycopi.experiments.published import COMPRESSION
from pycopi.experiments.results import Result
from pycopi.experiments.runner import Source
from pycopi.experiments.store import RunFolder
from pycopi.plotting import compression_curves
from pycopi.training.checkpoint import StoredRun

SAMPLES = 5000
"""Training images that correlations, fields and whitening are measured on; the first ones."""

ANGLED, BATCH, UNITS = 1000, 50, 64
"""Images of the angles, in steps of how many; units whose fields are drawn."""


class Analysis(NamedTuple):
    """The analyses of one run: numbers for the results, blocks for the report."""

    run: Run
    values: dict[str, Any]
    blocks: tuple[Block, ...]


def analyse_runs(results: Sequence[Result], output: Path, source: Source, folder: Path) -> list[Analysis]:
    """Analyse the networks of runs, and draw the pictures of it into a folder."""
    found: list[Analysis] = []
    data: Dataset | None = None
    for result in results:
        stored = RunFolder.of(output, result.run).stored() if result.epochs else None
        if stored is None:
            continue
        if data is None or data.name != result.run.data:
            data = source.load(result.run.data)
        found.append(_analyse(result.run, stored, data, folder))
    return found


def _analyse(run: Run, stored: StoredRun, data: Dataset, folder: Path) -> Analysis:
    train, test = (data.x_train, data.y_train), (data.x_test, data.y_test)
    settings = run.preset.settings
    subject = Subject(stored.network, stored.state, settings, BATCH, train, test, SAMPLES, ANGLED)
    findings, epoch = find(subject), len(stored.state.history)
    values = {"data": run.data, "method": run.method, "gain": run.gain, "seed": run.seed, "epoch": epoch}
    values |= _values(findings)
    pictures = _draw(run, subject, findings, folder / f"{run.data}-{run.series}")
    title = f"{run.preset.title}: {run.title}, seed {run.seed}, after epoch {epoch}"
    return Analysis(run, values, (Heading(title, 3), _layer_table(findings), Gallery(pictures)))


def _values(findings: Findings) -> dict[str, Any]:
    rows = list(layer_rows(findings))
    names = ["correlation_before", "correlation_after", "update_angle"]
    names += ["feedback_angle"] if findings.feedback_angles is not None else []
    return {
        "compression": list(findings.accuracies or ()),
        **{name: [row[name] for row in rows] for name in names},
    }


def _draw(run: Run, subject: Subject, findings: Findings, prefix: Path) -> list[Picture]:
    """Draw how much of a network is linear and, where its perturbations are backpropagated, all the rest."""

    def path(name: str) -> Path:
        return prefix.with_name(f"{prefix.name}-{name}.png")

    curves: dict[str, Sequence[float]] = {run.title: findings.accuracies or ()}
    if run.method == "copi-bp" and run.data in COMPRESSION:
        curves["published"] = COMPRESSION[run.data]
    compression_curves(curves, path("compression"))
    text = "Test accuracy when one linear layer, inferred from data, replaces the upper layers."
    pictures = [Picture(path("compression"), text)]
    shape = run.preset.image
    if subject.has_feedback or shape is None:
        return pictures
    layers = len(subject.network.layers)
    for layer in range(1, min(layers, 2) + 1):
        at = path(f"correlation-matrix-{layer}")
        draw_correlations(subject, findings, layer, at, ("inputs y", "decorrelated inputs x"), "feature")
        text = f"Correlation between the inputs of layer {layer}, before and after its decorrelating matrix."
        pictures.append(Picture(at, text, wide=True))
    for layer in sorted({1, (layers + 1) // 2, layers}):
        at = path(f"receptive-fields-{layer}")
        draw_fields(subject, layer, shape, at, f"layer {layer}", UNITS)
        text = f"Layer {layer} of {layers}: what each unit answers to, over decorrelated pixels."
        pictures.append(Picture(at, text))
    draw_images(subject, shape, path("images"))
    text = "The same images raw, decorrelated by the first layer's learned matrix, and whitened by ZCA."
    return [*pictures, Picture(path("images"), text, wide=True)]


def _layer_table(findings: Findings) -> Table:
    columns = {
        "correlation before": ("correlation_before", ".4f"),
        "after": ("correlation_after", ".4f"),
        "update to gradient": ("update_angle", ".1f"),
        "feedback to backpropagated": ("feedback_angle", ".1f"),
    }
    header, *rows = layer_table(findings, columns)
    caption = (
        f"Mean |r| off the diagonal, on the first {SAMPLES:,} training images; angles in degrees, on the first "
        f"{ANGLED:,}: 0 is a gradient step, 90 is at random."
    )
    return Table(header, [[f"layer {layer}", *cells] for layer, *cells in rows], caption)


def analysis_blocks(analyses: Sequence[Analysis]) -> list[Block]:
    """Return what the report says of the analyses."""
    about = (
        "With decorrelated inputs, COPI's rule infers a linear map between any two layers from data alone. "
        "That is how each network is read here: how much of it one linear layer can replace, and what its "
        "units answer to."
    )
    blocks = [block for analysis_of_run in analyses for block in analysis_of_run.blocks]
    return [Heading("Inside the networks"), Text(about), *blocks]
