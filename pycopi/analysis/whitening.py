"""ZCA whitening, what the learned decorrelation is compared with."""

from typing import NamedTuple

from pycopi._array import Array, eigh, namespace, slices, widest_floats
from pycopi._checks import as_float, as_whole, check_finite, check_floats, check_samples, check_shape
from pycopi.analysis.passes import BATCH, products, total

EPSILON = 1e-3
"""Added to the eigenvalues, in squared units of the inputs: suits images in [0, 1]."""


class Whitening(NamedTuple):
    """A whitening of n features: the symmetric ``matrix``, shape (n, n), and the ``mean`` (n,) or None."""

    matrix: Array
    mean: Array | None = None

    def apply(self, inputs: Array) -> Array:
        """Return whitened rows, (y - mean) times the matrix, in the shape and dtype of ``inputs`` (B, n)."""
        check_floats(matrix=self.matrix, inputs=inputs)
        n = self.matrix.shape[0]
        check_shape("inputs", inputs, (None, n), f"the whitening is of {n} features")
        xp = namespace(inputs)
        whitened = xp.matmul(inputs, self.matrix)
        if self.mean is not None:
            whitened -= xp.matmul(self.mean[None, :], self.matrix)
        return whitened


def zca(
    inputs: Array, *, epsilon: float = EPSILON, centred: bool = False, batch_size: int = BATCH
) -> Whitening:
    """Return the ZCA whitening of a data set: of all whitenings, the one that changes the data least.

    Parameters
    ----------
    inputs : array, shape (N, n), real floating
        Samples, a row each.
    epsilon : float
        Added to each eigenvalue of the second moments, in squared units of the inputs, at least 0. It keeps
        directions without power as they are instead of raising their noise.
    centred : bool
        Whether to take the mean off first. The paper does not centre, and neither does pycopi's decorrelation.
    batch_size : int
        Samples at a time, at least 1; it changes the result by rounding only.

    Returns
    -------
    Whitening
        ``matrix``, shape (n, n), and ``mean``, shape (n,) or None, in the dtype of ``inputs``;
        ``apply(images)`` whitens rows.

    Raises
    ------
    TypeError, ValueError
        If ``inputs`` is not a matrix of finite real floating numbers, or a hyperparameter is out of range.
    NotImplementedError
        If the array library offers no eigenvalues (``linalg.eigh`` of the array API standard).

    Notes
    -----
    ``matrix = V diag((e + epsilon)^-1/2) V.T`` with eigenvalues e and eigenvectors V of ``E[y y.T]``, or of
    the covariance where centred (Bell and Sejnowski, *The "independent components" of natural scenes are edge
    filters*, Vision Research 1997). Unlike R of a COPI layer it scales every direction to power 1, and it
    must see all data at once. Sums and eigenvalues are computed in float64 where library and device have it:
    the small eigenvalues of images lie below the rounding of the large ones in float32. With ``epsilon=0``,
    directions whose eigenvalue is only rounding are left out. Costs 2Nn^2 operations and an eigenvalue
    decomposition, about 10 n^3; memory for one batch and a few (n, n) matrices.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> y = np.array([[2.0, 0.0], [0.0, 4.0]])
    >>> whitening = pycopi.analysis.zca(y, epsilon=0.0)
    >>> x = whitening.apply(y)
    >>> (x.T @ x / 2).round(6) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """
    xp = check_floats(inputs=inputs)
    check_shape("inputs", inputs, (None, None), "it must be a batch of rows")
    check_samples("inputs", inputs.shape[0])
    epsilon, batch_size = as_float("epsilon", epsilon), as_whole("batch_size", batch_size)
    check_finite(inputs=inputs)
    samples = inputs.shape[0]
    parts = slices(samples, batch_size)
    mean = None
    if centred:
        mean = total(xp.sum(widest_floats(inputs[rows, ...]), axis=0) for rows in parts) / samples
    moments = total(products(_centred(inputs[rows, ...], mean)) for rows in parts) / samples
    matrix = xp.astype(_inverse_root(moments, epsilon), inputs.dtype)
    return Whitening(matrix, None if mean is None else xp.astype(mean, inputs.dtype))


def _centred(batch: Array, mean: Array | None) -> Array:
    rows = widest_floats(batch)
    return rows if mean is None else rows - mean[None, :]


def _inverse_root(moments: Array, epsilon: float) -> Array:
    """Return (moments + epsilon)^-1/2 of a symmetric matrix with no negative eigenvalue."""
    xp = namespace(moments)
    values, vectors = eigh(moments)
    values = xp.maximum(values, xp.zeros_like(values))
    zeros = xp.zeros_like(values)
    least = zeros + moments.shape[0] * float(xp.finfo(values.dtype).eps) * values[-1] if epsilon == 0 else zeros
    kept = values + epsilon > least  # without epsilon, what is only rounding is left out
    inverse = xp.where(kept, 1.0 / xp.sqrt(xp.where(kept, values + epsilon, zeros + 1.0)), zeros)
    return xp.matmul(vectors * inverse[None, :], xp.matrix_transpose(vectors))
