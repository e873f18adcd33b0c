"""What ``pycopi analyse`` finds: the numbers, as a table and as JSON."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from pycopi._array import Array
from pycopi.analysis import (
    LayerCorrelation,
    compression_curve,
    credit_angles,
    layer_correlations,
    mean_off_diagonal,
    update_alignment,
)
from pycopi.cli.splits import Pair
from pycopi.credit import Backpropagation
from pycopi.network import Network
from pycopi.settings import Settings
from pycopi.state import State

STEPS = 40
"""Batches over which the angles are means."""


class Subject(NamedTuple):
    """What is analysed: a network that learned by ``settings`` in batches, and the data to look at.

    ``test`` is None where there are no classes to be right about.
    """

    network: Network
    state: State
    settings: Settings
    batch_size: int
    train: Pair
    test: Pair | None

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


def find(subject: Subject, announce: Callable[[str], object]) -> Findings:
    """Return the findings; ``announce`` is told what comes next."""
    network, state, settings, batch_size, train, test = subject
    parameters = state.parameters
    inputs, targets = (part[: STEPS * batch_size, ...] for part in train)
    announce("correlations")
    correlations = layer_correlations(network, parameters, train[0])
    announce("angles")
    updates = update_alignment(network, state, inputs, targets, settings, batch_size=batch_size)
    feedback = None
    if subject.has_feedback:
        angles = credit_angles(network, state, inputs, targets, settings, batch_size=batch_size)
        feedback = angles.samples
    announce("compression")
    accuracies = None
    if test is not None:
        accuracies = compression_curve(network, parameters, train[0], *test)
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


def print_findings(console: Console, findings: Findings) -> None:
    """Print the findings as a table with a layer in each row."""
    table = Table()
    columns = [
        ("layer", "layer", "d", True),
        ("|r| before", "correlation_before", ".3f", True),
        ("|r| after", "correlation_after", ".3f", True),
        ("update", "update_angle", ".1f", True),
        ("feedback", "feedback_angle", ".1f", findings.feedback_angles is not None),
        ("linear from", "accuracy", ".2%", findings.accuracies is not None),
    ]
    shown = [column[:3] for column in columns if column[3]]
    for heading, _, _ in shown:
        table.add_column(heading, justify="right")
    for row in layer_rows(findings):
        cells = [(row[name], form) for _, name, form in shown]
        table.add_row(*("-" if value is None else format(value, form) for value, form in cells))
    console.print(table)
    console.print(_legend(findings), soft_wrap=not console.is_terminal)


def _legend(findings: Findings) -> str:
    """Return what the columns mean."""
    lines = [
        "|r| before, after: mean absolute correlation of the layer's inputs, and after R",
        "update: degrees between an update of W and the steepest descent of the loss",
    ]
    if findings.feedback_angles is not None:
        lines.append("feedback: degrees between feedback-aligned and backpropagated perturbations")
    if findings.accuracies is not None:
        lines.append("linear from: test accuracy with this layer and those above as a linear one")
    return "\n".join(lines)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def trimmed(pair: Pair, samples: int) -> Pair:
    """Return the first samples of a data set."""
    first: tuple[Array, Array] = pair[0][:samples, ...], pair[1][:samples, ...]
    return first
