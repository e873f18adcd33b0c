"""How correlated the features of a batch still are."""

import math
from collections.abc import Iterator
from functools import reduce

from pycopi._array import Array, Namespace, namespace, number, slices, wide_floats
from pycopi._checks import as_whole, check_finite, check_floats, check_samples, check_shape
from pycopi.analysis.passes import or_one, total

_FEATURES = 512  # rows of the (n, n) matrix at a time, where it need not stand in memory whole
_SAMPLES = 4096  # samples at a time, so that no second copy of large data is made


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
    xp = _check(features)
    live = wide_floats(xp.astype(xp.any(features != 0, axis=0), features.dtype))
    summed = sum(number(xp.sum(xp.abs(block))) for block in _blocks(features))
    return mean_of_pairs(summed, number(xp.sum(live)))


def correlation_matrix(features: Array) -> Array:
    """Return the correlation between every two features of a batch.

    Parameters
    ----------
    features : array, shape (B, n), real floating
        A sample a row.

    Returns
    -------
    array, shape (n, n), library and device of ``features``, of at least 32 bits
        ``E[x_i x_j] / sqrt(E[x_i^2] E[x_j^2])``, in [-1, 1] to rounding, 1 on the diagonal; 0 for features that
        are zero throughout, on the diagonal as well.

    Raises
    ------
    TypeError, ValueError
        If ``features`` is not a matrix of finite real floating numbers.

    Notes
    -----
    Not centred, as `off_diagonal_correlation`, which is the mean of its absolute values off the diagonal.
    Costs 2Bn^2 operations.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> pycopi.analysis.correlation_matrix(np.array([[3.0, 4.0, 0.0], [4.0, 3.0, 0.0]])).round(2)
    array([[1.  , 0.96, 0.  ],
           [0.96, 1.  , 0.  ],
           [0.  , 0.  , 0.  ]])
    """
    _check(features)
    blocks = list(_blocks(features))
    return blocks[0] if len(blocks) == 1 else namespace(features).concat(blocks, axis=0)


def correlation_floor(samples: int) -> float:
    """Return what `off_diagonal_correlation` is of independent features, from so many samples.

    Parameters
    ----------
    samples : int
        Number of samples N, at least 1.

    Returns
    -------
    float
        ``sqrt(2 / (pi N))``, about ``0.8 / sqrt(N)``, at most 1.

    Raises
    ------
    ValueError
        If ``samples`` is not a whole number of at least 1.

    Notes
    -----
    The correlation of two independent features, measured on N samples, is close to normal with mean 0 and
    variance 1/N, and the mean absolute value of that is ``sqrt(2 / pi)`` of its standard deviation. Nothing can
    be measured to be less correlated, so that a figure means something only beside its floor.

    Examples
    --------
    >>> import pycopi
    >>> round(pycopi.analysis.correlation_floor(512), 3)
    0.035
    """
    return min(1.0, math.sqrt(2.0 / (math.pi * as_whole("samples", samples))))


def mean_of_pairs(summed: float, live: float) -> float:
    """Return the mean off the diagonal of a matrix that sums to ``summed``, with ``live`` ones on it."""
    return max(0.0, summed - live) / max(1.0, live * (live - 1.0))


def _check(features: Array) -> Namespace:
    xp = check_floats(features=features)
    check_shape("features", features, (None, None), "it must be a batch of rows")
    check_samples("features", features.shape[0])
    check_finite(features=features)
    return xp


def _blocks(features: Array) -> Iterator[Array]:
    """Yield the correlation matrix by groups of its rows.

    Every feature is divided by its largest value before its norm, so that no square overflows or vanishes.
    """
    xp = namespace(features)
    parts = slices(features.shape[0], _SAMPLES)

    def batches() -> Iterator[Array]:
        return (wide_floats(features[rows, ...]) for rows in parts)

    largest = or_one(reduce(xp.maximum, (xp.max(xp.abs(batch), axis=0, keepdims=True) for batch in batches())))
    norms = or_one(
        xp.sqrt(total(xp.sum(xp.square(batch / largest), axis=0, keepdims=True) for batch in batches()))
    )
    for columns in slices(features.shape[1], _FEATURES):
        scaled = (batch / largest / norms for batch in batches())
        yield total(xp.matmul(xp.matrix_transpose(part[:, columns]), part) for part in scaled)
