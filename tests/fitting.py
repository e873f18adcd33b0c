"""A small problem and a run of fit on it, for every test of training."""

import exact
import numpy as np
from assertions import assert_same

import pycopi

RNG = np.random.default_rng(11)
CENTRES = RNG.uniform(size=(3, 6))
CLASSES = np.arange(120) % 3
X = (CENTRES[CLASSES] + 0.1 * RNG.normal(size=(120, 6))).astype(np.float32)
NETWORK = pycopi.mlp([6, 8, 3])
START = NETWORK.init(0)
SETTINGS = exact.settings(rate=1e-2, gain=100.0, decorrelation=exact.decorrelation(rate=1e-2))


def run(inputs=X, targets=CLASSES, parameters=START, network=NETWORK, **changes):
    keywords = {"epochs": 4, "settings": SETTINGS, "batch_size": 16, "progress": False, **changes}
    return pycopi.fit(network, parameters, inputs, targets, **keywords)


def flat(parameters):
    return [array for own in parameters for array in own if array is not None]


def without_seconds(history):
    return [record._replace(seconds=0.0) for record in history]


def assert_same_run(state, other):
    assert without_seconds(state.history) == without_seconds(other.history)
    for array, wanted in zip(flat(state.parameters), flat(other.parameters), strict=True):
        assert_same(array, wanted)


def batches_of(size):
    return [(X[i : i + size], CLASSES[i : i + size]) for i in range(0, len(X), size)]


class Broken:
    """Batches that raise an error in the third epoch; opening and probing them read some too."""

    def __init__(self, error):
        self.error, self.steps = error, 0

    def __iter__(self):
        for batch in batches_of(16):
            self.steps += 1
            if self.steps > 1 + 8 + 8 + 8 + 4:
                raise self.error
            yield batch
