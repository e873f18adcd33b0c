"""A decorrelation of your own: samples that are far out weigh less.
Prints:
    0.98
"""

from dataclasses import dataclass

import numpy as np

import pycopi
from pycopi.data import load_dataset


@dataclass(frozen=True, kw_only=True)
class Robust(pycopi.Decorrelation):
    """The rule of R, with samples drawn in that are longer than ``limit`` times the usual length."""

    limit: float = 1.5

    def change(self, decorrelated, reprojected, power, rate, share):
        """Return the change of R by x (k, n) and x R (k, n): both have a row for each sample."""
        lengths = np.sqrt((decorrelated**2).sum(axis=1) / power.sum())
        weights = (self.limit / np.maximum(lengths, self.limit))[:, None]
        decorrelated, reprojected = weights * decorrelated, weights * reprojected
        power = (decorrelated**2).mean(axis=0)
        return super().change(decorrelated, reprojected, power, rate, share)


digits = load_dataset("digits")
network = pycopi.mlp([64, 100, 10])
settings = pycopi.Settings(gain=30.0, rate=1e-2, decorrelation=Robust(rate=1e-2))
state = pycopi.fit(network, network.init(0), digits.x_train, digits.y_train, epochs=20, settings=settings)
found = pycopi.evaluate(network, state.parameters, digits.x_test, digits.y_test)
print(np.round(found.accuracy, 2))
