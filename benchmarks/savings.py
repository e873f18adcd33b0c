"""What a training step costs when parts of the work on the decorrelating matrices are left out.

    python -m benchmarks.savings [--rounds 9]

Steps of the paper's networks at a batch of 50, float32 NumPy, on random inputs; all variants take turns in one
process, five steps each, and the table has the median milliseconds of a step and the share of the exact one.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import pycopi
from benchmarks.step import BATCH, sizes_of
from pycopi._buffers import Buffers, reuse
from pycopi.presets import CIFAR10, MNIST
from pycopi.training.step import step

SIZES = {preset.title: list(sizes_of(preset)) for preset in (MNIST, CIFAR10)}
STEPS, TINY = 5, 1e-9  # rates so small that inputs stay as they are

FAST = MNIST.fast().settings
_BOUNDED = {"every": FAST.decorrelation.every, "step_bound": FAST.decorrelation.step_bound}

VARIANTS: dict[str, tuple[dict[str, Any], tuple[float | None, ...], bool]] = {
    "exact": ({}, (TINY,), False),
    "fraction 0.2": ({"fraction": 0.2}, (TINY,), False),
    "fraction 0.2 in deep layers": ({"fraction": (1.0, 0.2)}, (TINY,), False),
    "every 5th step": ({"every": 5}, (TINY,), False),
    "every 5th step, bounds": (_BOUNDED, (TINY,), False),
    "all layers frozen": ({}, (None,), False),
    "first layer frozen": ({}, (None, TINY), False),
    "first layer frozen, data kept": ({}, (None, TINY), True),
    "fast, from its third epoch": (_BOUNDED, (None, TINY), True),
}
"""Fields of the decorrelation, its rates by layer, and whether the first layer's product is left out."""


def steps_of(sizes: list[int], name: str) -> Callable[[], None]:
    """Return a function that takes some steps of a variant."""
    own, rates, kept = VARIANTS[name]
    fields = {"step_bound": None, **own}
    fractions = fields.pop("fractions", (fields.pop("fraction", 1.0),))
    hows = tuple(pycopi.Decorrelation(rate=TINY, fraction=one, **fields) for one in fractions)
    bound = FAST.step_bound if "step_bound" in own else None
    settings = pycopi.Settings(rate=TINY, gain=TINY, step_bound=bound, decorrelation=hows)
    network = pycopi.mlp(sizes)
    if kept:
        first, *others = network.layers
        network = pycopi.Network((dataclasses.replace(first, decorrelated=False), *others))
    generator, buffers = np.random.default_rng(0), Buffers()
    inputs = generator.random((BATCH, sizes[0]), dtype=np.float32)
    targets = generator.integers(0, sizes[-1], BATCH)
    state = pycopi.State(network.init(0))

    def take() -> None:
        nonlocal state
        for index in range(STEPS):
            due = index % hows[0].every == 0
            with reuse(buffers):
                state, _ = step(
                    network, state, inputs, targets, settings, pycopi.Rates(TINY, rates if due else None)
                )

    return take


def main() -> None:
    """Print the table."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.savings", description=__doc__, formatter_class=raw)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(f"{'':<30}" + "".join(f"{name + ', ms':>14}{'of exact':>10}" for name in SIZES))
    sides = {(data, name): steps_of(sizes, name) for data, sizes in SIZES.items() for name in VARIANTS}
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in sides}
    for turn in range(options.rounds + 1):
        for key, take in sides.items():
            began = time.perf_counter()
            take()
            if turn:  # the first is not timed
                seconds[key].append((time.perf_counter() - began) / STEPS)
    for name in VARIANTS:
        row = f"{name:<30}"
        for data in SIZES:
            own, exact = (statistics.median(seconds[data, key]) for key in (name, "exact"))
            row += f"{1e3 * own:>14.2f}{own / exact:>10.2f}"
        print(row)


if __name__ == "__main__":
    main()
