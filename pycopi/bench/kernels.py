"""The hot operations by size, for each engine that works on NumPy arrays here."""

from collections.abc import Iterator

from pycopi.bench import rank_k, row_products
from pycopi.bench.scope import Scope
from pycopi.bench.table import Table


def tables(scope: Scope) -> Iterator[Table]:
    """Return the tables of the rank-k update, and of the products of a batch with a matrix."""
    yield from rank_k.tables(scope)
    yield from row_products.tables(scope)
