"""What the trained networks have learned: the analyses of the paper, on the models of finished runs."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pycopi import analysis
from pycopi.data import Dataset
from pycopi.experiments.document import Block, Gallery, Heading, Picture, Table, Text
from pycopi.experiments.plan import Run
from pycopi.experiments.published import COMPRESSION
from pycopi.experiments.results import Result
from pycopi.experiments.runner import Source, folder_of
from pycopi.plotting.compression import compression_curves
from pycopi.plotting.correlation import correlation_matrices
from pycopi.plotting.images import image_comparison
from pycopi.plotting.receptive_fields import receptive_field_grid
from pycopi.state import State
from pycopi.storage import Saved, read_state
from pycopi.training.checkpoint import MODEL

SAMPLES = 5000
"""Training images that correlations, fields and whitening are measured on; the first ones."""

ANGLE_SAMPLES, IMAGES, UNITS = 1000, 10, 64


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
        model = folder_of(output, result.run).path / MODEL
        if not result.epochs or not model.is_file():
            continue
        if data is None or data.name != result.run.data:
            data = source.load(result.run.data)
        found.append(_analyse(result.run, *read_state(model), data, folder))
    return found


def _analyse(run: Run, saved: Saved, state: State, data: Dataset, folder: Path) -> Analysis:
    """Return the analyses of one network."""
    epoch = len(saved.details["epochs"])
    values: dict[str, Any] = {"data": run.data, "method": run.method, "gain": run.gain}
    values |= {"seed": run.seed, "epoch": epoch}
    network, parameters, _ = saved
    pictures: list[Picture] = []
    prefix = f"{run.data}-{run.name.partition('-seed-')[0]}"
    values["compression"] = list(
        analysis.compression_curve(network, parameters, data.x_train, data.x_test, data.y_test)
    )
    pictures.append(_draw_compression(run, values["compression"], folder / f"{prefix}-compression.png"))
    values["update_angle"] = _finite(
        analysis.update_alignment(
            network, state, data.x_train[:ANGLE_SAMPLES], data.y_train[:ANGLE_SAMPLES], run.settings
        )
    )
    if run.preset.credit == "feedback_alignment":
        angles = analysis.credit_angles(
            network, state, data.x_train[:ANGLE_SAMPLES], data.y_train[:ANGLE_SAMPLES], run.settings
        )
        values["feedback_angle"] = _finite(angles.samples)
    pictures += _draw_correlations(run, saved, data, values, folder / prefix)
    if run.preset.credit == "backpropagation":
        pictures += _draw_fields(run, saved, data, folder / prefix)
        pictures.append(_draw_images(run, saved, data, folder / f"{prefix}-images.png"))
    title = f"{run.task.title}: {run.title}, seed {run.seed}, after epoch {epoch}"
    blocks = (Heading(title, 3), _layer_table(values), Gallery(pictures))
    return Analysis(run, values, blocks)


def _draw_compression(run: Run, curve: Sequence[float], path: Path) -> Picture:
    """Draw accuracy against layers removed, beside the published where there is such a curve."""
    curves: dict[str, Sequence[float]] = {run.title: curve}
    if run.method == "copi-bp" and run.data in COMPRESSION:
        curves["published"] = COMPRESSION[run.data]
    compression_curves(curves, path)
    return Picture(path, "Test accuracy when one linear layer, inferred from data, replaces the upper layers.")


def _draw_correlations(
    run: Run, saved: Saved, data: Dataset, values: dict[str, Any], prefix: Path
) -> list[Picture]:
    """Draw the correlation matrices of the first two layers, and add the means of all to the values."""
    network, parameters, _ = saved
    pictures = []
    found = analysis.layer_correlations(network, parameters, data.x_train[:SAMPLES])
    for name in ("before", "after"):
        means = [analysis.mean_off_diagonal(getattr(layer, name)) for layer in found]
        values[f"correlation_{name}"] = means
    if run.preset.credit == "backpropagation":
        for layer, matrices in list(enumerate(found, 1))[:2]:
            path = prefix.with_name(f"{prefix.name}-correlation-matrix-{layer}.png")
            shown = {"inputs y": matrices.before, "decorrelated inputs x": matrices.after}
            correlation_matrices(shown, path)
            text = (
                f"Correlation between the inputs of layer {layer}, before and after its decorrelating matrix."
            )
            pictures.append(Picture(path, text, wide=True))
    return pictures


def _draw_fields(run: Run, saved: Saved, data: Dataset, prefix: Path) -> list[Picture]:
    """Draw the receptive fields of the first, a middle and the last layer."""
    network, parameters, _ = saved
    layers = len(network.layers)
    pictures = []
    for layer in sorted({1, (layers + 1) // 2, layers}):
        path = prefix.with_name(f"{prefix.name}-receptive-fields-{layer}.png")
        fields = analysis.receptive_fields(network, parameters, data.x_train[:SAMPLES], layer=layer)
        receptive_field_grid(fields, run.task.image, path, title=f"layer {layer}", units=UNITS)
        text = f"Layer {layer} of {layers}: what each unit answers to, over decorrelated pixels."
        pictures.append(Picture(path, text))
    return pictures


def _draw_images(run: Run, saved: Saved, data: Dataset, path: Path) -> Picture:
    """Draw test images raw, decorrelated by the first layer, and ZCA-whitened."""
    images = data.x_train[:IMAGES]
    decorrelated = saved.network.layers[0].decorrelate(saved.parameters[0], images)
    whitened = analysis.zca(data.x_train[:SAMPLES]).apply(images)
    rows = {"raw": images, "decorrelated": decorrelated, "ZCA-whitened": whitened}
    image_comparison(rows, run.task.image, path)
    text = "The same images raw, decorrelated by the first layer's learned matrix, and whitened by ZCA."
    return Picture(path, text, wide=True)


def _layer_table(values: dict[str, Any]) -> Table:
    """Return a row for each layer: correlation before and after, and the angles."""
    columns = {
        "correlation before": ("correlation_before", ".4f"),
        "after": ("correlation_after", ".4f"),
        "update to gradient": ("update_angle", ".1f"),
        "feedback to backpropagated": ("feedback_angle", ".1f"),
    }
    shown = {title: column for title, column in columns.items() if column[0] in values}
    rows = [
        [f"layer {layer + 1}", *(_text(values[name][layer], form) for name, form in shown.values())]
        for layer in range(len(values["correlation_before"]))
    ]
    caption = (
        f"Mean |r| off the diagonal, on the first {SAMPLES:,} training images; angles in degrees, on the first "
        f"{ANGLE_SAMPLES:,}: 0 is a gradient step, 90 is at random."
    )
    return Table(("layer", *shown), rows, caption)


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _finite(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]


def analysis_blocks(analyses: Sequence[Analysis]) -> list[Block]:
    """Return what the report says of the analyses."""
    about = (
        "With decorrelated inputs, COPI's rule infers a linear map between any two layers from data alone. "
        "That is how each network is read here: how much of it one linear layer can replace, and what its "
        "units answer to."
    )
    blocks = [block for analysis_of_run in analyses for block in analysis_of_run.blocks]
    return [Heading("Inside the networks"), Text(about), *blocks]
