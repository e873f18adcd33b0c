"""The network and the samples on which the analyses are tested."""

import numpy as np
from networks import scrambled

import pycopi

NETWORK = pycopi.mlp([5, 6, 4, 3], activation="tanh")
PARAMETERS = scrambled(NETWORK, 3)
Y = np.random.default_rng(4).normal(size=(11, 5)) + 0.3
CLASSES = np.arange(11) % 3


def uncorrelated(rows, features, seed):
    """Return samples with exactly decorrelated features, of different power."""
    generator = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(generator.normal(size=(rows, features)))
    return basis * generator.uniform(0.5, 2.0, size=features)


ALIGNED = pycopi.Settings(gain=2.0, credit="feedback_alignment")
