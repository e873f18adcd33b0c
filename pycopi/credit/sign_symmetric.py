"""Sign-symmetric feedback: random sizes, but the signs of the weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pycopi import kernels
from pycopi._array import Array, namespace
from pycopi._trees import Tree, map_arrays
from pycopi.credit.base import Perturbations, Problem
from pycopi.credit.feedback_alignment import FeedbackAlignment
from pycopi.layers import Layer


@dataclass(frozen=True)
class SignSymmetric(FeedbackAlignment):
    """Perturbations ``delta_l = (delta_{l+1} (|F_{l+1}| sign(W_{l+1}))) f'(a_l)``, beginning with the error.

    The sizes ``abs(F)`` (m, n) are fixed and random, the signs those that the weights have now (Liao, Leibo and
    Poggio, *How important is weight symmetry in backpropagation?*, AAAI 2016, the variant with fixed random
    magnitudes). Deviations: no normalisation of batches or updates, and the product replaces W and R together,
    as in feedback alignment, where the signs are those of W alone. Layers need a ``weight`` of shape (m, n).
    """

    def init(self, layers: Sequence[Layer], generator: np.random.Generator) -> Tree:
        """Return the sizes of the feedback to each layer but the last."""
        return {"sizes": map_arrays(np.abs, super().init(layers, generator))}

    def assign(self, problem: Problem, kept: Tree) -> tuple[Perturbations, Tree]:
        """Return each layer's perturbations."""

        def wanted_below(index: int, delta: Array) -> Array:
            weight = problem.parameters[index].weight
            return kernels.product(delta, kept["sizes"][index - 1] * namespace(weight).sign(weight))

        return problem.downwards(wanted_below), kept
