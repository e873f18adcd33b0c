"""How correlated the features of a batch still are."""

from pycopi._array import Array, namespace, number, slices, wide_floats
from pycopi._checks import check_finite, check_floats, check_samples, check_shape

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
    check_samples("features", features.shape[0])
    check_finite(features=features)
    scaled = _over_norms(wide_floats(features))
    count = number(xp.sum(wide_floats(xp.astype(xp.any(features != 0, axis=0), features.dtype))))
    total = sum(_absolute_sum(scaled, columns) for columns in slices(features.shape[1], _ROWS))
    return max(0.0, total - count) / max(1.0, count * (count - 1.0))


def _over_norms(features: Array) -> Array:
    """Return every column divided by its norm; columns of zeros stay.

    It is divided by its largest value first, so that no square overflows or vanishes.
    """
    xp = namespace(features)
    scaled = features / _or_one(xp.max(xp.abs(features), axis=0))
    return scaled / _or_one(xp.sqrt(xp.sum(xp.square(scaled), axis=0)))


def _or_one(sizes: Array) -> Array:
    xp = namespace(sizes)
    return xp.where(sizes > 0, sizes, xp.ones_like(sizes))[None, :]


def _absolute_sum(scaled: Array, columns: slice) -> float:
    xp = namespace(scaled)
    block = xp.matmul(xp.matrix_transpose(scaled[:, columns]), scaled)
    return number(xp.sum(xp.abs(block)))
