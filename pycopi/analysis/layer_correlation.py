"""How correlated the inputs of every layer are, before and after its decorrelating matrix."""

from typing import Any, NamedTuple

from pycopi._array import Array, diagonal, namespace, number, wide_floats
from pycopi._checks import check_finite, check_floats, check_shape
from pycopi.analysis.correlation import mean_of_pairs
from pycopi.analysis.passes import BATCH, or_one, passes, products
from pycopi.network import Network, Parameters


class LayerCorrelation(NamedTuple):
    """Correlation matrices (n, n) of a layer's inputs: ``before`` of y as they come, ``after`` of x = y R.T."""

    before: Array
    after: Array


def mean_off_diagonal(correlation: Array) -> float:
    """Return the mean absolute value off the diagonal of a correlation matrix.

    Parameters
    ----------
    correlation : array, shape (n, n), real floating
        As from `correlation_matrix`; features of which the diagonal is 0 are left out.

    Returns
    -------
    float
        In [0, 1]; 0 where there is no pair of features.

    Raises
    ------
    TypeError, ValueError
        If ``correlation`` is not a square matrix of finite real floating numbers.

    Notes
    -----
    `off_diagonal_correlation` gives the same number without a matrix in memory.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> pycopi.analysis.mean_off_diagonal(np.array([[1.0, -0.5], [-0.5, 1.0]]))
    0.5
    """
    xp = check_floats(correlation=correlation)
    check_shape("correlation", correlation, (None, None), "it must be a matrix")
    n = correlation.shape[0]
    check_shape("correlation", correlation, (n, n), "a correlation matrix is square")
    check_finite(correlation=correlation)
    live = xp.sum(xp.astype(diagonal(correlation) > 0, correlation.dtype))
    return mean_of_pairs(number(xp.sum(xp.abs(correlation))), number(live))


def layer_correlations(
    network: Network, parameters: Parameters, inputs: Array, *, batch_size: int = BATCH
) -> tuple[LayerCorrelation, ...]:
    """Return how correlated the inputs of each layer are, before and after its decorrelating matrix.

    Parameters
    ----------
    network, parameters : Network, tuple of DenseParameters
        The description, and its parameters, which are not changed.
    inputs : array, shape (N, n), dtype of the parameters
        Samples, a row each. NumPy arrays and memory maps may go with parameters of any library.
    batch_size : int
        Samples at a time, at least 1; it changes the result by rounding only.

    Returns
    -------
    tuple of LayerCorrelation
        For each layer the matrices ``before`` and ``after``, shape (n, n), as `correlation_matrix` gives
        them; equal where a layer has no decorrelating matrix. `mean_off_diagonal` makes one number of each.

    Raises
    ------
    TypeError, ValueError
        If library, device, dtype or shape do not fit the network, or a value is NaN or infinite.

    Notes
    -----
    One pass over the data. Costs 4Nn^2 operations a layer and the memory of two (n, n) matrices a layer.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> network = pycopi.mlp([2, 1])
    >>> parameters = (pycopi.DenseParameters(np.ones((1, 2)), np.array([[1.0, 0.0], [-1.0, 1.0]])),)
    >>> y = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, -1.0]])
    >>> (layer,) = pycopi.analysis.layer_correlations(network, parameters, y)
    >>> layer.before.round(2), layer.after.round(2)
    (array([[1.  , 0.58],
           [0.58, 1.  ]]), array([[1., 0.],
           [0., 1.]]))
    """
    moments: list[Any] = [(0.0, 0.0)] * len(network.layers)
    for one in passes(network, parameters, inputs, batch_size):
        below = one.inputs
        for index, (layer, x) in enumerate(zip(network.layers, one.trace.decorrelated, strict=True)):
            before, after = moments[index]
            moments[index] = before + products(wide_floats(below)), after + products(wide_floats(x))
            below = layer.activation(one.trace.preactivations[index])
    return tuple(LayerCorrelation(*map(_normalised, pair)) for pair in moments)


def _normalised(moments: Array) -> Array:
    """Return second moments divided by the roots of both powers; 0 where a power is 0."""
    root = namespace(moments).sqrt(or_one(diagonal(moments)))
    return moments / root[:, None] / root[None, :]
