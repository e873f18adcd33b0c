"""A trained network as every format takes it: one matrix a layer, its units and its labels, in host memory."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import HostArray, host_dtype, to_numpy
from pycopi._checks import check_finite
from pycopi._trees import first_array, map_arrays, named_arrays
from pycopi.activations import ACTIVATIONS, Activation, Affine, LeakyReLU
from pycopi.data.targets import Label
from pycopi.layers import Dense
from pycopi.network import Network, Parameters


class FoldedLayer(NamedTuple):
    """A layer: ``weight`` W R (m, n), ``bias`` (m,) or None, and the name of its activation.

    ``slope`` is that of ``leaky_relu`` left of zero; ``scale`` and ``offset`` (m,) are those of ``affine``.
    """

    weight: HostArray
    bias: HostArray | None
    activation: str
    slope: float = 0.0
    scale: HostArray | None = None
    offset: HostArray | None = None


class Folded(NamedTuple):
    """A network without decorrelating matrices, in float64; ``dtype`` is that of its results.

    Inputs are first made ``clip((y - mean) / spread, -3, 3)`` where ``mean`` and ``spread`` (n,) are not None.
    ``classes`` (m,) are the labels of the outputs, None for real targets, and ``probabilities`` says whether a
    softmax of the outputs has theirs.
    """

    layers: tuple[FoldedLayer, ...]
    mean: HostArray | None
    spread: HostArray | None
    classes: HostArray | None
    probabilities: bool
    dtype: str

    @property
    def inputs(self) -> int:
        """The number of inputs."""
        return int(self.layers[0].weight.shape[1])

    @property
    def outputs(self) -> int:
        """The number of outputs."""
        return int(self.layers[-1].weight.shape[0])

    def text(self) -> str:
        """Return the sizes of the layers, as 64-128-10."""
        return "-".join(str(size) for size in (self.inputs, *(len(one.weight) for one in self.layers)))


def fold(
    network: Network,
    parameters: Parameters,
    classes: Sequence[Label] | None = None,
    probabilities: bool = False,
) -> Folded:
    """Return a trained network as the formats take it, checked."""
    own = host_parameters(network, parameters)
    layers, parts = network.fold(own)
    check_dense(layers)
    names = [known_activation(layer.activation, number) for number, layer in enumerate(layers.layers, 1)]
    found = tuple(
        FoldedLayer(part.weight, part.bias, name, *_numbers(layer.activation, layer.outputs))
        for layer, part, name in zip(layers.layers, parts, names, strict=True)
    )
    labels = None if classes is None else _labels(classes, network.outputs)
    if probabilities and labels is None:
        msg = "probabilities is True without classes; expected labels of the outputs, such as classes=range(10)"
        raise ValueError(msg)
    dtype = "float64" if host_dtype(first_array(parameters)) == "float64" else "float32"
    return Folded(found, parts[0].mean, parts[0].spread, labels, bool(probabilities), dtype)


def host_parameters(network: Network, parameters: Parameters) -> Parameters:
    """Return parameters as float64 in host memory, checked."""
    network.check_parameters(parameters)
    own: Parameters = map_arrays(lambda array: to_numpy(array).astype(np.float64), parameters)
    for number, part in enumerate(own, 1):
        check_finite(**{f"{name} of layer {number}": array for name, array in named_arrays(part).items()})
    return own


def check_dense(network: Network) -> None:
    """Check that the layers of a network can be exported."""
    for number, layer in enumerate(network.layers, 1):
        if type(layer) is not Dense:
            msg = f"layer {number} is a {type(layer).__name__}, which has no other form; expected Dense layers"
            raise TypeError(msg)


def known_activation(activation: Activation, number: int, method: str = "__call__") -> str:
    """Return the name of the activation by which one of layer ``number`` computes; raise if there is none."""
    own = getattr(type(activation), method)
    for name, kind in ACTIVATIONS.items():  # a leaky rectifier before the one with slope 0
        if isinstance(activation, kind) and own is getattr(kind, method):
            return name
    msg = f"layer {number} has the activation {activation!r}, which has no other form; "
    msg += f"expected one of {', '.join(ACTIVATIONS)}"
    raise TypeError(msg)


def _numbers(activation: Activation, outputs: int) -> tuple[Any, ...]:
    """Return slope, scale and offset of an activation, as far as it has them."""
    if isinstance(activation, Affine):
        return 0.0, *(np.broadcast_to(row, outputs) * 1.0 for row in (activation.scale, activation.offset))
    return (activation.slope,) if isinstance(activation, LeakyReLU) else ()


def _labels(classes: Sequence[Label], outputs: int) -> HostArray:
    """Return the labels of classes as an array of integers, booleans, floats or text."""
    labels = np.asarray(list(classes))
    if labels.shape != (outputs,) or labels.dtype.kind not in "biufU":
        msg = (
            f"classes are {classes!r}; expected {outputs} numbers or texts, one for each output of the network"
        )
        raise ValueError(msg)
    return labels
