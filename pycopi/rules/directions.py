"""The directions in which inputs have most power: leading eigenpairs of their second moments, followed.

The moments M = E[y y.T] themselves, n^2 numbers, are never formed.
"""

from typing import NamedTuple

import numpy as np

from pycopi import kernels
from pycopi._array import Array, astype, from_numpy, is_numpy, may_overwrite, namespace, wide_floats
from pycopi._checks import check_shape
from pycopi._control import repeat
from pycopi.rules.eigen import eigenpairs, orthonormal

_STARTS = 4  # steps towards the directions of the first samples


class Directions(NamedTuple):
    """What is known of the second moments M of inputs with n features, in k directions.

    ``vectors`` (k, n) has orthonormal rows V, nearly the leading eigenvectors of M; ``values`` (k,) are their
    eigenvalues, and ``power`` (1,) is the mean of all n eigenvalues. Since the last refresh ``moments`` (k, n)
    has summed ``(V y) y.T`` over samples y, and ``sums`` (3,) their ``|y|^2 / n`` and their number; its third
    is the number of samples that the moments rest on, 0 before the first. All are at least 32 bits wide.
    """

    vectors: Array
    values: Array
    power: Array
    moments: Array
    sums: Array

    @property
    def rest(self) -> Array:
        """Return the mean eigenvalue (1,) of the directions that are left out, 0 where none is."""
        xp = namespace(self.values)
        count, features = self.vectors.shape
        left = (features * self.power - xp.sum(self.values)) / max(1, features - count)
        return xp.where(left > 0, left, xp.zeros_like(left)) if count < features else xp.zeros_like(left)


def unknown(features: int, count: int, like: Array) -> Directions:
    """Return so many directions of which nothing is known yet: orthonormal, and the same each time.

    They are arrays of the library and device of ``like``, at least as wide.
    """
    drawn = np.eye(features)
    if count < features:
        drawn = np.linalg.qr(np.random.default_rng(0).normal(size=(features, count)))[0].T
    like = wide_floats(like)
    vectors = from_numpy(np.ascontiguousarray(drawn), like, dtype=like.dtype)
    power = namespace(vectors).zeros_like(vectors[0, :1])
    return _fresh(vectors, power * vectors[:, 0], power, power)


def start(state: Directions, rows: Array, damping: float) -> Directions:
    """Return the directions of rows (N, n) alone, by some steps from those of a state."""

    nothing = namespace(state.sums).zeros_like(state.sums)

    def step(found: Directions) -> Directions:
        return refresh(accumulate(found._replace(sums=nothing), rows), 0.0, damping)

    found: Directions = repeat(step, state, _STARTS)
    return found


def accumulate(
    state: Directions,
    rows: Array,
    projected: Array | None = None,
    squares: Array | None = None,
    copy: bool | None = True,
) -> Directions:
    """Return the directions with rows (B, n) added to what the next refresh learns from, in 2Bnk operations.

    ``projected`` is what `project` makes of the rows, and ``squares`` what `row_squares` does, where these are
    known; ``copy`` says what of the state may be overwritten, as in `pycopi.train_step`.
    """
    if projected is None:
        projected = project(state, rows)
    if squares is None:
        squares = row_squares(rows)
    samples, features = rows.shape
    xp = namespace(squares)
    power = xp.reshape(xp.sum(squares), (1,)) / features  # NumPy 1 makes 64 bits of a 0-d array and a number
    change = kernels.RankK(wide_floats(projected), wide_floats(rows), 1.0)
    moments, sums = kernels.apply(state.moments, change, copy), state.sums
    if may_overwrite("sums", sums, copy):
        sums[:1] += power
        sums[1:2] += samples
    else:
        sums = sums + xp.concat([power, xp.full_like(power, samples), xp.zeros_like(power)])
    return state._replace(moments=moments, sums=sums)


def row_squares(rows: Array) -> Array:
    """Return the sum of the squares of each row (B, n), shape (B,), at least 32 bits wide."""
    wide = wide_floats(rows)
    xp = namespace(wide)
    return xp.vecdot(wide, wide) if is_numpy(wide) else xp.sum(xp.square(wide), axis=1)


def mean_power(squares: Array, features: int) -> Array:
    """Return the mean square of rows as an array (1,), by what `row_squares` made of them."""
    xp = namespace(squares)
    return xp.reshape(xp.sum(squares), (1,)) / (squares.shape[0] * features)


