"""The experiments that can be asked for by name, and the runs that each needs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pycopi.experiments.methods import METHODS
from pycopi.experiments.plan import FULL_EPOCHS, FULL_SEEDS, Run, compare_methods


class Size(NamedTuple):
    """How much of an experiment to run.

    ``seeds`` and ``epochs`` are None where each experiment takes its own number; ``methods`` says which of
    the methods take part.
    """

    seeds: int | None = None
    epochs: int | None = None
    methods: Sequence[str] = tuple(METHODS)


QUICK = {"mnist": Size(1, 4), "cifar10": Size(1, 4), "digits": Size(1, 4)}
"""What ``--quick`` makes of a data set: enough to see each method learn."""

FULL = Size(FULL_SEEDS, FULL_EPOCHS)
"""What the paper did."""

SEEDS = {"mnist": 3, "cifar10": 1, "digits": 2}
"""Seeds by default."""


class Experiment(NamedTuple):
    """A question of the paper: its title, what it is about, and the runs that answer it.

    ``data`` is the data set, the more expensive one of two, by which ``--quick`` chooses the number of epochs.
    """

    name: str
    data: str
    title: str
    about: str
    runs: Callable[[Size], list[Run]]


def _comparison(data: str, title: str, settings: str) -> Experiment:
    return Experiment(
        data,
        data,
        f"{title}: the methods side by side",
        f"Every method on {title}, with {settings}.",
        lambda size: compare_methods(data, size.methods, range(size.seeds or SEEDS[data]), size.epochs),
    )


RATES, GAINS = (1e-5, 1e-4, 1e-3), (10.0, 100.0, 1000.0)
"""Step sizes of Adam and gains of COPI in the paper's learning-rate figure."""


def _vary_steps(data: str) -> Callable[[Size], list[Run]]:
    """Return what makes the runs of the learning-rate figure on a data set."""

    def runs(size: Size) -> list[Run]:
        found = []
        for method, field, values in (("copi-bp", "gain", GAINS), ("bp-adam-published", "rate", RATES)):
            if method not in size.methods or method not in METHODS:
                continue
            for run in compare_methods(data, [method], range(size.seeds or SEEDS[data]), size.epochs):
                usual = getattr(run.settings, field)
                # the paper's own value is the run that the comparison of methods has made already
                for value in values:
                    varied: dict[str, Any] = {} if value == usual else {field: value}
                    found.append(replace(run, **varied))
        return found

    return runs


ANALYSED = ("copi-bp", "copi-fa")
"""The methods whose networks are looked into."""


def _analysed(*data: str) -> Callable[[Size], list[Run]]:
    """Return what makes the runs whose networks are looked into."""

    def runs(size: Size) -> list[Run]:
        chosen = [method for method in ANALYSED if method in size.methods]
        return [run for name in data for run in compare_methods(name, chosen, [0], size.epochs)]

    return runs


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        _comparison("mnist", "MNIST", "the paper's network and settings"),
        _comparison("cifar10", "CIFAR-10", "the paper's network and settings"),
        Experiment(
            "learning-rates",
            "cifar10",
            "Step sizes",
            "The learning-rate figure of the paper, on CIFAR-10: three gains of COPI and three rates of Adam.",
            _vary_steps("cifar10"),
        ),
        Experiment(
            "analyses",
            "cifar10",
            "Inside the trained networks",
            "What the networks trained by COPI have learned.",
            _analysed("mnist", "cifar10"),
        ),
        _comparison("digits", "the embedded digits", "a small network and settings of pycopi's own"),
    )
}
"""The experiments by name."""

ALL = ("mnist", "cifar10", "learning-rates", "analyses")
"""What ``all`` stands for: everything of the paper."""
