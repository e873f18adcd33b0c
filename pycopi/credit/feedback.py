"""Feedback alignment: perturbations through fixed random matrices."""

from dataclasses import dataclass
from typing import ClassVar

from pycopi import kernels
from pycopi._array import Array
from pycopi.credit.base import Credit, Problem


@dataclass(frozen=True)
class FeedbackAlignment(Credit):
    """Perturbations ``delta_l = (delta_{l+1} F_{l+1}) f'(a_l)``, beginning with the error.

    The fixed random F (m, n) of a layer, of the shape of W, replaces W and R together.
    """

    needs_feedback: ClassVar[bool] = True

    def assign(self, problem: Problem) -> tuple[Array, ...]:
        """Return each layer's perturbations."""
        perturbations = [problem.error]
        for index in range(len(problem.layers) - 1, 0, -1):
            wanted = feed_back(perturbations[-1], problem.parameters[index].feedback)
            perturbations.append(problem.perturb(index - 1, wanted))
        return tuple(reversed(perturbations))


def feed_back(rows: Array, feedback: Array) -> Array:
    """Return rows (B, m) times a feedback matrix (m, n); a single row takes one sweep of it."""
    if rows.shape[0] != 1:
        return kernels.product(rows, feedback)
    row: Array = kernels.pull_then_update(feedback, rows[0, :], None)[1]
    return row[None, :]
