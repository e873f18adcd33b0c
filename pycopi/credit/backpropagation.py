"""Backpropagation: perturbations through the layers' own matrices."""

from dataclasses import dataclass
from typing import ClassVar

from pycopi._trees import Tree
from pycopi.credit.base import Credit, Perturbations, Problem


@dataclass(frozen=True)
class Backpropagation(Credit):
    """Perturbations ``delta_l = (delta_{l+1} W_{l+1} R_{l+1}) f'(a_l)``, beginning with the error."""

    layer_by_layer: ClassVar[bool] = True

    def assign(self, problem: Problem, kept: Tree) -> tuple[Perturbations, Tree]:
        """Return each layer's perturbations."""
        return problem.downwards(problem.pull_back), kept
