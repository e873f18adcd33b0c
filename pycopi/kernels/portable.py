"""The hot operations in plain array API calls: their definition, the fallback, and the oracle of the tests."""

from pycopi._array import Array, may_overwrite, namespace


def rank_k_update(
    matrix: Array,
    left: Array,
    right: Array,
    scale: float,
    row_scale: Array | None,
    column_scale: Array | None,
    copy: bool | None,
) -> Array:
    """Return ``diag(row_scale) @ matrix @ diag(column_scale) + scale * left.T @ right``."""
    xp = namespace(matrix)
    overwrite = may_overwrite("matrix", matrix, copy, left, right, row_scale, column_scale)
    change = xp.matmul(xp.matrix_transpose(left), right)
    change *= scale
    factors = [
        *([row_scale[:, None]] if row_scale is not None else []),
        *([column_scale[None, :]] if column_scale is not None else []),
    ]
    for factor in factors:
        if overwrite:
            matrix *= factor
        else:
            matrix, overwrite = matrix * factor, True  # the product is ours to change
    if overwrite:
        matrix += change
        return matrix
    change += matrix
    return change


def product(rows: Array, matrix: Array, transposed: bool) -> Array:
    """Return ``rows @ matrix``, or ``rows @ matrix.T``."""
    xp = namespace(matrix)
    return xp.matmul(rows, xp.matrix_transpose(matrix) if transposed else matrix)
