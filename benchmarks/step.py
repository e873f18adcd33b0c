"""Whole training steps on the paper's networks, against two programs in PyTorch, and the products in a step."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle, pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

from benchmarks.sides import Side, installed, left_out, needed, take_turns
from benchmarks.table import Column, Scope, Table
from benchmarks.torch_programs import AdamTraining, PlainEquations
from pycopi import presets
from pycopi._buffers import Buffers, reuse
from pycopi.network import mlp
from pycopi.presets import CIFAR10, MNIST, Preset
from pycopi.settings import Rates
from pycopi.state import State
from pycopi.training.step import step


def sizes_of(preset: Preset) -> tuple[int, ...]:
    """Return the layer sizes of a preset for images of ten classes."""
    return (prod(preset.image or ()), *preset.hidden, 10)


PAPER = {"MNIST 784-500x6-10": sizes_of(MNIST), "CIFAR-10 3072-1000x4-10": sizes_of(CIFAR10)}
"""The paper's networks by their names."""

QUICK = {"16-8x2-4": (16, 8, 8, 4)}
"""What stands in for them where nothing is to be measured."""

BATCH = MNIST.batch_size
"""Samples in a step, as in the paper."""

_BATCHES = 8  # different ones, taken in turn
_GAIN, _RATE = 1.0, 1e-6  # small, so that numbers stay as they are however often a step is made


_HOW = (
    "COPI: the exact step of `pycopi.fit` on NumPy, with backpropagated perturbations. Plain equations: the "
    "same step in PyTorch as the paper prints it (C formed, then C R). Adam: backpropagation in PyTorch with "
    "fused Adam. Share: the seconds of the step's products, each timed alone by `np.matmul` at its shape, "
    "over the seconds of the COPI step; GFLOP counts these products."
)


def tables(scope: Scope) -> Iterator[Table]:
    """Return the table of whole steps."""
    networks_here = QUICK if scope.quick else PAPER
    yield Table(
        "step",
        f"A training step, batch {BATCH}, float32",
        [
            Column("network"),
            Column("plain equations / COPI", ".2f"),
            Column("COPI / Adam", ".2f"),
            Column("share of product rate", ".0%"),
            Column("COPI, ms", ".2f"),
            Column("plain equations, ms", ".2f"),
            Column("Adam, ms", ".2f"),
            Column("products alone, ms", ".2f"),
            Column("GFLOP", ".3f"),
            Column("GFLOP/s", ".0f"),
        ],
        [_row(name, sizes, scope) for name, sizes in networks_here.items()],
        [_HOW, *left_out("torch", "PyTorch")],
    )


def _row(name: str, sizes: tuple[int, ...], scope: Scope) -> tuple[Any, ...]:
    seconds = take_turns(sides_of(sizes, BATCH), turns=scope.turns, least_seconds=5 * scope.least_seconds)
    products = products_of_step(sizes, BATCH)
    alone, operations = seconds_alone(products, turns=scope.turns), operations_of(products)
    copi, plain, adam = seconds["COPI"], seconds.get("plain"), seconds.get("Adam")
    return (
        name,
        plain and plain / copi,
        adam and copi / adam,
        alone / copi,
        1e3 * copi,
        plain and 1e3 * plain,
        adam and 1e3 * adam,
        1e3 * alone,
        operations / 1e9,
        operations / copi / 1e9,
    )


def sides_of(sizes: tuple[int, ...], batch: int) -> dict[str, Side]:
    """Return one training step of pycopi and, where PyTorch is installed, of its two programs."""
    sides = {"COPI": step_side(sizes, batch)}
    if installed("torch"):
        weights = [own.weight for own in mlp(sizes).init(0)]
        sides["plain"] = _torch_side(PlainEquations(weights, rate=_RATE, gain=_GAIN), sizes, batch)
        sides["Adam"] = _torch_side(AdamTraining(weights), sizes, batch)
    return sides


def step_side(sizes: tuple[int, ...], batch: int) -> Side:
    """Return the exact step of pycopi on NumPy, as `pycopi.fit` makes it."""
    network, settings, buffers = mlp(sizes), replace(presets.PAPER, gain=_GAIN), Buffers()
    rates, state = Rates(_RATE, _RATE), State(network.init(0))
    batches = cycle(_batches(sizes, batch))

    def side() -> None:
        nonlocal state
        with reuse(buffers):
            state, _ = step(network, state, *next(batches), settings, rates)

    return side


def _torch_side(program: PlainEquations | AdamTraining, sizes: tuple[int, ...], batch: int) -> Side:
    torch = needed("torch")
    batches = cycle([tuple(map(torch.from_numpy, pair)) for pair in _batches(sizes, batch)])
    return lambda: program.step(*next(batches))


def _batches(sizes: tuple[int, ...], batch: int) -> list[tuple[Any, Any]]:
    """Return inputs in [0, 1) and one-hot targets, some batches of them."""
    generator = np.random.default_rng(0)
    classes = np.eye(sizes[-1], dtype=np.float32)
    return [
        (generator.random((batch, sizes[0]), np.float32), classes[generator.integers(sizes[-1], size=batch)])
        for _ in range(_BATCHES)
    ]


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
