"""Exact online decorrelation, one sample at a time, where the next sample is not known yet."""

from typing import NamedTuple

from pycopi import kernels
from pycopi._array import (
    Array,
    device,
    diagonal,
    is_readable,
    largest_value,
    namespace,
    number,
    overflow_ignored,
    wide_floats,
)
from pycopi._checks import check_finite, check_floats, check_shape
from pycopi.rules.divergence import divergence
from pycopi.rules.sample_rule import StreamRule, gain_limit, grows, sample_rule


class SampleState(NamedTuple):
    """A decorrelating matrix and what the last sample still has to change of it.

    ``decorrelator`` is R (n, n) before that change, which makes it ``diag(kept) R + outer(left, right)``; the
    three have shape (n,). `start_samples` makes a state, and `finish_samples` returns the matrix.
    """

    decorrelator: Array
    left: Array
    right: Array
    kept: Array


class DecorrelatedSample(NamedTuple):
    """What `decorrelate_sample` returns: the decorrelated sample (n,), and the state after it."""

    decorrelated: Array
    state: SampleState


def start_samples(decorrelator: Array) -> SampleState:
    """Return the state that a stream of samples begins with.

    Parameters
    ----------
    decorrelator : array, shape (n, n), real floating
        Decorrelating matrix R; the identity for a new stream. The state holds this very array.

    Returns
    -------
    SampleState
        The state, to be given to `decorrelate_sample`.

    Raises
    ------
    TypeError
        If ``decorrelator`` is not an array of a real floating dtype.
    ValueError
        If it is not square.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> pycopi.start_samples(np.eye(2)).kept
    array([1., 1.])
    """
    xp = check_floats(decorrelator=decorrelator)
    check_shape("decorrelator", decorrelator, (None, None), "it must be a matrix")
    n = decorrelator.shape[1]
    check_shape("decorrelator", decorrelator, (n, n), f"it has {n} columns")
    nothing = xp.zeros(n, dtype=decorrelator.dtype, device=device(decorrelator))
    return SampleState(decorrelator, nothing, nothing, nothing + 1.0)


def decorrelate_sample(
    state: SampleState,
    sample: Array,
    *,
    rate: float,
    rule: StreamRule = "covariance",
    whitening: float = 0.0,
    step_bound: float | None = 1.0,
    copy: bool | None = True,
) -> DecorrelatedSample:
    """Return a sample decorrelated by the matrix that all samples before it have made, and the new state.

    Parameters
    ----------
    state : SampleState
        What `start_samples`, or this function for the sample before, has returned.
    sample : array, shape (n,), dtype of the state
        The next sample y.
    rate : float
        Step size, dimensionless, at least 0; with ``rls`` a sample's share in the second moments, in [0, 1).
    rule : {"covariance", "rls"}
        The plain rule, or recursive least squares, which whitens; see `decorrelate_stream`.
    whitening : float
        Strength kappa in [0, 1] of the plain rule; see `pycopi.decorrelation_update`.
    step_bound : float or None
        Largest step of a sample by the plain rule, dimensionless, above 0; see `decorrelate_stream`. None, as
        in the paper, takes every step as it is.
    copy : bool or None
        True (the default) never changes the state's matrix, and copies it; None may overwrite it, so do not
        use the old state afterwards; False must.

    Returns
    -------
    DecorrelatedSample
        ``decorrelated`` x, shape (n,), and ``state``, in the dtype of the old one.

    Raises
    ------
    TypeError
        If the arrays differ in library or dtype, or are not real floating, or ``state`` is no SampleState.
    ValueError
        If shapes do not fit together, a value is NaN or infinite, a hyperparameter is out of range, or
        ``copy=False`` meets a read-only matrix.
    StreamDivergenceError
        If the decorrelated sample, or the matrix after it, would not be finite. Traced and lazy arrays cannot
        be looked at: there the result has NaN. After ``copy=None`` go on from the error's matrix, not from the
        old state.

    Notes
    -----
    The same as `decorrelate_stream` to rounding, which is faster where many samples are there at once. The
    change that a sample makes of R is written while the next one is multiplied: with ``copy=None`` on NumPy,
    each call reads and writes R once, which takes as long as the memory needs for it.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> state = pycopi.start_samples(np.eye(2))
    >>> for sample in np.array([[1.0, 1.0], [1.0, 0.0]]):
    ...     x, state = pycopi.decorrelate_sample(state, sample, rate=0.1, copy=None)
    >>> x
    array([ 1. , -0.1])
    """
    _check_state(state)
    check_floats(decorrelator=state.decorrelator, sample=sample)
    n = state.decorrelator.shape[0]
    check_shape("sample", sample, (n,), f"the state's decorrelator has shape {(n, n)}")
    check_finite(sample=sample)
    learning = sample_rule(rate, rule, whitening, step_bound)
    with overflow_ignored():
        matrix, x, v = kernels.update_then_project(state.decorrelator, _pending(state), sample, copy=copy)
        xp = namespace(x)
        wide = wide_floats(v)
        power, returned = xp.matmul(x, x), xp.matmul(wide, wide)
        looks = isinstance(learning.rate, float) and is_readable(power)
        if looks:
            power, returned = number(power), number(returned)
        base, slope, step = kernels.coefficients(learning, power, xp)
        left, kept = step * x, base + slope * xp.square(x)
        most = base + abs(slope) * power  # the sum below bounds the squares of all that a sample makes
        if looks and not power + returned + most * most + step * step * power <= largest_value(wide):
            check_finite(decorrelator=matrix)
            raise divergence(None, matrix, None, learning)
        limit = gain_limit(kept * diagonal(matrix) + left * v) if grows(learning) else None
    if limit is not None:
        left, kept = left * limit, kept * limit
    return DecorrelatedSample(x, SampleState(matrix, left, v, kept))


def finish_samples(state: SampleState, *, copy: bool | None = True) -> Array:
    """Return the decorrelating matrix after the last sample.

    Parameters
    ----------
    state : SampleState
        What `decorrelate_sample` has returned.
    copy : bool or None
        True (the default) never changes the state's matrix; None may overwrite it; False must.

    Returns
    -------
    array, shape (n, n)
        The matrix R.

    Raises
    ------
    TypeError
        If ``state`` is no SampleState.
    ValueError
        If ``copy=False`` meets a read-only matrix.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> state = pycopi.start_samples(np.eye(2))
    >>> _, state = pycopi.decorrelate_sample(state, np.array([1.0, 1.0]), rate=0.1)
    >>> pycopi.finish_samples(state)
    array([[ 1. , -0.1],
           [-0.1,  1. ]])
    """
    _check_state(state)
    return kernels.pull_then_update(state.decorrelator, None, _pending(state), copy=copy)[0]


def _pending(state: SampleState) -> kernels.RankK:
    return kernels.RankK(state.left[None, :], state.right[None, :], 1.0, state.kept)


def _check_state(state: SampleState) -> None:
    if not isinstance(state, SampleState):
        msg = f"state is a {type(state).__name__}; expected a SampleState, such as start_samples() returns"
        raise TypeError(msg)
