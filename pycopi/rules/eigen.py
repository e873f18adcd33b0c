"""Eigenpairs of small symmetric matrices, and orthonormal rows: on any library, traced by JAX as well."""

from typing import Any

import numpy as np

from pycopi._array import Array, astype, eigh, from_numpy, namespace, wide_floats

_SWEEPS = 9  # of all pairs; convergence is quadratic, and 64 bits need 6 to 8
_PASSES = 3  # of orthonormalisation; each takes the root of what the pass before left


def eigenpairs(matrix: Array) -> tuple[Array, Array]:
    """Return eigenvalues (k,) and eigenvectors, the columns of (k, k), of a symmetric matrix, in no order.

    The library's own function finds them, or where it has none, `jacobi`.
    """
    try:
        values, vectors = eigh(wide_floats(matrix))
    except NotImplementedError:
        return jacobi(matrix)
    return astype(values, matrix.dtype), astype(vectors, matrix.dtype)


def jacobi(matrix: Array) -> tuple[Array, Array]:
    """Return what `eigenpairs` does, by products alone: Jacobi's rotations, k / 2 disjoint pairs at a time.

    After each round the rows are dealt anew by the circle method, so that k - 1 rounds are a sweep of all
    pairs. Costs 6k^3 operations a round: for small matrices.
    """
    xp, count = namespace(matrix), matrix.shape[0]
    if count == 1:
        return xp.reshape(matrix, (1,)), xp.ones_like(matrix)
    size = count + count % 2
    wide = wide_floats(matrix)
    largest = xp.max(xp.abs(wide))
    unit = xp.where(largest > 0, largest, xp.ones_like(largest))
    wide = wide / unit  # so that no square underflows
    pad = from_numpy(np.eye(count, size, dtype=np.float64), matrix, dtype=wide.dtype)
    deal = from_numpy(_deal(size), matrix, dtype=wide.dtype)
    current = xp.matmul(xp.matmul(xp.matrix_transpose(pad), wide), pad)
    turned = pad  # its columns become the eigenvectors; an odd size has one of zeros beside them
    tiny = float(xp.finfo(wide.dtype).smallest_normal)
    for _ in range(_SWEEPS * (size - 1)):
        rotation = xp.matmul(_rotations(current, tiny), deal)
        current = xp.matmul(xp.matmul(xp.matrix_transpose(rotation), current), rotation)
        turned = xp.matmul(turned, rotation)
    if size != count:  # a whole number of sweeps deals each row back to where it was: the last is the added one
        current, turned = current[:count, :count], turned[:, :count]
    values = xp.sum(current * _eye(count, current), axis=0) * unit
    return astype(values, matrix.dtype), astype(turned, matrix.dtype)


def _rotations(matrix: Array, tiny: float) -> Array:
    """Return the rotation (n, n) that makes the elements (i, n - 1 - i) of a symmetric matrix 0."""
    xp, size = namespace(matrix), matrix.shape[0]
    eye = _eye(size, matrix)
    across = xp.flip(eye, axis=0)
    own = xp.sum(matrix * eye, axis=0)
    other = xp.flip(own)
    shared = xp.sum(matrix * across, axis=0)
    shared = 0.5 * (shared + xp.flip(shared))  # both of a pair turn by the same angle, whatever rounding did
    half = 0.5 * (other - own)
    reach = xp.abs(half) + xp.sqrt(half * half + shared * shared)
    first = from_numpy(np.where(np.arange(size) < size // 2, 1.0, -1.0), matrix, dtype=matrix.dtype)
    sign = xp.where(half == 0, first, xp.sign(half))  # the two of a pair turn in opposite ways
    tangent = sign * shared / xp.where(reach > tiny, reach, xp.ones_like(reach))
    cosine = 1.0 / xp.sqrt(1.0 + tangent * tangent)
    sine = tangent * cosine
    return eye * cosine[None, :] - across * sine[None, :]


def _eye(size: int, like: Array) -> Array:
    return from_numpy(np.eye(size), like, dtype=like.dtype)


def _deal(size: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the permutation that moves all but the first player of a round robin on by one chair.

    Chair i plays chair n - 1 - i.
    """
    seats = [0, size - 1, *range(1, size - 1)] if size > 2 else [0, 1]
    return np.eye(size)[:, seats]


def orthonormal(rows: Array) -> Array:
    """Return rows (k, n), k at most n, made orthonormal without an order among them: ``(Y Y.T)^(-1/2) Y``.

    Rows that depend on each other to rounding become what rounding made of them, orthonormal as well.
    """
    xp = namespace(rows)
    least = 4.0 * rows.shape[0] * float(xp.finfo(rows.dtype).eps)
    largest = xp.max(xp.abs(rows))
    rows = rows / xp.where(largest > 0, largest, xp.ones_like(largest))  # so that no square overflows
    for _ in range(_PASSES):
        norms = xp.sqrt(xp.sum(xp.square(rows), axis=1))
        rows = rows / xp.where(norms > 0, norms, xp.ones_like(norms))[:, None]
        values, vectors = eigenpairs(xp.matmul(rows, xp.matrix_transpose(rows)))
        root = vectors / xp.sqrt(xp.clip(values, least, None))[None, :]
        rows = xp.matmul(xp.matmul(root, xp.matrix_transpose(vectors)), rows)
    return rows
