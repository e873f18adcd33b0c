"""Inside a trained network, in numbers and pictures: for the report of the paper and for ``pycopi analyse``."""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, to_numpy
from pycopi.analysis import (
    LayerCorrelation,
    compression_curve,
    credit_angles,
    layer_correlations,
    mean_off_diagonal,
    receptive_fields,
    update_alignment,
    zca,
)
from pycopi.credit import Backpropagation
from pycopi.network import Network
from pycopi.plotting import correlation_matrices, image_comparison, receptive_field_grid
from pycopi.settings import Settings
from pycopi.state import State

Pair = tuple[Array, Array]

IMAGES = 10
"""Images in a row of a picture."""


def first(rows: Array, count: int) -> Array:
    """Return the first rows, at most so many: the standard leaves open what a longer slice gives."""
    return rows[: min(count, rows.shape[0]), ...]


class Subject(NamedTuple):
    """What is looked into: a network that learned by ``settings`` in batches, and the data to look at.

    Correlations, fields and whitening are measured on the first ``samples`` for training, angles on the first
    ``angled``; ``test`` is None where there are no classes to be right about.
    """

    network: Network
    state: State
    settings: Settings
    batch_size: int
    train: Pair
    test: Pair | None
    samples: int
    angled: int

    @property
    def seen(self) -> Array:
        """The inputs that correlations, fields and whitening are measured on."""
        return first(self.train[0], self.samples)

    @property
    def decorrelated(self) -> bool:
        """Whether the first layer decorrelates its inputs."""
        return self.state.parameters[0].decorrelator is not None

    @property
    def has_feedback(self) -> bool:
        """Whether credit is assigned in another way than by backpropagation, and what it needs is there."""
        credit = self.settings.method.credit
        return not isinstance(credit, Backpropagation) and bool(self.state.credit)


class Findings(NamedTuple):
    """One number a layer, from the lowest up; angles are degrees, NaN where there is none.

    ``accuracies`` has one for each number of layers removed, from 0.
    """

    correlations: tuple[LayerCorrelation, ...]
    update_angles: tuple[float, ...]
    feedback_angles: tuple[float, ...] | None
    accuracies: tuple[float, ...] | None


def find(subject: Subject, announce: Callable[[str], object] = lambda text: None) -> Findings:
    """Return the findings; ``announce`` is told what comes next."""
    network, state, settings, batch_size, train, test, *_ = subject
    parameters = state.parameters
    inputs, targets = (first(part, subject.angled) for part in train)
    announce("correlations")
    correlations = layer_correlations(network, parameters, subject.seen)
    announce("angles")
    updates = update_alignment(network, state, inputs, targets, settings, batch_size=batch_size)
    feedback = None
    if subject.has_feedback:
        angles = credit_angles(network, state, inputs, targets, settings, batch_size=batch_size)
        feedback = angles.samples
    announce("compression")
    accuracies = None if test is None else compression_curve(network, parameters, train[0], *test)
    return Findings(correlations, updates, feedback, accuracies)


def layer_rows(findings: Findings) -> Iterator[dict[str, Any]]:
    """Yield what was found for each layer, with values that JSON has."""
    count = len(findings.correlations)
    for index, (before, after) in enumerate(findings.correlations):
        yield {
            "layer": index + 1,
            "correlation_before": mean_off_diagonal(before),
            "correlation_after": mean_off_diagonal(after),
            "update_angle": _finite(findings.update_angles[index]),
            "feedback_angle": findings.feedback_angles and _finite(findings.feedback_angles[index]),
            "layers_removed": count - 1 - index,
            "accuracy": findings.accuracies and findings.accuracies[count - 1 - index],
        }


def layer_table(findings: Findings, columns: Mapping[str, tuple[str, str]]) -> list[list[str]]:
    """Return the header and, below it, the rows of a table of layers, as texts.

    ``columns`` has the field of a row and how it is written, by heading; one without any value is left out.
    """
    rows = list(layer_rows(findings))
    shown = {name: one for name, one in columns.items() if any(row[one[0]] is not None for row in rows)}
    lines = [["layer", *shown]]
    for row in rows:
        cells = ((row[name], form) for name, form in shown.values())
        lines.append(
            [str(row["layer"]), *("-" if cell is None else format(cell, form) for cell, form in cells)]
        )
    return lines


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def draw_correlations(
    subject: Subject, findings: Findings, layer: int, path: Path, titles: tuple[str, str], feature: str
) -> None:
    """Draw the correlation of a layer's inputs, counted from 1, before and after its decorrelating matrix."""
    pair = dict(zip(titles, findings.correlations[layer - 1], strict=True))
    if subject.state.parameters[layer - 1].decorrelator is None:
        del pair[titles[1]]
    correlation_matrices(pair, path, feature=feature)


def draw_fields(
    subject: Subject, layer: int, shape: tuple[int, ...], path: Path, title: str, units: int
) -> None:
    """Draw the receptive fields of the first units of a layer, counted from 1."""
    fields = receptive_fields(subject.network, subject.state.parameters, subject.seen, layer=layer)
    receptive_field_grid(fields, shape, path, title=title, units=units)


def draw_images(subject: Subject, shape: tuple[int, ...], path: Path) -> None:
    """Draw the first images raw, decorrelated by the first layer, and ZCA-whitened."""
    images = first(subject.train[0], IMAGES)
    rows = {"raw": images}
    if subject.decorrelated:
        own = subject.state.parameters[0]
        rows["decorrelated"] = subject.network.layers[0].decorrelate(own, images)
    seen = to_numpy(subject.seen)  # NumPy's: not every library has eigenvalues
    rows["ZCA-whitened"] = np.asarray(zca(seen).apply(seen[:IMAGES]))
    image_comparison(rows, shape, path)
