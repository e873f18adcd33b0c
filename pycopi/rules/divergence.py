"""The error of a stream that is no longer finite."""

import math
from functools import partial
from typing import Any

from pycopi._array import Array
from pycopi.kernels import SampleRule


class StreamDivergenceError(ArithmeticError):
    """Raised when a sample of a stream, or the matrix after it, would not be finite.

    What cannot be squared without overflow counts as such.

    Attributes
    ----------
    sample : int or None
        The sample that diverged, counted from 0 in the inputs of that call; None from `decorrelate_sample`.
    decorrelator : array, shape (n, n)
        The matrix before that sample, to go on from.
    decorrelated : array, shape (sample, n), or None
        The samples before it, decorrelated; None from `decorrelate_sample`.
    bounded : bool
        Whether the step of each sample was bounded, which the advice depends on.
    """

    def __init__(
        self, sample: int | None, decorrelator: Array, decorrelated: Array | None, *, bounded: bool
    ) -> None:
        which = "this sample" if sample is None else f"sample {sample}"
        advice = (
            "lower the rate, far below 1 / n where it whitens, or divide the inputs by their largest value"
            if bounded
            else "give step_bound=1.0, or lower the rate"
        )
        super().__init__(
            f"the stream diverged at {which}: it, or the matrix after it, would not be finite; {advice}; "
            f"this error's decorrelator is the matrix before it"
        )
        self.sample, self.bounded = sample, bounded
        self.decorrelator, self.decorrelated = decorrelator, decorrelated

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make the error again: exceptions are pickled by their message alone."""
        place = self.sample, self.decorrelator, self.decorrelated
        return partial(type(self), bounded=self.bounded), place


def divergence(
    sample: int | None, decorrelator: Array, decorrelated: Array | None, rule: SampleRule
) -> StreamDivergenceError:
    """Return the error of a stream that learns by this rule."""
    bounded = rule.recursive or math.isfinite(rule.bound)
    return StreamDivergenceError(sample, decorrelator, decorrelated, bounded=bounded)
