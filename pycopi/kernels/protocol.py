"""What an engine is: a module with these functions, which ``engine.py`` chooses by the array."""

from typing import Any, Protocol

from pycopi._array import Array
from pycopi.kernels.portable import Block, Bound, RankK
from pycopi.kernels.sample_rule import SampleRule


class Engine(Protocol):
    """The hot operations; ``portable.py`` defines what each returns, for every engine to rounding.

    They check nothing. With ``copy`` None an update may overwrite the matrix, with True it never does, and with
    False it must.
    """

    def fault(self) -> str | None:
        """Return why this engine cannot do the work here and what to do about it, or None."""

    def accepts(self, matrix: Array, /) -> bool:
        """Return whether this engine takes ``matrix``."""

    def rank_k_update(self, matrix: Array, update: RankK, copy: bool | None, /) -> Array:
        """Return ``diag(row_scale) @ matrix @ diag(column_scale) + scale * left.T @ right``."""

    def product(self, rows: Array, matrix: Array, transposed: bool, /) -> Array:
        """Return ``rows @ matrix``, or ``rows @ matrix.T``."""

    def stream_block(self, projected: Array, rule: SampleRule, /) -> Block:
        """Return what the samples of a block make of a decorrelating matrix."""

    def update_then_project(
        self, matrix: Array, update: RankK | None, sample: Array, back: bool, copy: bool | None, /
    ) -> tuple[Array, Array, Array | None]:
        """Return the updated matrix M, ``x = M sample``, and with ``back`` also ``M.T x``."""

    def pull_then_update(
        self, matrix: Array, vector: Array | None, update: RankK | None, copy: bool | None, /
    ) -> tuple[Array, Array | None]:
        """Return the updated matrix, and ``vector`` times the matrix as it was before."""

    def move(
        self,
        matrix: Array,
        velocity: Array | None,
        change: RankK,
        kept: Any,
        bound: Bound | None,
        copy: bool | None,
        /,
    ) -> tuple[Array, Array | None]:
        """Return ``kept * matrix`` plus a step, and that step where there is a velocity."""
