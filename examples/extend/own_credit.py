"""A credit of your own: direct random target projection, whose hidden layers never see an error.
Prints:
    0.9
"""

from dataclasses import dataclass

import numpy as np

import pycopi
from pycopi.data import load_dataset


@dataclass(frozen=True)
class TargetProjection(pycopi.Credit):
    """Perturbations (t B_l) f'(a_l) of the targets t (Frenkel, Lefebvre and Bol, 2021)."""

    def init(self, layers, generator):
        """Return the fixed random B_l (outputs of the network, outputs of the layer) of each hidden layer."""
        return tuple(generator.normal(0.0, 0.1, (layers[-1].outputs, layer.outputs)) for layer in layers[:-1])

    def assign(self, problem, kept):
        """Return the perturbations of each layer, and what is kept from step to step."""
        below = [problem.perturb(index, problem.wanted @ matrix) for index, matrix in enumerate(kept)]
        return (*(problem.gain * one for one in below), problem.error), kept


digits = load_dataset("digits")
network = pycopi.mlp([64, 100, 10], activation="tanh")
settings = pycopi.Settings(rule="gradient", rate=0.02, gain=1.0, credit=TargetProjection())
state = pycopi.start(network, settings)
state = pycopi.fit(network, state, digits.x_train, digits.y_train, epochs=20, settings=settings)
found = pycopi.evaluate(network, state.parameters, digits.x_test, digits.y_test)
print(np.round(found.accuracy, 1))
