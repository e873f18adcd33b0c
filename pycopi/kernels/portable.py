"""The hot operations in plain array API calls: their definition, the fallback, and the oracle of the tests."""

from collections.abc import Callable
from typing import Any, NamedTuple

from pycopi._array import Array, astype, is_narrow, may_overwrite, namespace, wide_floats
from pycopi.kernels.sample_rule import SampleRule, coefficients

Apply = Callable[..., Array]
"""What applies an update to a matrix: `rank_k_update` of an engine."""


class RankK(NamedTuple):
    """What an update makes of a matrix M (m, n): ``diag(row_scale) M diag(column_scale) + scale left.T right``.

    ``left`` has shape (k, m), ``right`` (k, n), ``row_scale`` (m,) and ``column_scale`` (n,); scales that are
    None are 1.
    """

    left: Array
    right: Array
    scale: float
    row_scale: Array | None = None
    column_scale: Array | None = None


class Bound(NamedTuple):
    """How long a step of a row may be: ``times`` the row's own length, and at least ``least`` (1,)."""

    times: float
    least: Array


class Block(NamedTuple):
    """A block of k samples after `stream_block`: x, U and V (k, n), s (n,), and ``|x|^2`` (k,)."""

    decorrelated: Array
    left: Array
    right: Array
    scales: Array
    powers: Array


def fault() -> str | None:
    """Return why this engine cannot do the work here, or None."""
    return None


def accepts(matrix: Array) -> bool:
    """Return whether this engine takes ``matrix``: it takes all."""
    return True


def rank_k_update(matrix: Array, update: RankK, copy: bool | None) -> Array:
    """Return ``diag(row_scale) @ matrix @ diag(column_scale) + scale * left.T @ right``."""
    left, right, scale, row_scale, column_scale = update
    xp = namespace(matrix)
    overwrite = may_overwrite("matrix", matrix, copy, left, right, row_scale, column_scale)
    if is_narrow(matrix):  # a sum over a batch may be beyond float16 before it is scaled
        left, scale = left * scale, 1.0
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


def stream_block(projected: Array, rule: SampleRule) -> Block:
    """Return what the samples of a block make of R0, from ``projected = Y R0.T`` (k, n), k at least 1.

    After the last sample R is ``diag(s) R0 + U.T (V R0)``.
    """
    xp = namespace(projected)
    scales = xp.ones_like(projected[0, :])
    left: Array = xp.zeros_like(projected[:0, :])
    right: Array = xp.zeros_like(projected[:0, :])
    rows, powers = [], []
    for index in range(projected.shape[0]):
        row = projected[index, :]
        x = scales * row + xp.matmul(xp.matmul(right, row), left)
        v = scales * x + xp.matmul(xp.matmul(left, x), right)
        square = xp.square(x)
        power = xp.sum(square)
        base, slope, step = coefficients(rule, power, xp)
        kept = base + slope * square
        scales = scales * kept
        left = xp.concat([left * kept[None, :], (step * x)[None, :]], axis=0)
        right = xp.concat([right, v[None, :]], axis=0)
        rows.append(x)
        powers.append(power)
    return Block(xp.stack(rows, axis=0), left, right, scales, xp.stack(powers, axis=0))


def update_then_project(
    matrix: Array,
    update: RankK | None,
    sample: Array,
    back: bool,
    copy: bool | None,
    apply: Apply = rank_k_update,
) -> tuple[Array, Array, Array | None]:
    """Return the updated matrix M (m, n), ``x = M sample`` (m,), and with ``back`` also ``M.T x`` (n,)."""
    xp = namespace(matrix)
    matrix = _updated(matrix, update, copy, sample, apply)
    projected = xp.matmul(matrix, sample)
    return matrix, projected, xp.matmul(projected, matrix) if back else None


def pull_then_update(
    matrix: Array, vector: Array | None, update: RankK | None, copy: bool | None, apply: Apply = rank_k_update
) -> tuple[Array, Array | None]:
    """Return the updated matrix (m, n), and ``vector`` (m,) times the matrix as it was before, (n,)."""
    pulled = None if vector is None else namespace(matrix).matmul(vector, matrix)
    return _updated(matrix, update, copy, vector, apply), pulled


def _updated(
    matrix: Array, update: RankK | None, copy: bool | None, other: Array | None, apply: Apply
) -> Array:
    if update is None:
        return matrix
    if not may_overwrite("matrix", matrix, copy, other):
        copy = True
    return apply(matrix, update, copy)


def product(rows: Array, matrix: Array, transposed: bool) -> Array:
    """Return ``rows @ matrix``, or ``rows @ matrix.T``."""
    xp = namespace(matrix)
    return xp.matmul(rows, xp.matrix_transpose(matrix) if transposed else matrix)


def add_bounded(
    matrix: Array, step: Array, kept: Any, bound: Bound | None, copy: bool | None
) -> tuple[Array, Array]:
    """Return ``kept * matrix + step``, and the step, of which no row is longer than its bound; both (m, n).

    The step may be overwritten, whatever ``copy`` says of the matrix.
    """
    if bound is not None:
        step = step * _shares(matrix, step, bound)
    if not may_overwrite("matrix", matrix, copy, step):
        return matrix * kept + step, step
    matrix *= kept
    matrix += step
    return matrix, step


def move(
    matrix: Array,
    velocity: Array | None,
    change: RankK,
    kept: Any,
    bound: Bound | None,
    copy: bool | None,
    apply: Apply = rank_k_update,
    multiply: Callable[[Array, Array, bool], Array] = product,
    add: Callable[..., tuple[Array, Array]] = add_bounded,
) -> tuple[Array, Array | None]:
    """Return ``kept * matrix`` plus a step, and that step where there is a velocity; all (m, n).

    The step is what ``change`` makes of the velocity, or of zeros; no row of it is longer than its bound.
    """
    if velocity is None:
        left = astype(change.left * change.scale, change.left.dtype)
        step = multiply(namespace(left).matrix_transpose(left), change.right, False)
    else:
        step = apply(velocity, change, copy)
    matrix, step = add(matrix, step, kept, bound, copy)
    return matrix, None if velocity is None else step


def _shares(matrix: Array, step: Array, bound: Bound) -> Array:
    """Return by what (m, 1) each row of a step is multiplied."""
    xp = namespace(step)
    wide = wide_floats(bound.least).dtype
    own, length = (xp.sqrt(astype(xp.vecdot(rows, rows), wide)) for rows in (matrix, step))
    longest = xp.maximum(bound.times * own, bound.least)
    over = length > longest
    ones = xp.ones_like(length)
    return astype(xp.where(over, longest / xp.where(over, length, ones), ones), step.dtype)[:, None]
