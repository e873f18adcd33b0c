"""The sides of a comparison: which can take part here, and how they take turns.

The turns are within one process, so that a slow spell of the machine meets all sides.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from pycopi.kernels.engine import BY_NAME
from pycopi.kernels.protocol import Engine

Side = Callable[[], object]

_INSTALL = 'pip install "pycopi[bench]"'

_PAUSE = 0.15
"""Seconds before a turn: threads that another library keeps spinning after its work go to sleep meanwhile."""

_WARM_UP = 0.04
"""Seconds of calls before those that count: spreading woken threads over processors may take so long."""


def take_turns(
    sides: Mapping[str, Side],
    *,
    turns: int = 7,
    least_seconds: float = 0.02,
    clock: Callable[[], float] = time.perf_counter,
    typical: Callable[[list[float]], float] = statistics.median,
) -> dict[str, float]:
    """Return the seconds of one call of each side by a clock, those ``typical`` of its turns.

    A turn is some calls that are not timed, which bring the side's data into the caches and wake its threads,
    and then as many timed calls as fill ``least_seconds``, at least one. Before all turns each side is called
    once, which compiles or allocates what it needs, and once more to see how long a call takes. Without
    ``least_seconds`` nothing is to be measured well, and nothing waits. ``clock=time.process_time`` counts the
    processor's seconds, which other programs change less.
    """
    calls = {}
    for name, side in sides.items():
        side()
        calls[name] = max(1, round(least_seconds / max(_seconds(side, 1, clock), 1e-9)))
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(turns):
        for name, side in sides.items():
            if least_seconds:
                time.sleep(_PAUSE if len(sides) > 1 else 0.0)
                _call_for(side, _WARM_UP)
            seconds[name].append(_seconds(side, calls[name], clock))
    return {name: typical(times) for name, times in seconds.items()}


def _call_for(side: Side, seconds: float) -> None:
    """Call a side, at least once, until so much time has passed."""
    until = time.perf_counter() + seconds
    side()
    while time.perf_counter() < until:
        side()


def _seconds(side: Side, calls: int, clock: Callable[[], float]) -> float:
    """Return the mean seconds of some calls in a row."""
    began = clock()
    for _ in range(calls):
        side()
    return (clock() - began) / calls


def needed(module: str) -> Any:
    """Return a module, or raise ImportError with the command that installs it."""
    if not installed(module):
        library = module.partition(".")[0]
        msg = f"this benchmark needs {library}, which is not installed; install it with: {_INSTALL}"
        raise ImportError(msg)
    return import_module(module)


def installed(module: str) -> bool:
    """Return whether the library of a module is installed; it is not imported for that."""
    return find_spec(module.partition(".")[0]) is not None


def left_out(module: str, side: str) -> list[str]:
    """Return a note on a side that is left out of a table, or nothing where its library is there."""
    if installed(module):
        return []
    return [f"{side} is left out: {module} is not installed ({_INSTALL})."]


def numpy_engines() -> dict[str, Engine]:
    """Return these engines by their names."""
    return {
        name: engine for name, engine in BY_NAME.items() if engine.fault() is None and engine.accepts(np.eye(2))
    }
