"""Schedules: by what factor a step size is multiplied in each epoch."""

from dataclasses import dataclass

from pycopi._checks import as_float, as_whole


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
    freeze_after : int or None
        Epochs after which nothing is learned any more; None never freezes.
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
    freeze_after: int | None = None
    decay: float = 1.0

    def __post_init__(self) -> None:
        """Check the fields."""
        for name in ("start", "warm_up"):
            object.__setattr__(self, name, as_whole(name, getattr(self, name), least=0))
        if self.freeze_after is not None:
            object.__setattr__(self, "freeze_after", as_whole("freeze_after", self.freeze_after, least=0))
        object.__setattr__(self, "decay", as_float("decay", self.decay, most=1.0))

    def __call__(self, epoch: int) -> float:
        """Return the factor of an epoch, counted from 0."""
        if epoch < self.start or (self.freeze_after is not None and epoch >= self.freeze_after):
            return 0.0
        running = epoch - self.start + 1
        if running <= self.warm_up:
            return running / self.warm_up
        return float(self.decay ** (running - max(1, self.warm_up)))
