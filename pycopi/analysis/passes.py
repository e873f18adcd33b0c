"""Forward passes over data of any size, a batch at a time, with what the analyses check and sum."""

import operator
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import NamedTuple

from pycopi._array import Array, detached, namespace
from pycopi._checks import as_whole, check_samples, common_namespace
from pycopi._moving import take
from pycopi._trees import map_arrays
from pycopi.layers import Trace
from pycopi.losses import check_targets, encode_targets
from pycopi.network import Network, Parameters

BATCH = 1024
"""Samples at a time, where nothing else is asked for."""


class Pass(NamedTuple):
    """One batch: which rows of the data it is, the inputs, and what the network makes of them."""

    rows: slice
    inputs: Array
    trace: Trace


def passes(network: Network, parameters: Parameters, inputs: Array, batch_size: int) -> Iterator[Pass]:
    """Yield the forward passes of checked data in their order, a batch at a time.

    Data in host memory may go with parameters of any library: their batches are moved there.
    """
    network.check_parameters(parameters)
    parameters = map_arrays(detached, parameters)
    for rows, batch in network.batches(parameters, inputs, batch_size):
        check_samples("inputs", batch.shape[0])
        yield Pass(rows, batch, network.trace(parameters, batch))


def answers(targets: Array, rows: slice, like: Array) -> Array:
    """Return the targets of some rows as real numbers in the shape of ``like``, which are outputs."""
    part = take(targets, rows, like)
    check_targets(part, like.shape[0], like.shape[1], like)
    return encode_targets(part, like)


def check_rows(inputs: Array, targets: Array) -> None:
    """Check that there are as many targets as inputs."""
    common_namespace(inputs=inputs)
    common_namespace(targets=targets)
    if targets.ndim == 0 or targets.shape[0] != inputs.shape[0]:
        rows = "no" if targets.ndim == 0 else targets.shape[0]
        msg = f"targets have {rows} rows but inputs have {inputs.shape[0]}; expected the same number"
        raise ValueError(msg)


def check_layer(name: str, layer: int, network: Network) -> int:
    """Return the number of a layer, counted from 1 at the inputs, checked."""
    number, count = as_whole(name, layer), len(network.layers)
    if number > count:
        msg = f"{name} is {number}; expected a layer from 1 to {count} (layer 1 takes the inputs)"
        raise ValueError(msg)
    return number


def products(rows: Array) -> Array:
    """Return the sum over rows of the products of their features, shape (n, n)."""
    xp = namespace(rows)
    return xp.matmul(xp.matrix_transpose(rows), rows)


def or_one(sizes: Array) -> Array:
    """Return sizes to divide by: 1 for those that are 0."""
    xp = namespace(sizes)
    return xp.where(sizes > 0, sizes, xp.ones_like(sizes))


def total(arrays: Iterable[Array]) -> Array:
    """Return the sum of arrays of one shape, of which there is at least one."""
    return reduce(operator.add, arrays)
