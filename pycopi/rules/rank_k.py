"""The operation that every learning rule is made of."""

from pycopi import kernels
from pycopi._array import Array
from pycopi._checks import as_float, check_floats, check_shape


def rank_k_update(
    matrix: Array,
    left: Array,
    right: Array,
    *,
    scale: float = 1.0,
    row_scale: Array | None = None,
    column_scale: Array | None = None,
    copy: bool | None = True,
) -> Array:
    """Return ``diag(row_scale) @ matrix @ diag(column_scale) + scale * left.T @ right``.

    Parameters
    ----------
    matrix : array, shape (m, n), real floating
        The matrix to update.
    left, right : array, shapes (k, m) and (k, n), dtype of ``matrix``
        The factors of the update, a row for each of its k rank-one parts.
    scale : float
        Factor of the product, dimensionless.
    row_scale, column_scale : array, shapes (m,) and (n,), dtype of ``matrix``, or None
        Factors of the rows and of the columns of ``matrix``; None leaves them as they are.
    copy : bool or None
        True (the default) never changes ``matrix``; None may overwrite it, so do not use it afterwards;
        False must overwrite it.

    Returns
    -------
    array, shape (m, n), dtype of ``matrix``
        The updated matrix: ``matrix`` itself where its buffer was reused.

    Raises
    ------
    TypeError
        If the arrays differ in library or dtype, or are not real floating.
    ValueError
        If shapes or devices do not fit together, or ``copy=False`` meets a read-only array.

    Notes
    -----
    Costs 2kmn operations. In place, the compiled engines read and write ``matrix`` once.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> pycopi.rank_k_update(np.eye(2), np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), scale=0.5)
    array([[2.5, 2. ],
           [3. , 5. ]])
    """
    scales = {"row_scale": row_scale, "column_scale": column_scale}
    given = {name: array for name, array in scales.items() if array is not None}
    check_floats(matrix=matrix, left=left, right=right, **given)
    check_shape("matrix", matrix, (None, None), "it must be a matrix")
    m, n = matrix.shape
    check_shape("left", left, (None, m), f"matrix has {m} rows")
    check_shape("right", right, (left.shape[0], n), f"left has {left.shape[0]} rows and matrix {n} columns")
    for name, array in given.items():
        size = m if name == "row_scale" else n
        check_shape(name, array, (size,), f"matrix has shape {(m, n)}")
    scale = as_float("scale", scale, least=-float("inf"))
    return kernels.apply(matrix, kernels.RankK(left, right, scale, row_scale, column_scale), copy)
