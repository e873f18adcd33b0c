"""The matrix products of an exact training step: their shapes, their operations, their time by themselves."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pycopi.bench.timing import take_turns


class Product(NamedTuple):
    """A product of shapes (rows, inner) and (inner, columns); of its operands one may be a transpose."""

    rows: int
    inner: int
    columns: int
    transposed: str = ""
    """Which operand is the transpose of a contiguous array: "left", "right", or neither."""

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.inner * self.columns

    def side(self) -> Callable[[], object]:
        """Return the product by `numpy.matmul` into an array that is there, on numbers in [0, 1)."""
        generator = np.random.default_rng(0)
        shapes = ((self.rows, self.inner), (self.inner, self.columns))
        left, right = (
            generator.random(shape[::-1], np.float32).T
            if self.transposed == name
            else generator.random(shape, np.float32)
            for name, shape in zip(("left", "right"), shapes, strict=True)
        )
        out = np.empty((self.rows, self.columns), np.float32)
        return lambda: np.matmul(left, right, out=out)


def products_of_step(sizes: Sequence[int], batch: int) -> Counter[Product]:
    """Return how often each product occurs in an exact step of a network: COPI, backpropagated perturbations.

    A layer of n inputs and m outputs makes ``y R.T``, ``x W.T``, ``x R`` and, in the updates, ``x.T (x R)`` and
    ``z.T x``. Above the first layer come ``delta W``, and ``(delta W) R``, which is made together with
    ``x R`` as one product of twice the rows.
    """
    found: Counter[Product] = Counter()
    for layer, (n, m) in enumerate(pairwise(sizes)):
        found[Product(batch, n, n, "right")] += 1
        found[Product(batch, n, m, "right")] += 1
        found[Product(2 * batch if layer else batch, n, n)] += 1
        found[Product(n, batch, n, "left")] += 1
        found[Product(m, batch, n, "left")] += 1
        if layer:
            found[Product(batch, m, n)] += 1
    return found


def operations_of(products: Counter[Product]) -> int:
    """Return the multiplications and additions of all products together."""
    return sum(count * product.operations for product, count in products.items())


def seconds_alone(products: Counter[Product], *, turns: int = 7) -> float:
    """Return the sum of the seconds of all products, each timed by itself."""
    total = 0.0
    for product, count in products.items():
        total += count * take_turns({"product": product.side()}, turns=turns)["product"]
    return total
