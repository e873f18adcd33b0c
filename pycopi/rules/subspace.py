"""Decorrelation in closed form, in the few directions in which inputs have most power."""

from dataclasses import dataclass, replace
from functools import cache, partial, reduce
from operator import or_
from typing import Any

from pycopi import kernels
from pycopi._array import Array, astype, namespace
from pycopi._checks import as_float, as_whole, check_finite, check_floats, check_samples, check_shape
from pycopi._control import choose
from pycopi.kernels import native
from pycopi.kernels.engine import engine_for
from pycopi.rules import directions
from pycopi.rules.directions import Directions


@dataclass(frozen=True, kw_only=True)
class SubspaceDecorrelation:
    """Decorrelation in closed form, in the directions in which inputs have most power.

    Parameters
    ----------
    rank : int or None
        Number k of directions, at least 1; all n where there are fewer features. None takes all: the full
        closed form, which keeps n^2 numbers.
    damping : float
        The damping d as a multiple of the mean power ``trace(M) / n``, dimensionless, above 0. Powers far
        above d are brought down to d; powers far below stay as they are.
    fraction : float
        Share of each batch, its first rows, that the directions are followed by, above 0 and at most 1; at
        least one row.
    refresh : int
        Number of such samples from one refresh of the directions to the next.
    memory : float
        Share of the old moments that a refresh keeps, at least 0 and less than 1.
    least : float
        Mean power, in squared units of the inputs, that the damping is a multiple of where they have less, at
        least 0. `Decorrelated` sets 1 / (n + 1) for hidden layers and standardised inputs.

    Raises
    ------
    ValueError
        If a field is out of its range.

    Notes
    -----
    With M = E[y y.T], the second moments of the inputs, small steps of R that keep the diagonal of E[x x.T]
    are the flow ``dR/dt = -(R M R.T) R``, which goes from the identity to ``R = (I + M / d)^(-1/2)`` with
    d = 1 / (2t): an eigenvalue m of M becomes m d / (m + d). For the k leading eigenvectors V and the mean of
    the other eigenvalues, ``R = r I + V diag(r_i - r) V.T`` costs 4nk operations a row in place of 2n^2. As d
    is relative, inputs of any scale are learned alike, as long as the squares of their sums are numbers: in
    float32 between 1e-15 and 1e15.

    Where A = W R is kept as one matrix, a step along the gradient in decorrelated inputs is
    ``A' = A + (rate / B) delta.T (y P)`` with ``P = R.T R / d = (M + d I)^(-1)``, stable for rates below 2.
    With ``rank=None`` P is the preconditioner of FOOF (Benzing, arXiv 2201.12250). R may be refreshed at any
    time: A stays, or W becomes ``W R R'^(-1)``. The directions are followed by block power iteration with
    what some batches add, as ORICA and Oja's rule do sample by sample; M is never formed. The mean of the
    eigenvalues that are left out stands for each of them: the one deviation from the closed form.

    Examples
    --------
    >>> import numpy as np
    >>> from pycopi.rules.subspace import SubspaceDecorrelation
    >>> rows = np.random.default_rng(0).normal(size=(500, 3)) @ np.diag([10.0, 1.0, 1.0])
    >>> how = SubspaceDecorrelation(rank=1, damping=0.1)
    >>> state = how.start(rows)
    >>> how.decorrelate(state, rows).std(axis=0).round(1)
    array([1.8, 0.8, 0.9])
    """

    rank: int | None = 16
    damping: float = 1.0
    fraction: float = 0.25
    refresh: int = 1500
    memory: float = 0.5
    least: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields."""
        if self.rank is not None:
            object.__setattr__(self, "rank", as_whole("rank", self.rank))
        object.__setattr__(self, "refresh", as_whole("refresh", self.refresh))
        for name in ("damping", "memory", "fraction", "least"):
            object.__setattr__(self, name, as_float(name, getattr(self, name)))
        if not 0.0 < self.fraction <= 1.0:
            msg = f"fraction is {self.fraction}; expected a number above 0 and at most 1"
            raise ValueError(msg)
        if self.damping == 0.0:
            msg = "damping is 0.0, which divides by powers of 0; expected a number above 0, such as 1.0"
            raise ValueError(msg)
        if self.memory >= 1.0:
            msg = f"memory is {self.memory}, with which nothing new counts; expected a number below 1"
            raise ValueError(msg)

    def count(self, features: int) -> int:
        """Return the number k of directions for inputs with so many features."""
        return features if self.rank is None else min(self.rank, features)

    def unknown(self, features: int, like: Array) -> Directions:
        """Return directions of which nothing is known yet, in the library of ``like``."""
        return directions.unknown(features, self.count(features), like)

    def start(self, rows: Array) -> Directions:
        """Return the directions of rows (N, n), real floating; raise where they are none or not finite."""
        check_floats(rows=rows)
        check_shape("rows", rows, (None, None), "they must be a batch of rows")
        check_samples("rows", rows.shape[0])
        check_finite(rows=rows)
        return directions.start(self.unknown(rows.shape[1], rows), rows, self.damping)

    def started(self, state: Directions, rows: Array) -> Directions:
        """Return directions of which something is known: those of rows (B, n) where nothing was."""
        found: Directions = choose(state.sums[2] == 0, partial(self._start, rows=rows), state)
        return found

    def _start(self, state: Directions, rows: Array) -> Directions:
        return directions.start(state, rows, self.damping)

    def followed(
        self, state: Directions, rows: Array, copy: bool | None
    ) -> tuple[Array, Array, Array, Directions]:
        """Return rows (B, n) times ``P / unit``, the unit, their mean power (1,), and directions after them.

        P is that of `precondition`, for powers that are at least those of the rows. Part of the rows counts at
        the next refresh. The C core does all of it in one call.
        """
        state, part = self.started(state, rows), self._part(rows)
        if engine_for(rows) is native and native.follows(rows, state.vectors):
            how = self.damping, self.least, part
            rows, unit, power, moments, sums = native.follow(rows, *state, *how, copy)
            return rows, unit, power, state._replace(moments=moments, sums=sums)
        projected, squares = directions.project(state, rows), directions.row_squares(rows)
        power = directions.mean_power(squares, rows.shape[1])
        now = directions.present(state, power, projected)
        counted = rows[:part, :], projected[:part, :], squares[:part]
        state = directions.accumulate(state, *counted, copy)
        return *self.precondition(now, rows, projected), power, state

    def in_time(self, states: tuple[Directions, ...]) -> tuple[Directions, ...]:
        """Return directions refreshed where it is time for that."""
        due = [directions.due(state, self.refresh) for state in states]

        def refreshed(states: tuple[Directions, ...]) -> tuple[Directions, ...]:
            return tuple(choose(one, self.refreshed, state) for one, state in zip(due, states, strict=True))

        found: tuple[Directions, ...] = choose(reduce(or_, due), refreshed, states)
        return found

    def learned(self, state: Directions, rows: Array) -> Directions:
        """Return the directions after a batch (B, n), of which a part counts at once.

        Of the old moments, ``refresh`` samples leave the share ``memory``, however many come at a time.
        """
        count = self._part(rows)
        state = directions.accumulate(self.started(state, rows), rows[:count, :])
        return _in_order(directions.refresh(state, self.memory ** (count / self.refresh), self.damping))

    def _part(self, rows: Array) -> int:
        """Return how many rows of a batch the directions are followed by."""
        return max(1, int(0.5 + self.fraction * rows.shape[0]))

    def refreshed(self, state: Directions) -> Directions:
        """Return the directions with what has come in since the last refresh."""
        return directions.refresh(state, self.memory, self.damping)

    def precondition(
        self, state: Directions, rows: Array, projected: Array | None = None
    ) -> tuple[Array, Array]:
        """Return rows (B, n) times ``P / unit``, and the unit, a 0-d array, for ``P = (M + d I)^(-1)``.

        The unit is what P makes of the directions that are left out: rows stay as they are in these.
        """
        values, rest = self._damped(state)
        return directions.amplify(state, rows, rest / values - 1.0, projected), 1.0 / rest[0]

    def whiten(self, state: Directions, rows: Array) -> Array:
        """Return rows (B, n) times ``(M + d I)^(-1/2)``: each direction V then has a power below 1."""
        unit, gains = self._root(state)
        return directions.amplify(state, rows * astype(unit, rows.dtype)[:, None], gains)

    def decorrelate(self, state: Directions, rows: Array) -> Array:
        """Return decorrelated rows (B, n), ``x = y R.T``."""
        root = namespace(state.power).sqrt(self._damping(state))
        return self.whiten(state, rows * astype(root, rows.dtype)[:, None])

    def carry(self, weight: Array, old: Directions, new: Directions) -> kernels.RankK:
        """Return the change of W to ``W R R'^(-1)``, which with the new R' of `whiten` does what W did with R.

        It has rank 2k, so it costs 8mnk operations.
        """
        xp, dtype = namespace(weight), weight.dtype
        (unit, gains), (new_unit, new_gains) = self._root(old), self._root(new)
        inverse = astype(1.0 / (1.0 + new_gains) - 1.0, dtype)[None, :]
        vectors, new_vectors = astype(old.vectors, dtype), astype(new.vectors, dtype)
        left = directions.project(old, weight) * astype(gains, dtype)[None, :]
        across = xp.matmul(left, xp.matmul(vectors, xp.matrix_transpose(new_vectors)))
        left = xp.concat([left, (directions.project(new, weight) + across) * inverse], axis=1)
        scale = astype(unit / new_unit, dtype)
        columns = scale * xp.ones_like(weight[0, :])
        right = xp.concat([vectors, new_vectors], axis=0)
        return kernels.RankK(xp.matrix_transpose(left * scale[:, None]), right, 1.0, None, columns)

    def descent(
        self, state: Directions, rows: Array, perturbations: Array, rate: Any, projected: Array | None = None
    ) -> kernels.RankK:
        """Return the change of a folded matrix A = W R: ``(rate / B) delta.T (y P)``, of rank B."""
        right, unit = self.precondition(state, rows, projected)
        return kernels.RankK(perturbations, right, astype(unit * (rate / rows.shape[0]), rows.dtype))

    def _root(self, state: Directions) -> tuple[Array, Array]:
        """Return u (1,) and g (k,) of ``(M + d I)^(-1/2) = u (I + V.T diag(g) V)``."""
        xp = namespace(state.values)
        values, rest = self._damped(state)
        return 1.0 / xp.sqrt(rest), xp.sqrt(rest / values) - 1.0

    def _damped(self, state: Directions) -> tuple[Array, Array]:
        """Return eigenvalues plus d: in the directions (k,), and in all others (1,)."""
        damping = self._damping(state)
        return state.values + damping, state.rest + damping

    def _damping(self, state: Directions) -> Array:
        return directions.damped(state.power, self.damping, self.least)


@cache
def beside_one(how: SubspaceDecorrelation, features: int) -> SubspaceDecorrelation:
    """Return how to decorrelate inputs in the units of a network, where a bias is one more input, of power 1.

    They may be 0, or at rounding size, and grow in the next step: a damping that is relative to what they are
    now, and to nothing else, would let the weights grow without end.
    """
    return replace(how, least=max(how.least, 1.0 / (features + 1)))


def _in_order(state: Directions) -> Directions:
    """Return the same directions by falling power, each in one of its two senses: alike on every library."""
    xp = namespace(state.values)
    order = xp.argsort(state.values, descending=True)
    vectors = xp.take(state.vectors, order, axis=0)
    odd = xp.sum(vectors**3, axis=1)
    vectors = vectors * xp.where(odd < 0, -xp.ones_like(odd), xp.ones_like(odd))[:, None]
    return state._replace(vectors=vectors, values=xp.take(state.values, order))