def due(state: Directions, samples: int) -> Array:
    """Return whether it is time for a refresh, a 0-d array: after so many samples, or as many as before while
    these were fewer.
    """
    since, before = state.sums[1], state.sums[2]
    return (since >= before) | (since >= samples)


def present(state: Directions, power: Array, projected: Array) -> Directions:
    """Return the directions with powers that are at least those of a batch of rows in them.

    Inputs that have grown since the last refresh, as those of hidden layers do at first, thus make steps
    smaller at once. ``power`` (1,) is their `mean_power`, ``projected`` (B, k) what `project` makes of them.
    """
    xp, inner = namespace(power), wide_floats(projected)
    values = xp.maximum(state.values, xp.sum(xp.square(inner), axis=0) / inner.shape[0])
    return state._replace(values=values, power=xp.maximum(state.power, power))


def refresh(state: Directions, memory: float, damping: float) -> Directions:
    """Return the directions after one step towards those of new moments; the same where there are none.

    The old moments keep the share ``memory``, or less while they rest on few samples. What is now known of M
    along V turns V to the Ritz vectors, whose values become the eigenvalues. Then V takes one step of subspace
    iteration by ``M + d I``, with d ``damping`` times the mean power: directions with less power than d, which
    do not matter, are left alone.
    """
    xp = namespace(state.vectors)
    samples, before = state.sums[1:2], state.sums[2:]
    seen = samples > 0
    fraction = samples / xp.where(seen, samples + before, xp.ones_like(samples))
    fraction = xp.where(seen, xp.clip(fraction, 1.0 - memory, 1.0), xp.zeros_like(samples))
    scale = fraction / xp.where(seen, samples, xp.ones_like(samples))
    kept = (1.0 - fraction) * state.values
    image = kept[:, None] * state.vectors + scale[:, None] * state.moments  # V M
    power = (1.0 - fraction) * state.power + scale * state.sums[:1]
    inner = xp.matmul(image, xp.matrix_transpose(state.vectors))
    values, turn = eigenpairs(0.5 * (inner + xp.matrix_transpose(inner)))
    turn = xp.matrix_transpose(turn)
    vectors = xp.matmul(turn, state.vectors)
    if vectors.shape[0] < vectors.shape[1]:
        stepped = xp.matmul(turn, image) + damped(power, damping)[:, None] * vectors
        vectors = xp.where(seen[:, None], orthonormal(stepped), vectors)
    return _fresh(vectors, xp.where(values > 0, values, xp.zeros_like(values)), power, before + samples)


def damped(power: Array, damping: float, least: float = 0.0) -> Array:
    """Return the damping d (1,) for a mean power of at least ``least``, above 0 even where all inputs are 0.

    A power that is as good as none, because what divides by it could overflow, is taken to be 1.
    """
    xp = namespace(power)
    if least:
        return damping * xp.maximum(power, least * xp.ones_like(power))
    info = xp.finfo(power.dtype)
    nothing = float(info.smallest_normal) / float(info.eps)
    return damping * xp.where(power > nothing, power, xp.ones_like(power))


def project(state: Directions, rows: Array) -> Array:
    """Return rows (B, n) in the directions, (B, k)."""
    features = state.vectors.shape[1]
    check_shape("rows", rows, (None, features), f"the directions are those of {features} features")
    return kernels.product(rows, astype(state.vectors, rows.dtype), transposed=True)


def amplify(state: Directions, rows: Array, gains: Array, projected: Array | None = None) -> Array:
    """Return ``y + ((y V.T) gains) V``: rows (B, n) changed in each direction by a gain of its own (k,)."""
    xp = namespace(rows)
    if projected is None:
        projected = project(state, rows)
    left = xp.matrix_transpose(projected * astype(gains, rows.dtype)[None, :])
    return kernels.apply(rows, kernels.RankK(left, astype(state.vectors, rows.dtype), 1.0), True)


def _fresh(vectors: Array, values: Array, power: Array, samples: Array) -> Directions:
    """Return directions that have no new moments yet."""
    xp = namespace(vectors)
    sums = xp.concat([xp.zeros_like(power), xp.zeros_like(power), samples])
    return Directions(vectors, values, power, xp.zeros_like(vectors), sums)
