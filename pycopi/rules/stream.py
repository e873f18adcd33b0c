"""Exact sample-by-sample decorrelation of a stream, at the speed of matrix products."""

import math
from typing import NamedTuple

from pycopi import kernels
from pycopi._array import (
    Array,
    copy_array,
    is_readable,
    may_overwrite,
    namespace,
    number,
    overflow_ignored,
    slices,
    wide_floats,
)
from pycopi._checks import as_whole, check_finite, check_floats, check_shape
from pycopi.rules.divergence import StreamDivergenceError, divergence
from pycopi.rules.sample_rule import StreamRule, grows, limited, sample_rule


class DecorrelatedStream(NamedTuple):
    """What `decorrelate_stream` returns: the decorrelated samples (T, n) and the matrix after the last."""

    decorrelated: Array
    decorrelator: Array


def decorrelate_stream(
    decorrelator: Array,
    inputs: Array,
    *,
    rate: float,
    rule: StreamRule = "covariance",
    whitening: float = 0.0,
    step_bound: float | None = 1.0,
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
        Step size for each sample, dimensionless, at least 0. With ``rls`` the share that a sample has in the
        second moments, in [0, 1): they are a mean over some 1 / rate samples, which should be several times n.
    rule : {"covariance", "rls"}
        The plain rule, or recursive least squares, which whitens.
    whitening : float
        Strength kappa in [0, 1] of the plain rule; see `pycopi.decorrelation_update`.
    step_bound : float or None
        Largest step of a sample by the plain rule, dimensionless, above 0: the rate of a sample is at most
        ``step_bound / (max(kappa, 1 - kappa) |x|^2 + kappa)``. Samples whose step is smaller are not touched.
        None, as in the paper, takes every step as it is.
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
    StreamDivergenceError
        If a sample, or the matrix after it, would not be finite. Traced and lazy arrays cannot be looked at:
        there the result has NaN.

    Notes
    -----
    The plain rule is ``x = R y`` and `decorrelation_update` (rule ``covariance``) for each sample y in turn, to
    rounding. ``I - rate x x.T`` multiplies what R makes of this sample by ``1 - rate |x|^2``: a step of 1, the
    default bound, brings it to 0, and beyond 2 it grows with each repetition.

    With ``rls`` R is a root of the inverse of the second moments, ``R.T R = inv(C)``, where each sample makes
    ``C' = (1 - rate) C + rate y y.T``. The step is the root of the formula of Sherman and Morrison, as in
    Potter's square-root filter: ``R' = (R - beta x x.T R) / sqrt(1 - rate)`` with
    ``beta = (1 - sqrt((1 - rate) / (1 - rate + rate |x|^2))) / |x|^2``. It is bounded: ``beta |x|^2 < 1``.
    To first order it is the online whitening of ORICA (Hsu et al., IEEE TNSRE 24(3), 2016) at half its rate.

    Where the powers are brought to 1, an input that is always 0 would have its row grow for ever. A row whose
    own gain, ``|R_ii|``, is beyond 1 / eps of the dtype after a block is scaled back to that.

    Within a block of k samples the matrix is carried as ``R = diag(s) R0 + U.T (V R0)``, where U and V gain a
    row with each sample, so that no sample touches R0: 6n^2 operations a sample in matrix products, and O(nk)
    beside them.

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
    learning = sample_rule(rate, rule, whitening, step_bound)
    block_size = min(as_whole("block_size", block_size), max(n, 64))
    xp = namespace(inputs)
    if not may_overwrite("decorrelator", decorrelator, copy, inputs):
        decorrelator = copy_array(decorrelator)
    blocks: list[Array] = []
    with overflow_ignored():
        for rows in slices(inputs.shape[0], block_size):
            block = inputs[rows, :]
            found = _decorrelate_block(decorrelator, block, learning)
            if found is None:
                raise _divergence(decorrelator, block, learning, rows.start, blocks)
            blocks.append(found.decorrelated)
            decorrelator = found.decorrelator
    return DecorrelatedStream(xp.concat(blocks, axis=0) if blocks else inputs, decorrelator)


def _decorrelate_block(
    decorrelator: Array, block: Array, rule: kernels.SampleRule
) -> DecorrelatedStream | None:
    """Return the decorrelated block (k, n) and the matrix after its last sample; None where not finite.

    What a block needs is free again before the next one.
    """
    learned, right = _learn(decorrelator, block, rule)
    if not _is_finite(learned, right):
        return None
    return DecorrelatedStream(learned.decorrelated, _after(decorrelator, learned, right, rule))


def _learn(decorrelator: Array, block: Array, rule: kernels.SampleRule) -> tuple[kernels.Block, Array]:
    """Return what a block of samples (k, n) becomes and makes of the matrix, and V times the matrix (k, n)."""
    learned = kernels.stream_block(kernels.product(block, decorrelator, transposed=True), rule)
    return learned, kernels.product(learned.right, decorrelator)


def _after(decorrelator: Array, learned: kernels.Block, right: Array, rule: kernels.SampleRule) -> Array:
    """Return the matrix after a block; it may be overwritten."""
    after = kernels.apply(decorrelator, kernels.RankK(learned.left, right, 1.0, learned.scales))
    return limited(after) if grows(rule) else after


def _is_finite(learned: kernels.Block, right: Array) -> bool:
    """Return whether a block, and with it the matrix after it, is finite; True where nothing can be read.

    No element of ``left.T right`` is beyond the product of their norms, by Cauchy and Schwarz.
    """
    xp = namespace(right)
    total = xp.sum(wide_floats(learned.powers))
    for array in (learned.scales, learned.left, right):
        flat = xp.reshape(wide_floats(array), (-1,))
        total = total + xp.matmul(flat, flat)
    return not is_readable(total) or math.isfinite(number(total))


def _divergence(
    decorrelator: Array, block: Array, rule: kernels.SampleRule, first: int, before: list[Array]
) -> StreamDivergenceError:
    """Return the error for a block that is not finite, of which ``first`` is the first sample."""
    check_finite(decorrelator=decorrelator)
    good, bad = 0, block.shape[0]
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (
            (middle, bad) if _is_finite(*_learn(decorrelator, block[:middle, :], rule)) else (good, middle)
        )
    rows = block[:0, :]
    if good:
        learned, right = _learn(decorrelator, block[:good, :], rule)
        rows, decorrelator = learned.decorrelated, _after(decorrelator, learned, right, rule)
    return divergence(first + good, decorrelator, namespace(block).concat([*before, rows], axis=0), rule)
