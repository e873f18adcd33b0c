"""What is learned: data, network and step sizes of the paper's experiments, in one place."""

from typing import NamedTuple

from pycopi.network import Network, mlp
from pycopi.settings import Settings

_PAPER = Settings()  # its defaults are the paper's


class Task(NamedTuple):
    """A data set with the network and the step sizes that go with it.

    ``image`` is the shape of an input; ``width`` and ``depth`` are those of the hidden layers; ``rate``,
    ``gain`` and ``decorrelation_rate`` are the dimensionless step sizes of COPI, ``adam_rate`` is Adam's.
    """

    data: str
    title: str
    image: tuple[int, ...]
    width: int
    depth: int
    batch_size: int
    rate: float = _PAPER.rate
    gain: float = _PAPER.gain
    decorrelation_rate: float = _PAPER.decorrelations[0].rate
    adam_rate: float = 1e-4

    @property
    def hidden(self) -> tuple[int, ...]:
        """The sizes of the hidden layers."""
        return (self.width,) * self.depth

    def network(self, inputs: int, outputs: int, *, decorrelated: bool) -> Network:
        """Return the network of the task: leaky ReLU, no bias."""
        return mlp([inputs, *self.hidden, outputs], decorrelated=decorrelated)


TASKS = {
    task.data: task
    for task in (
        Task("digits", "the embedded digits", (8, 8), 128, 2, 20, 1e-2, 100.0, 1e-2, 1e-3),
        Task("mnist", "MNIST", (28, 28), 500, 6, 50),
        Task("cifar10", "CIFAR-10", (3, 32, 32), 1000, 4, 50),
    )
}
"""Tasks by data set. Those of MNIST and CIFAR-10 are the paper's (Ahmad, Schrader and van Gerven, *Constrained
Parameter Inference as a Principle for Learning*, TMLR 2023): data in [0, 1], flattened, neither centred nor
augmented. The digits are for tests and for a first look; their settings are pycopi's own."""
