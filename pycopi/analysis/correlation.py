"""How correlated the features of a batch still are."""

from pycopi._array import Array, check_finite, check_floats, check_shape, namespace, number, slices

_ROWS = 512  # features at a time: the (n, n) matrix never stands in memory whole


def off_diagonal_correlation(features: Array) -> float:
    """Return the mean absolute correlation between different features of a batch.

    Parameters
    ----------
    features : array, shape (B, n), real floating
        A sample a row, such as a layer's decorrelated inputs.

    Returns
    -------
    float
        Mean of ``|E[x_i x_j]| / sqrt(E[x_i^2] E[x_j^2])`` over the pairs i != j of features that are not
        zero throughout, in [0, 1]; 0 where there is no such pair.

    Raises
    ------
    TypeError, ValueError
        If ``features`` is not a matrix of finite real floating numbers.

    Notes
    -----
    Second moments are not centred, because the decorrelation rule of the paper does not centre either: 0
    is what the rule aims at. Costs 2Bn^2 operations and memory for 512 rows of the matrix.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> pycopi.analysis.off_diagonal_correlation(np.array([[1.0, 1.0], [1.0, -1.0]]))
    0.0
    """
    xp = check_floats(features=features)
    check_shape("features", features, (None, None), "it must be a batch of rows")
    check_finite(features=features)
    power = xp.sum(xp.square(features), axis=0)
    live = power > 0
    inverse = xp.where(live, 1.0 / xp.sqrt(xp.where(live, power, xp.ones_like(power))), xp.zeros_like(power))
    scaled = features * inverse[None, :]
    count = number(xp.sum(xp.astype(live, features.dtype)))
    total = sum(_absolute_sum(scaled, columns) for columns in slices(features.shape[1], _ROWS))
    return max(0.0, total - count) / max(1.0, count * (count - 1.0))


def _absolute_sum(scaled: Array, columns: slice) -> float:
    xp = namespace(scaled)
    block = xp.matmul(xp.matrix_transpose(scaled[:, columns]), scaled)
    return number(xp.sum(xp.abs(block)))
