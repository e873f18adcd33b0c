"""Training steps in all threads and in one, while other programs or other pools keep the processors busy."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from statistics import median, quantiles
from typing import Any

import numpy as np

from benchmarks.machine import threads
from benchmarks.sides import Side, installed, left_out, needed
from benchmarks.step import BATCH, PAPER, QUICK, step_side
from benchmarks.table import Column, Scope, Table

Turns = list[list[float]]
"""The seconds of each step, turn by turn."""

_LOOP = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
parent = os.getppid()
print(flush=True)
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""

_TURN, _WARM_UP = 0.4, 0.1  # seconds: of steps that count, and of those before them that do not
_HOW = (
    "All, one: milliseconds of an exact step (batch 50, float32) in all threads and in one, which take turns "
    "of 0.4 s within one process; upper: the upper decile. All / one: the median over turns of the ratio of "
    "their medians. Busy: an endless loop is pinned to so many processors. Beside PyTorch: before each step "
    "PyTorch and NumPy's BLAS make a product in all of their threads, which is not timed; these threads stay "
    "awake for a while, beside the step's."
)


def tables(scope: Scope) -> Iterator[Table]:
    """Return the table of steps beside busy programs."""
    name, sizes = next(iter((QUICK if scope.quick else PAPER).items()))
    yield Table(
        "steady",
        f"A training step of {name} on a shared machine",
        [Column("busy processors"), Column("beside"), Column("all / one", ".2f")]
        + [Column(head, ".2f") for head in ("upper all / one", "all", "upper all", "one", "upper one")],
        list(_rows(step_side(sizes, BATCH), scope)),
        [_HOW, *left_out("torch", "PyTorch"), *left_out("threadpoolctl", "One thread")],
    )


def _rows(step: Side, scope: Scope) -> Iterator[tuple[Any, ...]]:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    for company in ("nothing", "PyTorch") if installed("torch") else ("nothing",):
        before = _products(scope) if company == "PyTorch" else _nothing
        for count in sorted({0, min(1, len(cores)), len(cores)}):
            with _busy(cores[len(cores) - count :]):
                turns = _measured(step, before, scope)
            yield str(count), company, *_figures(turns[threads()], turns.get(1))


def _figures(every: Turns, one: Turns | None) -> list[float | None]:
    """Return the cells of a row: two ratios, and medians and upper deciles in milliseconds."""
    found: list[float | None] = []
    for turns in (every, one):
        steps = [1e3 * second for turn in turns or [] for second in turn]
        found += [median(steps), quantiles(steps, n=10)[-1]] if steps else [None, None]
    if one is None or found[1] is None or found[3] is None:
        return [None, None, *found]
    return [median(median(a) / median(b) for a, b in zip(every, one, strict=True)), found[1] / found[3], *found]


def _measured(step: Side, before: Side, scope: Scope) -> dict[int, Turns]:
    """Return the seconds of the steps of each turn, for each number of threads."""
    counts = (threads(), 1) if installed("threadpoolctl") and threads() > 1 else (threads(),)
    found: dict[int, Turns] = {count: [] for count in counts}
    for _ in range(scope.turns):
        for count, turns in found.items():
            limited = _limit(count)
            _steps(step, before, limited, 0 if scope.quick else _WARM_UP)
            turns.append(_steps(step, before, limited, 0 if scope.quick else _TURN))
    return found


def _steps(step: Side, before: Side, limited: Callable[[], Any], seconds: float) -> list[float]:
    """Return the seconds of each step of a turn, at least two."""
    found: list[float] = []
    until = time.perf_counter() + seconds
    while len(found) < 2 or time.perf_counter() < until:
        before()
        with limited():
            began = time.perf_counter()
            step()
            found.append(time.perf_counter() - began)
    return found


def _limit(count: int) -> Callable[[], Any]:
    """Return what makes contexts in which all pools of this process have so many threads."""
    if not installed("threadpoolctl"):
        return nullcontext
    pools = needed("threadpoolctl").ThreadpoolController()
    return lambda: pools.limit(limits=count)


def _products(scope: Scope) -> Side:
    """Return a call that has PyTorch and NumPy make a product in their threads."""
    torch, n = needed("torch"), 64 if scope.quick else 784
    square = np.ones((n, n), np.float32)
    tensor = torch.from_numpy(square)
    return lambda: (torch.mm(tensor, tensor), torch.relu(tensor), np.matmul(square, square))


def _nothing() -> None:
    """Leave the step alone."""


@contextmanager
def _busy(cores: Sequence[int]) -> Iterator[None]:
    """Keep processors busy by a loop each, which also ends when this process does."""
    with ExitStack() as running:
        for core in cores:
            words = [sys.executable, "-c", _LOOP, str(core)]
            loop = running.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE))
            running.callback(loop.kill)
            assert loop.stdout is not None
            loop.stdout.readline()  # it has its processor now
        yield
