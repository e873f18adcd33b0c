"""A layer of your own: one weight a feature, below dense layers.

Prints:

    0.96
"""

from dataclasses import dataclass

import numpy as np

import pycopi
from pycopi.data import load_dataset


@dataclass(frozen=True)
class Elementwise(pycopi.Layer):
    inputs: int
    outputs: int
    activation: object = pycopi.activations.Tanh()
    parameters = pycopi.DenseParameters  # the NamedTuple that holds the weights

    def shapes(self):
        return {"weight": (self.inputs,)}

    def init(self, generator):
        return self.parameters(np.ones(self.inputs))

    def forward(self, own, inputs, learning=None):
        preactivations = inputs * own.weight
        return pycopi.Record(inputs, preactivations, self.activation(preactivations))

    def pull_back(self, own, record, perturbations):
        return perturbations * own.weight, record

    def changes(self, own, record, perturbations, learning):
        if perturbations is None:  # only decorrelating matrices learn in this step
            return {}
        x = record.decorrelated
        return {"weight": learning.step_size(x, (x**2).mean(axis=0)) * (perturbations * x).mean(axis=0)}


data = load_dataset("digits")
network = pycopi.Network((Elementwise(64, 64), pycopi.Dense(64, 100), pycopi.Dense(100, 10, "identity")))
settings = pycopi.Settings(gain=30.0, rate=1e-2, decorrelation=pycopi.Decorrelation(rate=1e-2))
state = pycopi.fit(network, network.init(0), data.x_train, data.y_train, epochs=20, settings=settings)
print(np.round(pycopi.evaluate(network, state.parameters, data.x_test, data.y_test).accuracy, 2))
