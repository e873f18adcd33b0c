"""An epoch in which the first layer's matrix does not change: the data can be decorrelated once, beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pycopi import kernels
from pycopi._array import Array, copy_array, from_numpy, is_dask, is_numpy, namespace, slices, to_numpy
from pycopi.network import Network, Parameters
from pycopi.training.batches import Batches

_ROWS = 1024


class View(NamedTuple):
    """How a run sees its data: as they are, or decorrelated by the first layer's matrix.

    In the second case ``decorrelator`` is that matrix, and the network of ``batches`` does without it.
    """

    batches: Batches
    decorrelator: Array | None = None

    def inner(self, parameters: Parameters) -> Parameters:
        """Return the parameters of the network of ``batches``."""
        if self.decorrelator is None:
            return parameters
        return (parameters[0]._replace(decorrelator=None), *parameters[1:])

    def outer(self, parameters: Parameters) -> Parameters:
        """Return the parameters of the whole network; the matrix is shared, and not to be written."""
        if self.decorrelator is None:
            return parameters
        return (parameters[0]._replace(decorrelator=self.decorrelator), *parameters[1:])


def decorrelate_data(batches: Batches, parameters: Parameters) -> View:
    """Return a view of batches whose inputs went through the first layer's matrix.

    The inputs stay in their library, in as much memory once more. Batches without random access stay as
    they are, and so do lazy arrays and memory maps, whose data may not fit into memory.
    """
    decorrelator = parameters[0].decorrelator
    if decorrelator is None or batches.steps is None or not _in_memory(batches.source[0]):
        return View(batches)
    inputs, targets = batches.source
    fixed = copy_array(decorrelator)
    first, *others = batches.network.layers
    network = Network((replace(first, decorrelated=False), *others))
    moved = _through(inputs, fixed)
    view = View(batches, fixed)
    inner = view.inner(parameters)
    return view._replace(batches=batches._replace(network=network, parameters=inner, source=(moved, targets)))


def _in_memory(inputs: Array) -> bool:
    return not (is_dask(inputs) or isinstance(inputs, np.memmap))


def _through(inputs: Array, decorrelator: Array) -> Array:
    """Return x = y R.T of all samples, in the library and device of the inputs."""
    if not is_numpy(inputs):
        xp = namespace(inputs)
        parts = [
            kernels.product(inputs[rows, ...], decorrelator, transposed=True)
            for rows in slices(inputs.shape[0], _ROWS)
        ]
        return xp.concat(parts, axis=0)
    moved = np.empty_like(inputs)
    for rows in slices(inputs.shape[0], _ROWS):
        batch = from_numpy(inputs[rows], decorrelator)
        moved[rows] = to_numpy(kernels.product(batch, decorrelator, transposed=True))
    return moved
