"""Exact sample-by-sample decorrelation of a stream, at the speed of matrix products."""

from typing import NamedTuple

from pycopi import kernels
from pycopi._array import Array, copy_array, may_overwrite, namespace, slices
from pycopi._checks import as_float, as_whole, check_finite, check_floats, check_shape


class DecorrelatedStream(NamedTuple):
    """What `decorrelate_stream` returns: the decorrelated samples (T, n) and the matrix after the last."""

    decorrelated: Array
    decorrelator: Array


def decorrelate_stream(
    decorrelator: Array,
    inputs: Array,
    *,
    rate: float,
    whitening: float = 0.0,
    block_size: int = 64,
    copy: bool | None = True,
) -> DecorrelatedStream:
    """Return samples decorrelated one by one, each by the matrix that all samples before it have made.

    Parameters
    ----------
    decorrelator : array, shape (n, n), real floating
        Decorrelating matrix R that the stream begins with; the identity for a new stream.
    inputs : array, shape (T, n), dtype of ``decorrelator``
        Samples in their order.
    rate : float
        Step size for each sample, dimensionless, at least 0.
    whitening : float
        Strength kappa in [0, 1]; see `pycopi.decorrelation_update`.
    block_size : int
        Samples between two writes of the matrix, at least 1. It changes the speed, not the result; no block
        has more than ``max(n, 64)``, beyond which each sample only costs more.
    copy : bool or None
        True (the default) never changes ``decorrelator``; None may overwrite it; False must.

    Returns
    -------
    DecorrelatedStream
        ``decorrelated``, shape (T, n), and ``decorrelator``, shape (n, n), in the dtype of the inputs.

    Raises
    ------
    TypeError
        If the arrays differ in library or dtype, or are not real floating.
    ValueError
        If shapes do not fit together, a value is NaN or infinite, or a hyperparameter is out of range.

    Notes
    -----
    The same as ``x = R y`` and `decorrelation_update` (rule ``covariance``) for each sample y in turn, to
    rounding. Within a block of k samples the matrix is carried as ``R = diag(s) R0 + U.T (V R0)``, where
    U and V gain a row with each sample, so that no sample touches R0: 6n^2 operations a sample in matrix
    products, and O(nk) beside them.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> stream = np.array([[1.0, 1.0], [1.0, 0.0]])
    >>> pycopi.decorrelate_stream(np.eye(2), stream, rate=0.1).decorrelated
    array([[ 1. ,  1. ],
           [ 1. , -0.1]])
    """
    check_floats(decorrelator=decorrelator, inputs=inputs)
    check_shape("inputs", inputs, (None, None), "it must be a sequence of samples")
    n = inputs.shape[1]
    check_shape("decorrelator", decorrelator, (n, n), f"inputs have {n} features")
    check_finite(inputs=inputs)
    rate, whitening = as_float("rate", rate), as_float("whitening", whitening, most=1.0)
    block_size = min(as_whole("block_size", block_size), max(n, 64))
    xp = namespace(inputs)
    if not may_overwrite("decorrelator", decorrelator, copy, inputs):
        decorrelator = copy_array(decorrelator)
    blocks = []
    for rows in slices(inputs.shape[0], block_size):
        block = inputs[rows, :]
        decorrelated, decorrelator = _decorrelate_block(decorrelator, block, rate, whitening)
        blocks.append(decorrelated)
    return DecorrelatedStream(xp.concat(blocks, axis=0) if blocks else inputs, decorrelator)


def _decorrelate_block(decorrelator: Array, block: Array, rate: float, whitening: float) -> tuple[Array, Array]:
    """Return the decorrelated block (k, n) and the matrix after its last sample."""
    projected = kernels.product(block, decorrelator, transposed=True)
    decorrelated, left, right, scales = kernels.stream_block(projected, rate, whitening)
    moved = kernels.product(right, decorrelator)
    return decorrelated, kernels.apply(decorrelator, kernels.RankK(left, moved, 1.0, scales))
