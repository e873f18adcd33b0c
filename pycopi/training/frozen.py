"""An epoch in which the first layer's matrix does not change: the data can be decorrelated once, beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pycopi._array import Array, copy_array, from_numpy, is_dask, is_numpy, namespace, slices, to_numpy
from pycopi._trees import map_arrays
from pycopi.layers import Dense, DenseParameters
from pycopi.network import Network, Parameters
from pycopi.training.batches import Batches

_ROWS = 1024


class View(NamedTuple):
    """How a run sees its data: as they are, or decorrelated by the first layer's matrix.

    In the second case ``front`` holds that matrix, and the network of ``batches`` does without it.
    """

    batches: Batches
    front: DenseParameters | None = None

    def inner(self, parameters: Parameters) -> Parameters:
        """Return the parameters of the network of ``batches``."""
        if self.front is None:
            return parameters
        return (parameters[0]._replace(decorrelator=None, mean=None, spread=None), *parameters[1:])

    def outer(self, parameters: Parameters, front: DenseParameters | None = None) -> Parameters:
        """Return the parameters of the whole network: what ``inner`` left out comes from ``front``.

        By default that is shared, and not to be written.
        """
        if self.front is None:
            return parameters
        own = front or self.front
        whole = parameters[0]._replace(decorrelator=own.decorrelator, mean=own.mean, spread=own.spread)
        return (whole, *parameters[1:])


def decorrelate_data(batches: Batches, parameters: Parameters) -> View:
    """Return a view of batches whose inputs went through the first layer's matrix.

    The inputs stay in their library, in as much memory once more. Batches without random access stay as
    they are, and so do lazy arrays and memory maps, whose data may not fit into memory.
    """
    own, (first, *others) = parameters[0], batches.network.layers
    at_rest = batches.steps is not None and not is_dask(batches.source[0])
    if not isinstance(first, Dense) or own.decorrelator is None or not at_rest:
        return View(batches)
    if isinstance(batches.source[0], np.memmap):
        return View(batches)
    inputs, targets = batches.source
    fixed = map_arrays(copy_array, own)
    network = Network((replace(first, decorrelated=False, standardized=False), *others))
    decorrelated = _through(inputs, first, fixed)
    view = View(batches, fixed)
    inner = view.inner((fixed, *parameters[1:]))  # the first layer's stay: steps donate their own to JAX
    source = decorrelated, targets
    return view._replace(batches=batches._replace(network=network, parameters=inner, source=source))


def _through(inputs: Array, layer: Dense, own: DenseParameters) -> Array:
    """Return the decorrelated inputs of all samples, in the library and device of the inputs."""
    if not is_numpy(inputs):
        parts = [layer.decorrelate(own, inputs[rows, ...]) for rows in slices(inputs.shape[0], _ROWS)]
        return namespace(inputs).concat(parts, axis=0)
    decorrelated = np.empty_like(inputs)
    for rows in slices(inputs.shape[0], _ROWS):
        decorrelated[rows] = to_numpy(layer.decorrelate(own, from_numpy(inputs[rows], own.weight)))
    return decorrelated
