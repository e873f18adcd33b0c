"""An optimizer of your own: Lion, which steps by the sign of a mean.
Prints:
    0.97
"""

from dataclasses import dataclass

from array_api_compat import array_namespace

import pycopi
from pycopi.data import load_dataset


@dataclass(frozen=True)
class Lion(pycopi.Optimizer):
    """Steps of rate * sign(b1 m + (1 - b1) g), with m' = b2 m + (1 - b2) g (Chen et al., arXiv 2302.06675)."""

    rescales = True  # changes come at a rate of 1, because the size of a step does not depend on theirs
    beta1: float = 0.9
    beta2: float = 0.99

    def init(self, parameter):
        """Return the mean m of a parameter, which begins at zero."""
        return 0.0 * parameter

    def step(self, parameter, memory, change, rate):
        """Return the parameter and its mean after a change."""
        mean = self.beta1 * memory + (1.0 - self.beta1) * change
        sign = array_namespace(mean).sign(mean)
        return parameter + rate * sign, self.beta2 * memory + (1.0 - self.beta2) * change


digits = load_dataset("digits")
network = pycopi.mlp([64, 100, 10], bias=True)
settings = pycopi.Settings(rule="gradient", rate=1e-3, gain=1.0, optimizer=Lion(), loss="cross_entropy")
state = pycopi.start(network, settings)
state = pycopi.fit(network, state, digits.x_train, digits.y_train, epochs=20, settings=settings)
found = pycopi.evaluate(network, state.parameters, digits.x_test, digits.y_test)
print(round(found.accuracy, 2))
