"""The machine: its processor and libraries, and what its matrix products and its memory reach."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.sides import Side, take_turns
from benchmarks.table import Column, Table
from pycopi.config import configuration, processor_name

_LIBRARIES = ("numpy", "torch", "scipy", "scikit-learn", "numba", "threadpoolctl")


_HOW = (
    "Matrix product: `np.matmul` of 2048 by 2048 matrices. Sweep: each element of a 256 MiB array read and "
    "written once by `np.multiply`, in as many Python threads; bytes read and bytes written count."
)


class Limits(NamedTuple):
    """What this process reaches with its threads: products in operations a second, sweeps in bytes a second.

    A sweep reads and writes every element of an array once, and both count.
    """

    threads: int
    products: float
    sweeps: float


def facts() -> dict[str, str]:
    """Return processor, threads and libraries as texts by their names."""
    core = configuration()
    return {
        "processor": processor_name(),
        "processors": core["processors"],
        "threads": str(threads()),
        "BLAS of NumPy": _blas(),
        "python": core["python"],
        "pycopi": f"{core['pycopi']}, engine {core['engine']}, C core {core['C core']}",
        **{name: _version(name) for name in _LIBRARIES},
    }


def threads() -> int:
    """Return the number of threads that matrix products of this process may use."""
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        if (value := os.environ.get(name, "")).isdecimal() and int(value):
            return int(value)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limits(count: int, *, quick: bool = False) -> Limits:
    """Return what matrix products of NumPy and sweeps over memory reach on ``count`` threads."""
    n, length = (128, 1 << 16) if quick else (2048, 1 << 26)
    square, out = np.ones((n, n), np.float32), np.empty((n, n), np.float32)
    with sweeper(np.ones(length, np.float32), count) as sweep, _blas_limited(count):
        seconds = take_turns(
            {"product": lambda: np.matmul(square, square, out=out), "sweep": sweep},
            turns=1 if quick else 5,
            least_seconds=0.0 if quick else 0.1,
        )
    return Limits(count, 2 * n**3 / seconds["product"], 2 * 4 * length / seconds["sweep"])


@contextmanager
def sweeper(array: NDArray[Any], count: int | None = None) -> Iterator[Side]:
    """Provide a call that reads and writes each element of an array once, unchanged, in Python threads."""
    count = threads() if count is None else count
    parts = np.array_split(array, count)

    def sweep(part: NDArray[Any]) -> object:
        return np.multiply(part, 1.0, out=part)

    with ThreadPoolExecutor(count) as pool:
        yield (lambda: sweep(array)) if count == 1 else (lambda: list(pool.map(sweep, parts)))


def machine_table(*, quick: bool = False) -> Table:
    """Return the table of what the machine reaches on one thread, and on all that this process may use."""
    found = [limits(count, quick=quick) for count in sorted({1, threads()})]
    return Table(
        "machine",
        "What the machine reaches, float32",
        [Column("threads"), Column("matrix product, GFLOP/s", ".0f"), Column("sweep, GB/s", ".1f")],
        [(limit.threads, limit.products / 1e9, limit.sweeps / 1e9) for limit in found],
        [_HOW],
    )


def _blas_limited(count: int) -> Any:
    """Return a context in which BLAS uses ``count`` threads, as far as threadpoolctl is there to ask it."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(count)


def _blas() -> str:
    build: Any = np.show_config(mode="dicts")
    found = build["Build Dependencies"]["blas"]
    return f"{found['name']} {found['version']}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
