"""Node perturbation: noise on every unit, and how the loss of the sample changed with it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pycopi._array import astype
from pycopi._checks import as_float
from pycopi._control import standard_normal
from pycopi._trees import Tree
from pycopi.credit.base import Credit, Perturbations, Problem
from pycopi.layers import Layer


@dataclass(frozen=True, kw_only=True)
class NodePerturbation(Credit):
    """Perturbations ``delta_l = -(L' - L) xi_l / noise^2`` from two forward passes, without any way back.

    In the second pass each preactivation of each layer has noise xi_l added, which reaches the layers above
    too; L' is the loss of a sample in that pass and L that in the first. The mean of delta over the noise is
    minus the derivative of the loss by the preactivations, as backpropagation has it, up to terms of the order
    of noise^2; its variance grows with the number of units. This is the plain form of Dalm, Offergeld, Ahmad
    and van Gerven, *Effective learning with node perturbation in multi-layer neural networks*,
    arXiv 2310.00965, who decorrelate inputs too. The last layer learns from its noise as all others do, not
    from its error.

    Parameters
    ----------
    noise : float
        Standard deviation of xi, in units of the preactivations, above 0. In single precision the difference of
        the losses has few digits left where it is far below 1e-3.

    Notes
    -----
    The noise comes from a generator of its own, which is part of the credit's state: a seed and the number of
    the step. The numbers are NumPy's, and the same on every library.
    """

    noise: float = 1e-2

    def __post_init__(self) -> None:
        """Check the field."""
        object.__setattr__(self, "noise", as_float("noise", self.noise))
        if self.noise == 0.0:
            msg = "noise is 0.0, which perturbs nothing; expected a number above 0"
            raise ValueError(msg)

    def init(self, layers: Sequence[Layer], generator: np.random.Generator) -> Tree:
        """Return the ``seed`` (1,) of the noise, and the number ``drawn`` (1,) of steps behind it."""
        seed = generator.spawn(1)[0].integers(2**31 - 1, size=1, dtype=np.int32)
        return {"seed": seed, "drawn": np.zeros(1, np.int32)}

    def assign(self, problem: Problem, kept: Tree) -> tuple[Perturbations, Tree]:
        """Return each layer's perturbations."""
        outputs, noises = problem.inputs, []
        for index, (layer, own) in enumerate(zip(problem.layers, problem.parameters, strict=True)):
            clean = layer.forward(own, outputs).preactivations
            key = (kept["seed"], kept["drawn"], index)
            noises.append(standard_normal(key, clean.shape, like=clean))
            outputs = layer.activation(clean + self.noise * noises[-1])
        rise = problem.losses(outputs) - problem.losses(problem.trace.outputs)
        factor = astype(rise * (-1.0 / self.noise), outputs.dtype)[:, None]
        return tuple(factor * noise for noise in noises), {**kept, "drawn": kept["drawn"] + 1}
