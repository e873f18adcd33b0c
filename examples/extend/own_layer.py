"""A layer of your own: one weight a feature, below dense layers.
Prints:
    0.92
"""

from dataclasses import dataclass

import pycopi
from pycopi.data import load_dataset


@dataclass(frozen=True)
class Elementwise(pycopi.Layer):
    inputs: int
    outputs: int
    parameters = pycopi.DenseParameters  # the NamedTuple that holds the weights

    def shapes(self):
        return {"weight": (self.inputs,)}

    def init(self, generator):
        return self.parameters(generator.uniform(0.5, 1.5, self.inputs))

    def forward(self, own, inputs, learning=None):
        return pycopi.Record(inputs, inputs * own.weight, inputs * own.weight)

    def pull_back(self, own, record, perturbations):
        return perturbations * own.weight, record

    def changes(self, own, record, deltas, learning):
        x = record.decorrelated  # deltas are None in steps in which only decorrelating matrices learn
        return {} if deltas is None else {"weight": learning.step_size(x) * (deltas * x).mean(axis=0)}


_, x, y, *test = load_dataset("digits")[:5]
network = pycopi.Network((Elementwise(64, 64), pycopi.Dense(64, 10, "identity")))
settings = pycopi.Settings(rule="gradient", gain=1.0, rate=0.1, loss="cross_entropy")
state = pycopi.fit(network, network.init(0), x, y, epochs=20, settings=settings)
print(round(pycopi.evaluate(network, state.parameters, *test).accuracy, 2))
