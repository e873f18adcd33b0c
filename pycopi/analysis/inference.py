"""The linear map that decorrelated inputs infer: each weight alone, as in the COPI rule's fixed point."""

from collections.abc import Sequence
from typing import Any

from pycopi._array import Array, namespace, wide_floats
from pycopi._trees import first_array
from pycopi.analysis.passes import passes
from pycopi.network import Network, Parameters


def infer_maps(
    network: Network,
    parameters: Parameters,
    inputs: Array,
    *,
    firsts: Sequence[int],
    last: int,
    offsets: Sequence[Array | None],
    epsilon: float,
    batch_size: int,
) -> list[Array]:
    """Return ``E[(a - c) x_s.T] / max(E[x_s^2], e)`` for each layer s of ``firsts``, shape (m, n_s).

    ``e`` is ``epsilon`` times the largest power of an input.
    ``a`` are the preactivations of the layer ``last``; ``offsets`` has one c, shape (m,) or None, for each s.
    All maps come from one pass over the data, which keeps nothing but the sums.
    """
    crosses: list[Any] = [0.0] * len(firsts)
    powers: list[Any] = [0.0] * len(firsts)
    for one in passes(Network(network.layers[:last]), parameters[:last], inputs, batch_size):
        a = wide_floats(one.trace.preactivations[-1])
        xp = namespace(a)
        for index, (first, offset) in enumerate(zip(firsts, offsets, strict=True)):
            x = wide_floats(one.trace.decorrelated[first - 1])
            centred = a if offset is None else a - offset[None, :]
            crosses[index] = crosses[index] + xp.matmul(xp.matrix_transpose(centred), x)
            powers[index] = powers[index] + xp.sum(xp.square(x), axis=0)
    pairs = zip(crosses, powers, strict=True)
    return [_divide(cross, power, epsilon, first_array(parameters)) for cross, power in pairs]


def constant_part(network: Network, parameters: Parameters, first: int, last: int) -> Array | None:
    """Return what the layers ``first`` .. ``last`` make of no input at all: their preactivations, shape (m,).

    None where none of these layers has a bias.
    """
    span, own = network.layers[first - 1 : last], parameters[first - 1 : last]
    if not any(layer.bias for layer in span):
        return None
    weight = own[0].weight
    nothing = namespace(weight).zeros_like(weight[:1, :])
    return Network(span).trace(own, nothing).preactivations[-1][0, :]


def _divide(cross: Array, power: Array, epsilon: float, like: Array) -> Array:
    """Return the map of two sums over samples, in the dtype of ``like``."""
    xp = namespace(cross)
    smallest = float(xp.finfo(power.dtype).smallest_normal)  # inputs that are always 0 map to 0
    divisor = xp.maximum(power, xp.zeros_like(power) + epsilon * xp.max(power) + smallest)
    return xp.astype(cross / divisor[None, :], like.dtype)
