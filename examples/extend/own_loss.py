"""A loss of your own, for targets of which some are far off.
Prints:
    0.96
    True
"""

from dataclasses import dataclass

import numpy as np

import pycopi
from pycopi.data import load_dataset


@dataclass(frozen=True)
class Huber:
    """Half the squared error up to a width; beyond it the loss grows as the error itself does."""

    width: float = 0.5

    def value(self, outputs, targets):
        """Return the loss of each sample, shape (B,)."""
        size = np.abs(targets - outputs)
        near = np.minimum(size, self.width)
        return (near * (size - 0.5 * near)).sum(axis=1)

    def error(self, preactivations, targets, activation):
        """Return minus the derivative by the preactivations, shape (B, m)."""
        error = targets - activation(preactivations)
        return np.clip(error, -self.width, self.width) * activation.derivative(preactivations)

    def check(self, activation):
        """Accept every activation of the output layer."""


digits = load_dataset("digits")
network = pycopi.mlp([64, 100, 10])
settings = pycopi.Settings(loss=Huber(), gain=30.0, rate=1e-2, decorrelation=pycopi.Decorrelation(rate=1e-2))
state = pycopi.fit(network, network.init(0), digits.x_train, digits.y_train, epochs=20, settings=settings)
print(np.round(pycopi.evaluate(network, state.parameters, digits.x_test, digits.y_test).accuracy, 2))
print(isinstance(Huber(), pycopi.Loss))
