"""What each unit of a layer answers to, as a pattern of the network's inputs."""

from pycopi._array import Array
from pycopi._checks import as_float
from pycopi.analysis.inference import infer_maps
from pycopi.analysis.passes import BATCH, check_layer
from pycopi.network import Network, Parameters

WEAK = 0.01
"""Share of the largest power below which an input counts as weak: the rim of the digits of MNIST does."""


def receptive_fields(
    network: Network,
    parameters: Parameters,
    inputs: Array,
    *,
    layer: int,
    epsilon: float = WEAK,
    batch_size: int = BATCH,
) -> Array:
    """Return the receptive field of every unit of a layer.

    Parameters
    ----------
    network, parameters : Network, tuple of DenseParameters
        The description, and its parameters, which are not changed.
    inputs : array, shape (N, n), dtype of the parameters
        Samples to average over, a row each. NumPy arrays and memory maps may go with parameters of any
        library.
    layer : int
        Number of the layer, counted from 1 at the inputs.
    epsilon : float
        Least power that an input is divided by, as a share of the largest power of an input, dimensionless.
        Inputs below it have weak fields instead of noisy ones.
    batch_size : int
        Samples at a time, at least 1; it changes the result by rounding only.

    Returns
    -------
    array, shape (m, n), library, device and dtype of the parameters
        A field a row, in units of preactivation per unit of decorrelated input: reshape it to the shape of an
        image to look at it.

    Raises
    ------
    TypeError, ValueError
        If library, device, dtype or shape do not fit the network, a value is NaN or infinite, or there is no
        such layer.

    Notes
    -----
    ``A_l = E[a_l x_1.T] / max(E[x_1^2], epsilon max_j E[x_1j^2])``: the linear map from the decorrelated
    inputs of the network to the preactivations of layer l that COPI's rule itself would infer (Ahmad,
    Schrader and van Gerven, TMLR 2023, the analysis of receptive fields). Element j of a field belongs to
    x_j, the decorrelated version of input j. With exactly decorrelated inputs, none of them weak, the field
    of layer 1 is its row of W. Costs 2Nmn operations more than the forward pass; memory for one batch.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> network = pycopi.mlp([2, 1])
    >>> parameters = (pycopi.DenseParameters(np.array([[3.0, -1.0]]), np.eye(2)),)
    >>> pycopi.analysis.receptive_fields(network, parameters, np.eye(2), layer=1)
    array([[ 3., -1.]])
    """
    layer = check_layer("layer", layer, network)
    epsilon = as_float("epsilon", epsilon)
    return infer_maps(
        network,
        parameters,
        inputs,
        firsts=[1],
        last=layer,
        offsets=[None],
        epsilon=epsilon,
        batch_size=batch_size,
    )[0]
