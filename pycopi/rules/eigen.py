"""Eigenpairs of small symmetric matrices, and orthonormal rows: on any library, traced by JAX as well."""

from pycopi._array import Array, astype, eigh, from_numpy, namespace, to_numpy, wide_floats

_PASSES = 3  # of orthonormalisation; each takes the root of what the pass before left


def eigenpairs(matrix: Array) -> tuple[Array, Array]:
    """Return eigenvalues (k,) and eigenvectors, the columns of (k, k), of a symmetric matrix, in no order.

    The library's own function finds them, or where it has none, NumPy's.
    """
    wide = wide_floats(matrix)
    try:
        values, vectors = eigh(wide)
    except NotImplementedError:
        values, vectors = (from_numpy(part, matrix) for part in eigh(to_numpy(wide)))
    return astype(values, matrix.dtype), astype(vectors, matrix.dtype)


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
