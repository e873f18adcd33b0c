"""Which runs an experiment needs: data, method, seed, epochs, and what is varied."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pycopi.experiments.methods import METHODS, Method
from pycopi.experiments.tasks import TASKS, Task
from pycopi.settings import Settings

_VARIED = ("rate", "gain")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One network to train; ``rate`` and ``gain`` stand in for the method's own.

    ``epochs`` is no part of what a run is: a longer one goes on where a shorter one ended.
    """

    data: str
    method: str
    seed: int
    epochs: int
    rate: float | None = None
    gain: float | None = None

    @property
    def name(self) -> str:
        """The name of its folder."""
        varied = [f"{name}-{getattr(self, name):g}" for name in _VARIED if getattr(self, name) is not None]
        return "-".join([self.method, *varied, f"seed-{self.seed}"])

    @property
    def title(self) -> str:
        """The method in words, with what is varied."""
        varied = [f"{name} {getattr(self, name):g}" for name in _VARIED if getattr(self, name) is not None]
        return ", ".join([self.preset.title, *varied])

    @property
    def task(self) -> Task:
        """What is learned."""
        return TASKS[self.data]

    @property
    def preset(self) -> Method:
        """How it is learned."""
        return METHODS[self.method]

    @property
    def settings(self) -> Settings:
        """How it is learned, in full."""
        return self.preset.settings(self.task, rate=self.rate, gain=self.gain)


FULL_EPOCHS, FULL_SEEDS = 100, 5
"""Those of the paper."""

EPOCHS = {"mnist": 20, "cifar10": 20, "digits": 8}
"""Epochs by default: about where the methods with decorrelation have long passed their peak."""

LONGER = {("cifar10", "bp-adam"): 30, ("cifar10", "bp-adam-published"): 60}
"""More where a method peaks later: the paper's Adam does so on CIFAR-10 at epoch 53."""


def default_epochs(data: str, method: str) -> int:
    """Return the epochs that a method gets on a data set where none are named."""
    return LONGER.get((data, method), EPOCHS[data])


STEADIER = {("mnist", "copi-fa"): 300.0, ("cifar10", "copi-fa"): 300.0}
"""Gains at which a method is run as well, because it is not stable at the paper's.

With feedback alignment the perturbations do not shrink with W R on their way down: at a gain of 1000 three
seeds of three diverge on MNIST within 300 steps that change the weights, and seed 0 on CIFAR-10 in epoch 9.
"""


def compare_methods(data: str, methods: Sequence[str], seeds: Sequence[int], epochs: int | None) -> list[Run]:
    """Return the runs of every method on a data set; all methods of the first seed come first."""
    found = []
    for seed in seeds:
        for method in methods:
            run = Run(data=data, method=method, seed=seed, epochs=epochs or default_epochs(data, method))
            found.append(run)
            if (data, method) in STEADIER:
                found.append(replace(run, gain=STEADIER[data, method]))
    return found
