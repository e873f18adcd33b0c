"""Where batches come from: arrays, memory maps, Dask arrays, or anything that can be iterated again."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, HostArray, detached, from_numpy, is_dask, is_numpy, namespace, slices, to_numpy
from pycopi._checks import as_whole, check_finite, check_samples, check_shape, common_namespace
from pycopi.losses import check_target_values
from pycopi.network import Network, Parameters
from pycopi.training.step import check_batch

Batch = tuple[Array, Array]


class Probe(NamedTuple):
    """Inputs to look at, shape (P, n), and the number of samples in a full batch."""

    inputs: Array
    batch_size: int


class Batches(NamedTuple):
    """A source of batches, all on the library and device of the parameters.

    ``source`` is a pair of arrays or a re-iterable of batches; ``steps`` is the number of batches in an
    epoch where it is known. Batches of arrays are shuffled by (seed, epoch) alone, so that any epoch of a
    run can be made again.
    """

    network: Network
    parameters: Parameters
    source: Any
    batch_size: int
    seed: int | None
    classes: bool
    steps: int | None

    def epoch(self, number: int) -> Iterator[Batch]:
        """Return the batches of an epoch, counted from 0."""
        if self.steps is None:
            return self._iterate()
        return self._slice(number)

    def probe(self, samples: int) -> Probe:
        """Return some inputs, and the size of a full batch as far as they show it.

        Of arrays they are spread evenly over the data; of an iterable they are the first.
        """
        if self.steps is not None:
            inputs = self.source[0]
            count = inputs.shape[0]
            rows = np.linspace(0, count - 1, min(samples, count)).astype(np.int64)
            return Probe(self._take(inputs, rows), min(self.batch_size, count))
        parts, count = [], 0
        for inputs, _ in self._iterate():
            parts.append(inputs)
            count += inputs.shape[0]
            if count >= samples:
                break
        probed = namespace(parts[0]).concat(parts, axis=0)[: min(count, samples), ...]
        return Probe(probed, max(part.shape[0] for part in parts))

    def _slice(self, number: int) -> Iterator[Batch]:
        inputs, targets = self.source
        samples = inputs.shape[0]
        order = None
        if self.seed is not None:
            order = np.random.default_rng([self.seed, 1, number]).permutation(samples)
        for rows in slices(samples, self.batch_size):
            chosen = rows if order is None else order[rows]
            batch = self._take(inputs, chosen), self._take(targets, chosen)
            if is_dask(inputs) or is_dask(targets):  # unread until now
                check_batch(self.network, self.parameters, *batch)
            yield batch

    def _take(self, array: Array, rows: Any) -> Array:
        """Return rows of an array, moved to the library of the parameters if they lie in host memory."""
        like = self.parameters[0].weight
        if is_dask(array):
            return from_numpy(_read(array, rows), like)
        if is_numpy(array):
            self._check_host(array, like)
            return from_numpy(np.asarray(array[rows]), like)
        array = detached(array)
        if isinstance(rows, slice):
            return array[rows, ...]
        return namespace(array).take(array, from_numpy(rows, array), axis=0)

    @staticmethod
    def _check_host(array: HostArray, like: Array) -> None:
        """Check the dtype of real numbers in host memory, which a library might convert unasked."""
        wanted = str(like.dtype).rpartition(".")[2]
        if array.dtype.kind == "f" and array.dtype.name != wanted:
            msg = (
                f"data have dtype {array.dtype} but parameters have {wanted}; "
                f"convert one of them, as in data.astype({wanted!r})"
            )
            raise TypeError(msg)

    def _iterate(self) -> Iterator[Batch]:
        empty = True
        for item in self.source:
            empty = False
            inputs, targets = _pair(item)
            common_namespace(inputs=inputs)
            common_namespace(targets=targets)
            check_target_values(targets, self.network.outputs)
            batch = self._take(inputs, slice(None)), self._take(targets, slice(None))
            check_batch(self.network, self.parameters, *batch)
            yield batch
        if empty:
            msg = "the batches gave nothing when iterated"
            msg += "; expected a re-iterable, such as a list or an object with __iter__"
            raise ValueError(msg)


def open_batches(
    network: Network,
    parameters: Parameters,
    inputs: Any,
    targets: Any,
    *,
    batch_size: int,
    seed: int | None,
) -> Batches:
    """Return a checked source of batches; ``targets=None`` says that ``inputs`` is an iterable of batches.

    ``seed=None`` keeps the order of the samples.
    """
    batch_size = as_whole("batch_size", batch_size)
    if targets is None:
        _check_iterable(inputs)
        batches = Batches(network, parameters, inputs, batch_size, seed, True, None)
        return batches._replace(classes=_are_classes(to_numpy(next(batches.epoch(0))[1])))
    common_namespace(inputs=inputs)
    common_namespace(targets=targets)
    check_shape("inputs", inputs, (None, network.inputs), f"the network takes {network.inputs} features")
    if targets.ndim == 0:
        check_shape("targets", targets, (inputs.shape[0],), f"inputs have {inputs.shape[0]} rows")
    samples = inputs.shape[0]
    if targets.shape[0] != samples:
        msg = f"targets have {targets.shape[0]} rows but inputs have {samples}; expected the same number"
        raise ValueError(msg)
    check_samples("inputs", samples)
    steps = -(-samples // batch_size)
    batches = Batches(network, parameters, (inputs, targets), batch_size, None, True, steps)
    sample_inputs, sample_targets = next(batches.epoch(0))
    check_batch(network, parameters, sample_inputs, sample_targets)
    check_finite(inputs=inputs)
    check_target_values(targets, network.outputs)
    whole = sample_targets if is_dask(targets) else targets
    return batches._replace(seed=seed, classes=_are_classes(to_numpy(whole)))


def _read(lazy: Array, rows: Any) -> HostArray:
    """Return rows of a Dask array, read in their order there, so that each chunk is read once."""
    if isinstance(rows, slice):
        return np.asarray(lazy[rows])
    order = np.argsort(rows)
    return np.asarray(lazy[rows[order]])[np.argsort(order)]


def _check_iterable(source: Iterable[Any]) -> None:
    """Check that a source of batches can be iterated more than once."""
    if not isinstance(source, Iterable):
        kind = type(source).__name__
        msg = f"inputs are a {kind} without targets; expected arrays, or an iterable of (inputs, targets)"
        raise TypeError(msg)
    if isinstance(source, Iterator):
        msg = f"inputs are a {type(source).__name__}, which can be iterated only once"
        msg += "; expected a re-iterable, such as a list or an object with __iter__"
        raise TypeError(msg)


def _pair(item: Any) -> Batch:
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        size = f" of {len(item)}" if isinstance(item, (tuple, list)) else ""
        msg = f"a batch is a {type(item).__name__}{size}; expected a pair (inputs, targets)"
        raise TypeError(msg)
    return item[0], item[1]


def _are_classes(targets: HostArray) -> bool:
    """Return whether targets are class numbers or one-hot rows, so that an accuracy makes sense."""
    if targets.ndim == 1:
        return np.issubdtype(targets.dtype, np.integer)
    ones = targets == 1
    return bool(targets.shape[1] > 1 and np.all(np.sum(ones, axis=1) == 1) and np.all(ones | (targets == 0)))
