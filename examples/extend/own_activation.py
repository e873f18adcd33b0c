"""An activation of your own, in a network that is saved and comes back.
Prints:
    0.97
    True
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import pycopi
from pycopi.data import load_dataset


@dataclass(frozen=True)
class Softplus:
    """The smooth rectifier, f(a) = log(1 + exp(a))."""

    def __call__(self, preactivations):
        """Return log(1 + exp(a))."""
        return np.logaddexp(0.0, preactivations)

    def derivative(self, preactivations):
        """Return f'(a), the logistic function."""
        return 0.5 + 0.5 * np.tanh(0.5 * preactivations)


digits = load_dataset("digits")
network = pycopi.mlp([64, 100, 10], activation=Softplus())
settings = pycopi.Settings(gain=30.0, rate=1e-2, decorrelation=pycopi.Decorrelation(rate=1e-2))
state = pycopi.fit(network, network.init(0), digits.x_train, digits.y_train, epochs=20, settings=settings)
print(np.round(pycopi.evaluate(network, state.parameters, digits.x_test, digits.y_test).accuracy, 2))
with tempfile.TemporaryDirectory() as folder:
    pycopi.save(Path(folder) / "model", network, state.parameters)
    print(pycopi.load(Path(folder) / "model", network=network).network == network)
