"""Parameters as the tests make and move them."""

import numpy as np


def scrambled(network, seed, dtype=np.float64):
    """Return parameters of which no part is trivial, as NumPy arrays."""
    generator = np.random.default_rng(seed)
    return tuple(
        type(own)(*(None if a is None else a + 0.1 * generator.normal(size=a.shape).astype(dtype) for a in own))
        for own in network.init(seed, like=np.empty(0, dtype))
    )


def move(parameters, backend):
    """Return NumPy parameters as arrays of a backend."""
    return tuple(type(own)(*(None if a is None else backend.asarray(a) for a in own)) for own in parameters)
