"""Where the setting of each method is searched: the same number of trials, drawn by one seeded generator."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

SETTINGS, MORE, CLOSER = 12, 4, 6
"""Settings of a first search, of each widening of it, and of the last part, near the best rate."""

WIDENINGS = 2
"""How often a search is widened at most, while the best rate is at an edge."""

DECADES = 2.5
"""Width of the range of a rate, around the textbook's value."""

_EDGE = 1 / 6  # share of the range at each end where an optimum is not believed
_BEYOND = 1 / 3  # of the first range: how far a widening goes
_NEAR = 1 / 6  # of the first range: how far from the best rate the last part goes, to each side


class Log(NamedTuple):
    """A range in which numbers are drawn evenly by their logarithm."""

    low: float
    high: float


Range = Log | tuple[Any, ...]


class Space(NamedTuple):
    """The textbook's rate, in the middle of its range, and the ranges and choices of all else."""

    rate: float
    others: Mapping[str, Range]

    @property
    def range(self) -> Log:
        """Return the range of the rate in a first search."""
        half = 10 ** (DECADES / 2)
        return Log(self.rate / half, self.rate * half)


_BATCH = {"batch": (128, 256)}
_DECAY = {"decay": Log(2e-5, 2e-3)}
_MOMENTUM = {"momentum": (0.8, 0.9, 0.95)}
_HALF = {"momentum": (0.0, 0.5, 0.9)}
_DAMPING = {"damping": Log(0.2, 5.0)}
_RANK = {"rank": (8, 16, 32)}
_BOUNDS = {"bound": (0.25, 0.5, 1.0), "decorrelation": Log(1e-4, 1e-2), "decorrelation bound": (0.25, 0.5)}

SPACES: Mapping[str, Space] = {
    "SGD": Space(1.0, {**_MOMENTUM, **_DECAY, **_BATCH}),
    "AdamW": Space(1e-3, {"decay": Log(1e-3, 0.3), **_BATCH}),
    "Muon": Space(0.02, {"momentum": (0.9, 0.95), "decay": Log(1e-3, 0.3), "adam": Log(3e-4, 1e-2), **_BATCH}),
    "SOAP": Space(3e-3, {"decay": Log(1e-3, 0.3), "refresh": (10, 50), **_BATCH}),
    "COPI subspace": Space(0.3, {**_HALF, **_DAMPING, **_DECAY, **_RANK, **_BATCH}),
    "COPI subspace, bounded": Space(0.3, {**_HALF, **_DAMPING, **_DECAY, **_RANK, **_BATCH}),
    "COPI subspace, inputs only": Space(0.3, {**_HALF, **_DAMPING, **_DECAY, **_RANK, **_BATCH}),
    "COPI subspace, rank 0": Space(1.0, {**_MOMENTUM, **_DECAY, **_BATCH}),
    "COPI subspace, rank 0, bounded": Space(1.0, {**_MOMENTUM, **_DECAY, **_BATCH}),
    "FOOF": Space(0.3, {**_HALF, "damping": Log(0.04, 1.0), **_DECAY, **_BATCH}),
    "BP, learned R": Space(0.3, {**_HALF, **_BOUNDS, **_BATCH}),
    "COPI exact": Space(1.0, {**_BOUNDS, **_BATCH}),
}
"""The methods and their spaces. A rate is that of a steady gradient: the step size over 1 - momentum."""


def first(space: Space) -> list[dict[str, Any]]:
    """Return the settings of a first search."""
    return _drawn(space, space.range, SETTINGS, 0)


def beyond(space: Space, covered: Log, best: float, widening: int) -> tuple[list[dict[str, Any]], Log] | None:
    """Return settings beyond the edge at which the best rate is, and what is covered then; None inside."""
    low, high = np.log(covered)
    place = (np.log(best) - low) / (high - low)
    step = 10 ** (_BEYOND * DECADES)
    if place < _EDGE:
        wider = Log(covered.low / step, covered.low)
    elif place > 1 - _EDGE:
        wider = Log(covered.high, covered.high * step)
    else:
        return None
    settings = _drawn(space, wider, MORE, widening)
    return settings, Log(min(covered.low, wider.low), max(covered.high, wider.high))


def near(space: Space, best: float) -> list[dict[str, Any]]:
    """Return settings whose rates are near the best one."""
    step = 10 ** (_NEAR * DECADES)
    return _drawn(space, Log(best / step, best * step), CLOSER, WIDENINGS + 1)


def _drawn(space: Space, rates: Log, count: int, stream: int) -> list[dict[str, Any]]:
    """Return settings: one rate from each of as many equal parts of its range, and the others at random."""
    generator = np.random.default_rng([15, stream])
    shares = (generator.permutation(count) + generator.random(count)) / count
    return [
        {"rate": _at(rates, share), **{name: _one(generator, own) for name, own in space.others.items()}}
        for share in shares
    ]


def _at(span: Log, share: float) -> float:
    """Return the number at a share of a range, with three digits, so that a table shows all of it."""
    return float(f"{span.low * (span.high / span.low) ** share:.3g}")


def _one(generator: np.random.Generator, own: Range) -> Any:
    if isinstance(own, Log):
        return _at(own, generator.random())
    return own[generator.integers(len(own))]
