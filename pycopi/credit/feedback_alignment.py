"""Feedback alignment: perturbations through fixed random matrices."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pycopi import kernels
from pycopi._trees import Tree
from pycopi.credit.base import Credit, Perturbations, Problem
from pycopi.layers import Layer, xavier_normal


@dataclass(frozen=True)
class FeedbackAlignment(Credit):
    """Perturbations ``delta_l = (delta_{l+1} F_{l+1}) f'(a_l)``, beginning with the error.

    The fixed random F (m, n) of a layer, of the shape of W, replaces W and R together (Lillicrap, Cownden,
    Tweed and Akerman, *Random synaptic feedback weights support error backpropagation for deep learning*,
    Nature Communications 2016).
    """

    def init(self, layers: Sequence[Layer], generator: np.random.Generator) -> Tree:
        """Return the matrix of each layer but the lowest, drawn as weights are."""
        pairs = zip(generator.spawn(len(layers))[1:], layers[1:], strict=True)
        return tuple(xavier_normal(one, layer.outputs, layer.inputs) for one, layer in pairs)

    def assign(self, problem: Problem, kept: Tree) -> tuple[Perturbations, Tree]:
        """Return each layer's perturbations."""
        return problem.downwards(lambda index, delta: kernels.product(delta, kept[index - 1])), kept
