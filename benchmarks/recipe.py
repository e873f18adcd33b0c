"""A training step of the recipe, against backpropagation with AdamW and with SGD and momentum."""

from collections.abc import Iterator
from typing import Any

from benchmarks.sides import installed, left_out, take_turns
from benchmarks.table import Column, Scope, Table
from benchmarks.tuned.pycopi_methods import AS_IT_IS
from benchmarks.tuned.spaces import SPACES, first
from benchmarks.tuned.steps import CALLS, side_of
from benchmarks.tuned.trial import SIZES

BATCH = 256
"""Samples in a step."""

NETWORKS = {"MNIST 784-500x6-10": "mnist", "CIFAR-10 3072-1000x4-10": "cifar10"}
"""The paper's networks by their names."""

QUICK = {"64-32-10": "digits"}
"""What stands in for them where nothing is to be measured."""

_RIVALS = ("AdamW", "SGD")

_HOW = (
    "COPI: a step of `pycopi.fit` on NumPy with `pycopi.subspace_recipe` as it is, which finds new directions "
    "once in some 24 steps. AdamW, SGD: backpropagation in PyTorch, with the fused optimizer, SGD with "
    "momentum. All with biases and cross-entropy."
)


def tables(scope: Scope) -> Iterator[Table]:
    """Return the table of the recipe's steps."""
    heads = (*(f"COPI / {name}" for name in _RIVALS), *(f"{name}, ms" for name in ("COPI", *_RIVALS)))
    yield Table(
        "recipe",
        f"A training step of the recipe, batch {BATCH}, float32",
        [Column("network"), *(Column(head, ".2f") for head in heads)],
        [_row(name, network, scope) for name, network in (QUICK if scope.quick else NETWORKS).items()],
        [_HOW, *left_out("torch", "PyTorch")],
    )


def _row(name: str, network: str, scope: Scope) -> tuple[Any, ...]:
    rivals = {method: first(SPACES[method])[0] for method in _RIVALS if installed("torch")}
    settings = {AS_IT_IS: {}, **rivals}
    sides = {m: side_of(SIZES[network], m, {**one, "batch": BATCH}) for m, one in settings.items()}
    seconds = take_turns(sides, turns=scope.turns, least_seconds=scope.least_seconds)
    copi, others = seconds[AS_IT_IS], [seconds.get(method) for method in _RIVALS]
    steps = [one and 1e3 * one / CALLS for one in (copi, *others)]
    return name, *(other and copi / other for other in others), *steps
