"""The rows of a data set as a run sees them: in an order of their own, each as often as its weight says.

The order follows from the contents of the rows, so that neither their places nor how repetitions are spread
matter. A weight is how often a row is seen in an epoch, so that a batch is a batch like any other and every
bound on its step holds: a weight of 0 leaves the row out, a weight of 2 is the row twice.
"""

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_array

from pycopi._array import Array, HostArray, namespace, slices, to_numpy, widest_floats
from pycopi._moving import take
from pycopi.sklearn.inputs import beside, host

MOST = 10.0
"""Mean of whole weights up to which they count rows; larger ones are relative, or an epoch would never end."""

_BLOCK = 4096  # rows at a time, so that no second copy of large data is made


class Rows(NamedTuple):
    """Rows of inputs (N, n) with targets (N,) or (N, m) in host memory, and how often each is seen in an epoch.

    ``order`` has the rows with a weight above 0, by their contents, and ``counts`` their weights, or None.
    """

    inputs: Array
    targets: HostArray
    order: HostArray
    counts: HostArray | None
    seed: int

    @property
    def steady(self) -> bool:
        """Whether every epoch has the same rows."""
        return self.counts is None or is_whole(self.counts)

    @property
    def length(self) -> int:
        """How many rows an epoch has, in the mean."""
        return len(self.order) if self.counts is None else round(float(self.counts.sum()))

    def of_epoch(self, epoch: int) -> tuple[Array, HostArray]:
        """Return inputs and targets of an epoch, counted from 0.

        A row of weight w is there floor(w) or ceil(w) times, w times in the mean: systematic sampling.
        """
        chosen = self.order
        if self.counts is not None:
            offset = 0.0 if self.steady else np.random.default_rng([self.seed, 2, epoch]).random()
            chosen = np.repeat(self.order, times(self.counts, offset))
        if len(chosen) == 0:
            chosen = self.order[:1]
        return take(self.inputs, chosen, self.inputs), self.targets[chosen]


def gather_rows(inputs: Array, targets: HostArray, counts: HostArray | None, seed: int) -> Rows:
    """Return rows in their order; ``counts`` are weights of `read_weights`."""
    order = order_of(inputs, targets)
    if counts is not None:
        order = order[counts[order] > 0]
        counts = counts[order]
    return Rows(inputs, targets, order, counts, seed)


def read_weights(weights: Any, samples: int) -> HostArray | None:
    """Return sample weights, (N,) or one number, as how often each row is seen; None where all are seen once.

    Whole numbers count rows, as long as they are 10 or less in the mean. All others are relative: scaled to a
    mean of 1 over the rows that have any.
    """
    if weights is None:
        return None
    weights = host(weights)
    if isinstance(weights, Real):
        weights = np.full(samples, weights)
    values: HostArray = check_array(
        weights, ensure_2d=False, allow_nd=True, dtype=np.float64, input_name="sample_weight"
    )
    if values.shape != (samples,):
        msg = f"sample_weight has shape {values.shape}; expected ({samples},), one weight for each row of X"
        raise ValueError(msg)
    if (values < 0).any():
        msg = f"sample_weight has {values.min():g}; expected at least 0: drop rows that should not count"
        raise ValueError(msg)
    if not (values > 0).any():
        msg = "sample_weight is zero for every row; expected at least one row with a weight above 0"
        raise ValueError(msg)
    return None if (values == 1.0).all() else scaled(values)


def scaled(weights: HostArray) -> HostArray:
    """Return weights as how often each row is seen."""
    mean = float(weights[weights > 0].mean())
    return weights if is_whole(weights) and mean <= MOST else weights / mean


def times(counts: HostArray, offset: float) -> HostArray:
    """Return how often each row is drawn, (N,), for ``offset`` in [0, 1): systematic sampling."""
    reached = np.floor(np.cumsum(counts) + offset).astype(np.int64)
    return np.diff(reached, prepend=0)


def is_whole(weights: HostArray) -> bool:
    """Return whether all weights are whole numbers."""
    return bool((weights == np.floor(weights)).all())


def order_of(inputs: Array, targets: HostArray | None = None) -> HostArray:
    """Return the row numbers in an order that depends on the contents of the rows alone.

    They are sorted by a fixed random projection, first of the inputs, then of the targets.
    """
    keys = [_projected(inputs)]
    if targets is not None:
        keys.insert(0, _projected(targets.reshape(len(targets), -1).astype(np.float64)))
    return np.lexsort(keys)


@np.errstate(over="ignore", invalid="ignore")  # what overflows is sorted to the end
def _projected(rows: Array) -> HostArray:
    direction = np.random.default_rng(0).normal(size=rows.shape[1])
    parts = []
    for block in slices(rows.shape[0], _BLOCK):
        part = widest_floats(rows[block, ...])
        own = beside(direction, part, dtype=part.dtype)
        parts.append(to_numpy(namespace(part).matmul(part, own)))
    return np.concatenate(parts)
