"""Processor seconds of a training step of every method, the sides in turn in one process of one thread.

The seconds of the race's own rows come from hours in which the machine had other work; tables of times are
made from these instead.
"""

import csv
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

import numpy as np

from benchmarks.sides import Side, needed, take_turns
from benchmarks.tuned import pycopi_methods
from benchmarks.tuned.plan import SLOW
from benchmarks.tuned.torch_methods import Program
from benchmarks.tuned.trial import SIZES
from pycopi._buffers import Buffers, reuse
from pycopi._files import whole_file
from pycopi.state import start
from pycopi.training.step import step

BATCHES = (128, 256)

CALLS = 48
"""Steps in a call: COPI subspace refreshes its directions about once in so many at a batch of 128."""

_FEW_CALLS = 10
"""Steps in a call of a slow method: one of SOAP's shortest intervals between new eigenvectors."""

_DIFFERENT = 4  # batches, taken in turn
_FACTOR = 1e-3  # of the rate: numbers stay as they are however often a step is made


class Step(NamedTuple):
    """Processor seconds of a step of a method at a setting, whose batch is ``batch``."""

    network: str
    method: str
    batch: int
    seconds: float


def measure(network: str, settings: Mapping[str, Mapping[str, Any]], *, turns: int = 7) -> list[Step]:
    """Return the seconds of a step of each method at its setting, at each batch size; one turn of slow ones."""
    found = []
    for batch in BATCHES:
        sides = {name: side_of(SIZES[network], name, {**one, "batch": batch}) for name, one in settings.items()}
        slow = {name: sides.pop(name) for name in SLOW if name in sides}
        how: dict[str, Any] = {"clock": time.process_time, "typical": _lower_quartile}
        seconds = take_turns(sides, turns=turns, **how)
        found += [Step(network, name, batch, one / CALLS) for name, one in seconds.items()]
        seconds = take_turns(slow, turns=1, least_seconds=0.0, **how)
        found += [Step(network, name, batch, one / _FEW_CALLS) for name, one in seconds.items()]
    return found


def _lower_quartile(seconds: list[float]) -> float:
    return quantiles(seconds, n=4, method="inclusive")[0] if len(seconds) > 1 else seconds[0]


def side_of(sizes: Sequence[int], method: str, setting: Mapping[str, Any]) -> Side:
    """Return `CALLS` steps of a method in a row, fewer of a slow one."""
    generator = np.random.default_rng(0)
    shape = _DIFFERENT, setting["batch"]
    inputs = generator.random((*shape, sizes[0]), dtype=np.float32)
    labels = generator.integers(sizes[-1], size=shape)
    own = pycopi_methods.METHODS.get(method)
    return (
        _pycopi(own(sizes, setting), inputs, labels) if own else _torch(method, sizes, setting, inputs, labels)
    )


def _torch(method: str, sizes: Any, setting: Mapping[str, Any], inputs: Any, labels: Any) -> Side:
    torch, program = needed("torch"), Program(method, sizes, setting, 0)
    batches = cycle(list(zip(torch.from_numpy(inputs), torch.from_numpy(labels), strict=True)))

    def side() -> None:
        for _ in range(_FEW_CALLS if method in SLOW else CALLS):
            program.step(*next(batches), _FACTOR)

    return side


def _pycopi(made: pycopi_methods.Made, inputs: Any, labels: Any) -> Side:
    network, settings = made
    state, buffers = start(network, settings, like=inputs[0]), Buffers()
    rates = settings.rates._replace(weights=_FACTOR * settings.rate)
    batches = cycle(list(zip(inputs, labels, strict=True)))

    def side() -> None:
        nonlocal state
        for _ in range(CALLS):
            with reuse(buffers):
                state, _metrics = step(network, state, *next(batches), settings, rates)

    return side


def write_steps(path: Path, steps: Iterable[Step]) -> None:
    """Write steps as a CSV file."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Step._fields)
        writer.writerows((*one[:-1], f"{one.seconds:.6g}") for one in steps)


def read_steps(path: Path) -> list[Step]:
    """Return the steps of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Step(one["network"], one["method"], int(one["batch"]), float(one["seconds"]))
            for one in csv.DictReader(file)
        ]
