"""How much of a network is linear: spans of layers replaced by one, and what that costs."""

from dataclasses import replace
from typing import Any, NamedTuple

from pycopi._array import Array, namespace, number
from pycopi._checks import as_float
from pycopi.analysis.inference import constant_part, infer_maps
from pycopi.analysis.passes import BATCH, answers, check_layer, check_rows, passes
from pycopi.layers import Dense, DenseParameters, SubspaceDense
from pycopi.losses import accuracy
from pycopi.network import Network, Parameters

VANISHING = 1e-4
"""Share of the largest power below which an input says too little: pixels that are not 0 in a few samples."""


class CompressedNetwork(NamedTuple):
    """What `compress` returns: a network with fewer layers, and its parameters."""

    network: Network
    parameters: Parameters


def compress(
    network: Network,
    parameters: Parameters,
    inputs: Array,
    *,
    first: int,
    last: int,
    epsilon: float = VANISHING,
    batch_size: int = BATCH,
) -> CompressedNetwork:
    """Return a network in which one linear layer stands for a span of layers.

    Parameters
    ----------
    network : Network
        The description.
    parameters : tuple of DenseParameters
        Its parameters; they are not changed.
    inputs : array, shape (N, n), dtype of the parameters
        Samples to infer the layer from, a row each: those that the network was trained on. NumPy arrays and
        memory maps may go with parameters of any library.
    first, last : int
        Numbers of the first and last layer of the span, counted from 1 at the inputs; both belong to it, so
        that ``last - first`` layers are removed.
    epsilon : float
        Least power that an input of layer ``first`` is divided by, as a share of the largest power of one,
        dimensionless. A larger one helps where there are few samples.
    batch_size : int
        Samples at a time, at least 1; it changes the result by rounding only.

    Returns
    -------
    CompressedNetwork
        ``network`` and ``parameters``, to be saved, evaluated or trained like any other. The layers outside
        the span, and R of layer ``first``, are the arrays of the argument.

    Raises
    ------
    TypeError, ValueError
        If library, device, dtype or shape do not fit the network, a value is NaN or infinite, or there is no
        such span.

    Notes
    -----
    The new layer keeps R of layer s = ``first`` and has ``W = E[a_e x_s.T] / E[x_s^2]``, with
    the preactivations a of layer e = ``last`` (Ahmad, Schrader and van Gerven, TMLR 2023, the analysis of
    compression). Since W predicts preactivations, the activation that follows is that of layer ``last``:
    below other layers it gives them the kind of input that they have learned from, and at the end of the
    network it is the output's own, in the paper the identity, so that the whole span is one linear map.

    Powers below ``epsilon`` times the largest are taken to be that: weights of inputs that hardly ever
    differ from zero would be noise.

    Where a layer of the span has a bias, which the paper's have not, the new layer has one: the span's
    preactivations c for no input, x_s = 0, and W is inferred from a - c. A linear span is thus replaced
    exactly if x_s is decorrelated exactly. Feedback matrices of the span are left out.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> network = pycopi.mlp([2, 5, 5, 3], activation="identity")
    >>> parameters, y = network.init(seed=0), np.eye(2, dtype=np.float32)
    >>> short, merged = pycopi.analysis.compress(network, parameters, y, first=1, last=3)
    >>> len(short.layers), bool(np.allclose(short.predict(merged, y), network.predict(parameters, y)))
    (1, True)
    """
    last = check_layer("last", last, network)
    first = check_layer("first", first, Network(network.layers[:last]))
    network.check_parameters(parameters)
    offset = constant_part(network, parameters, first, last)
    (weight,) = infer_maps(
        network,
        parameters,
        inputs,
        firsts=[first],
        last=last,
        offsets=[offset],
        epsilon=as_float("epsilon", epsilon),
        batch_size=batch_size,
    )
    below, above = network.layers[first - 1], network.layers[last - 1]
    fields: dict[str, Any] = {
        "outputs": above.outputs,
        "activation": above.activation,
        "bias": offset is not None,
    }
    if isinstance(below, (Dense, SubspaceDense)):
        layer, kept = replace(below, **fields), parameters[first - 1]._replace(weight=weight, bias=offset)
    else:
        layer, kept = Dense(below.inputs, **fields, decorrelated=False), DenseParameters(weight, bias=offset)
    return CompressedNetwork(
        Network((*network.layers[: first - 1], layer, *network.layers[last:])),
        (*parameters[: first - 1], kept, *parameters[last:]),
    )


def compression_curve(
    network: Network,
    parameters: Parameters,
    inputs: Array,
    test_inputs: Array,
    test_targets: Array,
    *,
    epsilon: float = VANISHING,
    batch_size: int = BATCH,
) -> tuple[float, ...]:
    """Return the accuracy of a classifier with ever more of its upper layers compressed into one.

    Parameters
    ----------
    network, parameters, inputs : Network, tuple of DenseParameters, array (N, n)
        As for `compress`; the network has L layers.
    test_inputs : array, shape (T, n), dtype of the parameters
        Samples to measure the accuracy on.
    test_targets : array, shape (T,) or (T, m)
        Their class numbers, or one-hot rows.
    epsilon, batch_size : float, int
        As for `compress`.

    Returns
    -------
    tuple of float
        Shares of right answers in [0, 1] with 0, 1, ..., L - 1 layers removed; the first is that of the
        network itself, the last that of a single linear layer.

    Raises
    ------
    TypeError, ValueError
        If data do not fit the network or each other, or a value is NaN or infinite.

    Notes
    -----
    With k layers removed, the layers L - k .. L are replaced, ``compress(..., first=L - k, last=L)``: the
    figure on compression of Ahmad, Schrader and van Gerven, TMLR 2023. All maps come from one pass over
    ``inputs``, and all accuracies from one over ``test_inputs``.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> network = pycopi.mlp([2, 5, 2], activation="identity")
    >>> y, classes = np.eye(2, dtype=np.float32), np.array([0, 1])
    >>> parameters = network.init(seed=0)
    >>> one, other = pycopi.analysis.compression_curve(network, parameters, y, y, classes)
    >>> one == other
    True
    """
    check_rows(test_inputs, test_targets)
    network.check_parameters(parameters)
    last = len(network.layers)
    firsts = range(last - 1, 0, -1)
    offsets = [constant_part(network, parameters, first, last) for first in firsts]
    weights = infer_maps(
        network,
        parameters,
        inputs,
        firsts=firsts,
        last=last,
        offsets=offsets,
        epsilon=as_float("epsilon", epsilon),
        batch_size=batch_size,
    )
    right = [0.0] * last
    activation = network.layers[-1].activation
    for one in passes(network, parameters, test_inputs, batch_size):
        outputs = [one.trace.outputs]
        for first, weight, offset in zip(firsts, weights, offsets, strict=True):
            xp = namespace(weight)
            a = xp.matmul(one.trace.decorrelated[first - 1], xp.matrix_transpose(weight))
            outputs.append(activation(a if offset is None else a + offset))
        wanted = answers(test_targets, one.rows, outputs[0])
        rows, pairs = wanted.shape[0], zip(right, outputs, strict=True)
        right = [count + rows * number(accuracy(found, wanted)) for count, found in pairs]
    return tuple(round(count) / test_inputs.shape[0] for count in right)
