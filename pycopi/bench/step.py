"""Whole training steps on the paper's networks, against two programs in PyTorch."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np

from pycopi.bench.needs import installed, left_out, needed
from pycopi.bench.operations import operations_of, products_of_step, seconds_alone
from pycopi.bench.scope import Scope
from pycopi.bench.table import Column, Table
from pycopi.bench.timing import Side, take_turns
from pycopi.bench.torch_programs import AdamTraining, PlainEquations
from pycopi.kernels.buffers import Buffers, reuse
from pycopi.network import mlp
from pycopi.settings import Rates, Settings
from pycopi.training.step import step

PAPER = {"MNIST 784-500x6-10": (784, *[500] * 6, 10), "CIFAR-10 3072-1000x4-10": (3072, *[1000] * 4, 10)}
"""The paper's networks by their names."""

QUICK = {"16-8x2-4": (16, 8, 8, 4)}
"""What stands in for them where nothing is to be measured."""

BATCH = 50
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
    network, settings, buffers = mlp(sizes), Settings(gain=_GAIN), Buffers()
    rates, parameters = Rates(_RATE, _RATE), network.init(0)
    batches = cycle(_batches(sizes, batch))

    def side() -> None:
        nonlocal parameters
        with reuse(buffers):
            parameters, _ = step(network, parameters, *next(batches), settings, rates)

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
