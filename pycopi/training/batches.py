"""Where batches come from: arrays, memory maps, Dask arrays, or anything that can be iterated again."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, HostArray, adopted, is_array, is_dask, namespace, slices, to_numpy
from pycopi._checks import as_whole, check_array, check_features, check_finite, check_reals, check_samples
from pycopi._moving import check_movable, take
from pycopi._targets import check_target_form, check_target_values
from pycopi._trees import first_array
from pycopi.network import Network, Parameters

Batch = tuple[Array, Array]


class Names(NamedTuple):
    """What messages call the two arrays of a source, in the user's words."""

    inputs: str = "inputs"
    targets: str = "targets"


VALIDATION = Names("validation inputs", "validation targets")


class Probe(NamedTuple):
    """Inputs to look at, shape (P, n), and the number of samples in a full batch."""

    inputs: Array
    batch_size: int


class Batches(NamedTuple):
    """A source of batches, all on the library and device of the parameters.

    ``source`` is a pair of arrays, of which ``steps`` batches are an epoch, or a re-iterable of batches.
    Batches of arrays are shuffled by (seed, epoch) alone, so that any epoch of a run can be made again.
    """

    network: Network
    parameters: Parameters
    source: Any
    batch_size: int
    seed: int | None
    classes: bool
    steps: int | None
    names: Names = Names()

    @property
    def length(self) -> int | None:
        """The number of batches in an epoch, where the source has a length."""
        if self.steps is not None:
            return self.steps
        try:
            return len(self.source)
        except TypeError:
            return None

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
                self._check_read(*batch, np.arange(samples)[rows] if order is None else order[rows])
            yield batch

    def _take(self, array: Array, rows: Any) -> Array:
        return take(array, rows, first_array(self.parameters))

    def _check_read(self, inputs: Array, targets: Array, rows: HostArray) -> None:
        """Check the values of a batch of a lazy array, whose rows are these of the whole."""
        for name, values in zip(self.names, map(to_numpy, (inputs, targets)), strict=True):
            wrong = ~np.isfinite(values)
            if wrong.any():
                row = rows[np.argwhere(wrong)[0][0]]
                msg = (
                    f"{name} has {values[wrong][0]} at row {row}; "
                    f"expected finite numbers: remove or fill them first"
                )
                raise ValueError(msg)
        check_target_values(self.names.targets, targets, self.network.outputs)

    def _iterate(self) -> Iterator[Batch]:
        number = 0
        for number, item in enumerate(self.source, 1):
            names = Names(*(f"{name} of batch {number}" for name in self.names))
            inputs, targets = (np.asarray(a) if is_dask(a) else a for a in _pair(item, number))
            _check_pair(self.network, self.parameters, inputs, targets, names)
            yield self._take(inputs, slice(None)), self._take(targets, slice(None))
        if number == 0:
            msg = "the batches gave nothing when iterated"
            msg += "; expected a re-iterable that begins anew each time, such as a list or a DataLoader"
            raise ValueError(msg)


