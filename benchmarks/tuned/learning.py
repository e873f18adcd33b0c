"""What all methods have in common: the course of the rate, the order of the rows, what an epoch tells."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.tuned.inputs import Split
from pycopi.training.course import Course


class Epoch(NamedTuple):
    """The mean training loss of an epoch, its processor seconds, and how to ask for accuracies after it."""

    loss: float
    seconds: float
    accuracy: Callable[[Split], float]


def course(epochs: int) -> Course:
    """Return how the rate rises over a tenth of the run, and falls in a straight line to 0."""
    return Course(epochs=epochs, warm_up=0.1)


def rows_of_epoch(samples: int, batch: int, seed: int, epoch: int) -> Iterator[NDArray[Any]]:
    """Yield the numbers of the rows of each batch, shuffled as `pycopi.fit` shuffles them."""
    order = np.random.default_rng([seed, 1, epoch]).permutation(samples)
    for start in range(0, samples, batch):
        yield order[start : start + batch]
