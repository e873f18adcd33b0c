"""Direct feedback alignment: the error itself through fixed random matrices."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pycopi import kernels
from pycopi._trees import Tree
from pycopi.credit.base import Credit, Perturbations, Problem
from pycopi.layers import Layer, xavier_normal


@dataclass(frozen=True)
class DirectFeedbackAlignment(Credit):
    """Perturbations ``delta_l = (e B_l) f'(a_l)`` of the error e of the outputs, where B_l is fixed and random.

    No perturbation depends on that of another layer (Nøkland, *Direct feedback alignment provides learning in
    deep neural networks*, NeurIPS 2016). B_l has a row for each output of the network and a column for each
    output of its layer, and is drawn as weights are; that of the layer below the last is the one of feedback
    alignment.
    """

    def init(self, layers: Sequence[Layer], generator: np.random.Generator) -> Tree:
        """Return the matrix of each layer but the last."""
        pairs = zip(generator.spawn(len(layers))[1:], layers[:-1], strict=True)
        return {"direct": tuple(xavier_normal(one, layers[-1].outputs, layer.outputs) for one, layer in pairs)}

    def assign(self, problem: Problem, kept: Tree) -> tuple[Perturbations, Tree]:
        """Return each layer's perturbations."""
        wanted = (kernels.product(problem.error, feedback) for feedback in kept["direct"])
        return (*(problem.perturb(index, one) for index, one in enumerate(wanted)), problem.error), kept
