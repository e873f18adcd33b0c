"""The experiments by name, and the runs that each needs: data, method, seed, epochs, what is varied."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pycopi.presets import METHODS, PAPER_EPOCHS, PAPER_SEEDS, PRESETS, Preset

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
    def varied(self) -> dict[str, float]:
        """The settings that differ from the method's own."""
        values = {name: getattr(self, name) for name in _VARIED}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def series(self) -> str:
        """The name of the runs that differ in nothing but the seed."""
        return "-".join([self.method, *(f"{name}-{value:g}" for name, value in self.varied.items())])

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.series}-seed-{self.seed}"

    @property
    def title(self) -> str:
        """The method in words, with what is varied."""
        varied = [f"{name} {value:g}" for name, value in self.varied.items()]
        return ", ".join([METHODS[self.method].title, *varied])

    @property
    def preset(self) -> Preset:
        """The network and how it is trained."""
        found = PRESETS[self.data].using(self.method)
        varied: dict[str, Any] = self.varied
        return replace(found, epochs=self.epochs, settings=replace(found.settings, **varied))


class Size(NamedTuple):
    """How much of an experiment to run.

    ``seeds`` and ``epochs`` are None where each experiment takes its own number; ``methods`` says which of
    the methods take part.
    """

    seeds: int | None = None
    epochs: int | None = None
    methods: Sequence[str] = tuple(METHODS)


QUICK = Size(1, 4)
"""What ``--quick`` makes of an experiment: enough to see each method learn."""

FULL = Size(PAPER_SEEDS, PAPER_EPOCHS)
"""What the paper did."""

SEEDS = {"mnist": 3, "cifar10": 1, "digits": 2}
"""Seeds by default."""

_FIRST_LOOK = 8  # epochs on the digits

LONGER = {("cifar10", "bp-adam"): 30, ("cifar10", "bp-adam-published"): 60}
"""More epochs where a method peaks later: the paper's Adam does so on CIFAR-10 at epoch 53."""

STEADIER = {("mnist", "copi-fa"): 300.0, ("cifar10", "copi-fa"): 300.0}
"""Gains at which a method is run as well, because it is not stable at the paper's.

With feedback alignment the perturbations do not shrink with W R on their way down: at a gain of 1000 three
seeds of three diverge on MNIST within 300 steps that change the weights, and seed 0 on CIFAR-10 in epoch 9.
"""

RATES, GAINS = (1e-5, 1e-4, 1e-3), (10.0, 100.0, 1000.0)
"""Step sizes of Adam and gains of COPI in the paper's learning-rate figure."""

ANALYSED = ("copi-bp", "copi-fa")
"""The methods whose networks are looked into."""


def compare_methods(data: str, methods: Sequence[str], seeds: Sequence[int], epochs: int | None) -> list[Run]:
    """Return the runs of every method on a data set; all methods of the first seed come first."""
    found = []
    usual = _FIRST_LOOK if data == "digits" else PRESETS[data].epochs
    for seed in seeds:
        for method in methods:
            count = epochs or LONGER.get((data, method), usual)
            run = Run(data=data, method=method, seed=seed, epochs=count)
            found.append(run)
            if (data, method) in STEADIER:
                found.append(replace(run, gain=STEADIER[data, method]))
    return found


class Experiment(NamedTuple):
    """A question of the paper: its title, what it is about, and the runs that answer it."""

    name: str
    title: str
    about: str
    runs: Callable[[Size], list[Run]]


def _comparison(data: str, settings: str) -> Experiment:
    title = PRESETS[data].title
    return Experiment(
        data,
        f"{title}: the methods side by side",
        f"Every method on {title}, with {settings}.",
        lambda size: compare_methods(data, size.methods, range(size.seeds or SEEDS[data]), size.epochs),
    )


def _vary_steps(size: Size) -> list[Run]:
    """Return the runs of the learning-rate figure; those with the paper's own value compare methods as well."""
    found = []
    for method, field, values in (("copi-bp", "gain", GAINS), ("bp-adam-published", "rate", RATES)):
        chosen = [method] if method in size.methods else []
        for run in compare_methods("cifar10", chosen, range(size.seeds or SEEDS["cifar10"]), size.epochs):
            usual = getattr(run.preset.settings, field)
            varied: list[dict[str, Any]] = [{} if value == usual else {field: value} for value in values]
            found += [replace(run, **change) for change in varied]
    return found


def _analysed(size: Size) -> list[Run]:
    chosen = [method for method in ANALYSED if method in size.methods]
    return [run for data in ("mnist", "cifar10") for run in compare_methods(data, chosen, [0], size.epochs)]


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        _comparison("mnist", "the paper's network and settings"),
        _comparison("cifar10", "the paper's network and settings"),
        Experiment(
            "learning-rates",
            "Step sizes",
            "The learning-rate figure of the paper, on CIFAR-10: three gains of COPI and three rates of Adam.",
            _vary_steps,
        ),
        Experiment(
            "analyses",
            "Inside the trained networks",
            "What the networks trained by COPI have learned.",
            _analysed,
        ),
        _comparison("digits", "a small network and settings of pycopi's own"),
    )
}
"""The experiments by name."""

ALL = ("mnist", "cifar10", "learning-rates", "analyses")
"""What ``all`` names: everything of the paper."""
