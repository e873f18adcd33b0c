"""The hot operations by size, for each engine that works on NumPy arrays here."""

from collections.abc import Iterator

from pycopi.bench import rank_k, row_products, stream_block
from pycopi.bench.scope import Scope
from pycopi.bench.table import Table


def tables(scope: Scope) -> Iterator[Table]:
    """Return the tables of rank-k updates, of a batch times a matrix, and of the loop in a stream."""
    yield from rank_k.tables(scope)
    yield from row_products.tables(scope)
    yield from stream_block.tables(scope)
