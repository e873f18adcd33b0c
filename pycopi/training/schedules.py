"""Schedules: by what factor a step size is multiplied in each epoch."""

from dataclasses import dataclass
from typing import Any

from pycopi._checks import as_float, as_whole

Factor = float | tuple[float, ...]
"""Of a step size; a tuple has one for each layer, and the last stands for all layers beyond."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A factor for each epoch: off, rising, on, off again.

    Parameters
    ----------
    start : int
        Epochs before the first in which anything is learned; 1 for the weights of the paper, whose first
        epoch only decorrelates.
    warm_up : int
        Epochs over which the factor rises in equal steps to 1.
    freeze_after : int, tuple or None
        Epochs after which nothing is learned any more; None never freezes. A tuple, for decorrelating
        matrices, has one number for each layer, and the last stands for all layers beyond:
        ``(3, None)`` freezes the first layer alone, whose inputs, the data, do not change.
    decay : float
        Factor by which each epoch after the warm-up multiplies the next, in [0, 1].

    Raises
    ------
    ValueError, TypeError
        If a field is out of range or of another kind.

    Notes
    -----
    Any function of the epoch (counted from 0) that returns a float of at least 0 can stand in its place.

    Examples
    --------
    >>> import pycopi
    >>> schedule = pycopi.Schedule(start=1, warm_up=2, freeze_after=5)
    >>> [schedule(epoch) for epoch in range(6)]
    [0.0, 0.5, 1.0, 1.0, 1.0, 0.0]
    """

    start: int = 0
    warm_up: int = 0
    freeze_after: int | tuple[int | None, ...] | None = None
    decay: float = 1.0

    def __post_init__(self) -> None:
        for name in ("start", "warm_up"):
            object.__setattr__(self, name, as_whole(name, getattr(self, name), least=0))
        object.__setattr__(self, "freeze_after", _checked(self.freeze_after))
        object.__setattr__(self, "decay", as_float("decay", self.decay, most=1.0))

    def __call__(self, epoch: int) -> Factor:
        """Return the factor of an epoch, counted from 0; a tuple where ``freeze_after`` is one."""
        if isinstance(self.freeze_after, tuple):
            return tuple(self._factor(epoch, last) for last in self.freeze_after)
        return self._factor(epoch, self.freeze_after)

    def _factor(self, epoch: int, last: int | None) -> float:
        if epoch < self.start or (last is not None and epoch >= last):
            return 0.0
        running = epoch - self.start + 1
        if running <= self.warm_up:
            return running / self.warm_up
        return float(self.decay ** (running - max(1, self.warm_up)))


def _checked(last: Any) -> Any:
    if isinstance(last, (tuple, list)) and last:
        return tuple(_checked(one) for one in last)
    return None if last is None else as_whole("freeze_after", last, least=0)
