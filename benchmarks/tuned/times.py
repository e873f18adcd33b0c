"""Seconds to an accuracy, between complete runs of several lengths, and how sure a ratio of two is."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

_RESAMPLES = 2000
_LIMITS = (0.025, 0.975)

Runs = Mapping[int, Mapping[int, float]]
"""Test accuracies of complete runs: by the number of epochs, and then by the seed."""


class Ratio(NamedTuple):
    """A ratio of two times, and its interval of 95 % over seeds."""

    value: float
    low: float
    high: float


def paired_seeds(*sides: Runs) -> list[int]:
    """Return the seeds of which every side has runs of every length."""
    found = [set(seeds) for runs in sides for seeds in runs.values()]
    return sorted(set.intersection(*found)) if found else []


def seconds_to(target: float, runs: Runs, epoch_seconds: float, seeds: Sequence[int]) -> float:
    """Return the seconds at which the mean accuracy over seeds reaches a target.

    Between two lengths of run the accuracy is taken to rise in a straight line. It is infinite where no
    length reaches the target, and NaN where the shortest is beyond it, so that nobody knows.
    """
    before: tuple[float, float] | None = None
    for epochs in sorted(runs):
        mean, seconds = float(np.mean([runs[epochs][seed] for seed in seeds])), epochs * epoch_seconds
        if mean >= target:
            if before is None:
                return seconds if mean == target else math.nan
            share = (target - before[1]) / (mean - before[1])
            return before[0] + share * (seconds - before[0])
        before = seconds, mean
    return math.inf


def ratio(target: float, own: Runs, own_seconds: float, other: Runs, other_seconds: float) -> Ratio | None:
    """Return the ratio of the seconds of two sides with its paired bootstrap interval; None where one has none.

    A resample takes the same seeds for both sides; one in which a side does not reach the target counts as
    infinite or as 0, whichever is worse for what it says.
    """
    seeds = paired_seeds(own, other)

    def once(chosen: Sequence[int]) -> float:
        mine = seconds_to(target, own, own_seconds, chosen)
        return mine / seconds_to(target, other, other_seconds, chosen)

    if len(seeds) < 2 or not math.isfinite(value := once(seeds)):
        return None
    generator = np.random.default_rng(0)
    found = [once(generator.choice(seeds, len(seeds))) for _ in range(_RESAMPLES)]
    low, high = np.quantile([one for one in found if not math.isnan(one)], _LIMITS, method="nearest")
    return Ratio(value, float(low), float(high))