def open_batches(
    network: Network,
    parameters: Parameters,
    inputs: Any,
    targets: Any,
    *,
    batch_size: int,
    seed: int | None,
    names: Names = Names(),  # noqa: B008  (a tuple of two strings)
) -> Batches:
    """Return a checked source of batches; ``targets=None`` says that ``inputs`` is an iterable of batches.

    ``seed=None`` keeps the order of the samples. ``names`` are for messages.
    """
    batch_size = as_whole("batch_size", batch_size)
    network.check_parameters(parameters)
    inputs, targets = adopted(inputs), adopted(targets)
    if targets is None:
        _check_iterable(names.inputs, inputs, first_array(parameters))
        batches = Batches(network, parameters, inputs, batch_size, seed, True, None, names)
        return batches._replace(classes=_are_classes(to_numpy(next(batches.epoch(0))[1])))
    _check_pair(network, parameters, inputs, targets, names)
    steps = -(-inputs.shape[0] // batch_size)
    batches = Batches(network, parameters, (inputs, targets), batch_size, None, True, steps, names)
    lazy = is_dask(inputs) or is_dask(targets)
    first = next(batches.epoch(0))[1] if lazy else None  # which checks the values of a batch
    whole = first if is_dask(targets) else targets
    return batches._replace(seed=seed, classes=_are_classes(to_numpy(whole)))


def open_validation(network: Network, parameters: Parameters, validation: Any) -> Batches:
    """Return a checked source of batches to evaluate on: a pair (inputs, targets), or an iterable of batches.

    Two batches in a list or tuple are batches; anything else in a tuple or list of two is the pair.
    """
    two = isinstance(validation, (tuple, list)) and len(validation) == 2
    if not two or all(isinstance(item, (tuple, list)) and all(map(is_array, item)) for item in validation):
        validation = (validation, None)
    elif any(item is None for item in validation):
        msg = "validation is a pair with None in it; expected (inputs, targets), or None alone"
        raise TypeError(msg)
    return open_batches(network, parameters, *validation, batch_size=1024, seed=None, names=VALIDATION)


def _check_pair(network: Network, parameters: Parameters, inputs: Any, targets: Any, names: Names) -> None:
    """Check inputs and targets before anything is moved: first what they are, then their values."""
    like = first_array(parameters)
    check_array(names.inputs, inputs, like)
    check_array(names.targets, targets)
    _check_order(network, inputs, targets, names)
    for name, array in zip(names, (inputs, targets), strict=True):
        if array.ndim and math.isnan(array.shape[0]):
            msg = f"{name} is a Dask array with an unknown number of rows; call its compute_chunk_sizes() first"
            raise ValueError(msg)
    check_features(names.inputs, inputs, network.inputs)
    check_target_form(names.targets, targets, inputs.shape[0], network.outputs, like, names.inputs)
    check_samples(names.inputs, inputs.shape[0])
    check_reals(names.inputs, inputs, like)
    check_movable(names.inputs, inputs, like)
    check_movable(names.targets, targets, like)
    check_finite(**{names.inputs: inputs})
    check_target_values(names.targets, targets, network.outputs)


def _check_order(network: Network, inputs: Array, targets: Array, names: Names) -> None:
    """Check that inputs and targets are not swapped, as far as their shapes tell."""
    shapes = tuple(inputs.shape), tuple(targets.shape)
    first, second = (len(shape) == 2 and shape[1] == network.inputs for shape in shapes)
    if second and not first:
        msg = (
            f"{names.inputs} has shape {shapes[0]}, {names.targets} {shapes[1]}, and the network takes "
            f"{network.inputs} features; the two seem to be swapped: give inputs first, then targets"
        )
        raise ValueError(msg)


def _check_iterable(name: str, source: Iterable[Any], like: Array) -> None:
    """Check that a source of batches can be iterated more than once."""
    kind = type(source).__name__
    wanted = "expected arrays, or an iterable of batches (inputs, targets)"
    if isinstance(source, (tuple, list)) and len(source) == 2 and all(map(is_array, source)):
        msg = f"{name} are a {kind} of two arrays without targets; give them as two arguments: inputs, targets"
        raise TypeError(msg)
    if is_array(source) or isinstance(source, (str, dict)) or not isinstance(source, Iterable):
        msg = f"{name} are a {kind} without targets; {wanted}"
        raise TypeError(msg)
    if type(source).__module__.startswith("pandas"):
        check_array(name, source, like)
    if isinstance(source, Iterator):
        msg = f"{name} are a {kind}, which can be iterated only once"
        msg += "; expected a re-iterable, such as a list or an object with __iter__"
        raise TypeError(msg)


def _pair(item: Any, number: int) -> Batch:
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        size = f" of {len(item)}" if isinstance(item, (tuple, list)) else ""
        msg = f"batch {number} is a {type(item).__name__}{size}; expected a pair (inputs, targets)"
        raise TypeError(msg)
    return adopted(item[0]), adopted(item[1])


def _are_classes(targets: HostArray) -> bool:
    """Return whether targets are class numbers or one-hot rows, so that an accuracy makes sense."""
    if targets.ndim == 1:
        return np.issubdtype(targets.dtype, np.integer)
    ones = targets == 1
    return bool(targets.shape[1] > 1 and np.all(np.sum(ones, axis=1) == 1) and np.all(ones | (targets == 0)))
