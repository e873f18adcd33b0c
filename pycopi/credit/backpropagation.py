"""Backpropagation: perturbations through the layers' own matrices."""

from dataclasses import dataclass
from typing import ClassVar

from pycopi._array import Array
from pycopi.credit.base import Credit, Problem


@dataclass(frozen=True)
class Backpropagation(Credit):
    """Perturbations ``delta_l = (delta_{l+1} W_{l+1} R_{l+1}) f'(a_l)``, beginning with the error."""

    layer_by_layer: ClassVar[bool] = True

    def assign(self, problem: Problem) -> tuple[Array, ...]:
        """Return each layer's perturbations."""
        perturbations = [problem.error]
        for index in range(len(problem.layers) - 1, 0, -1):
            wanted = problem.pull_back(index, perturbations[-1])
            perturbations.append(problem.perturb(index - 1, wanted))
        return tuple(reversed(perturbations))
