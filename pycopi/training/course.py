"""A course of the weights' step size over a whole run: up, and down to nothing."""

import math
from dataclasses import dataclass
from typing import Literal

from pycopi._checks import as_float, as_whole

SHAPES = ("linear", "cosine")


@dataclass(frozen=True, kw_only=True)
class Course:
    """A factor for each step: rising over the first part of a run, and falling to almost 0 at its end.

    Parameters
    ----------
    epochs : int
        Epochs of the whole run, as in `pycopi.fit`; nothing is learned beyond.
    warm_up : float
        Share of the run's steps in which the factor rises in equal steps to 1, in [0, 1).
    shape : {"linear", "cosine"}
        How it falls afterwards.

    Raises
    ------
    ValueError
        If a field is out of its range.

    Notes
    -----
    It is for ``weight_schedule`` of `pycopi.fit`, with data whose number of batches is known.

    Examples
    --------
    >>> import pycopi
    >>> course = pycopi.Course(epochs=2, warm_up=0.2)
    >>> [round(course.within(0, step, 5), 2) for step in range(5)], round(course.within(1, 4, 5), 3)
    ([0.5, 1.0, 1.0, 0.88, 0.75], 0.125)
    """

    epochs: int
    warm_up: float = 0.1
    shape: Literal["linear", "cosine"] = "linear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "epochs", as_whole("epochs", self.epochs))
        object.__setattr__(self, "warm_up", as_float("warm_up", self.warm_up))
        if self.warm_up >= 1.0:
            msg = f"warm_up is {self.warm_up}; expected a share of the run of at least 0 and less than 1"
            raise ValueError(msg)
        if self.shape not in SHAPES:
            msg = f"shape is {self.shape!r}; expected one of {', '.join(SHAPES)}"
            raise ValueError(msg)

    def __call__(self, epoch: int) -> float:
        """Return the largest factor that an epoch, counted from 0, may have: 1, or 0 beyond the last."""
        return float(epoch < self.epochs)

    def within(self, epoch: int, step: int, steps: int) -> float:
        """Return the factor of a step of an epoch of so many steps; both are counted from 0."""
        total = self.epochs * steps
        done = epoch * steps + step
        rising = max(1, int(self.warm_up * total))
        left = max(0, total - done) / max(1, total - rising)
        if self.shape == "cosine":
            left = 0.5 * (1.0 - math.cos(math.pi * min(1.0, left)))
        return min(1.0, (done + 1) / rising, left)
