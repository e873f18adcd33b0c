"""The number of threads of a benchmark, which libraries read from the environment when they are loaded."""

import os
import subprocess
import sys
from collections.abc import Sequence

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def has_threads(threads: int) -> bool:
    """Return whether this process began with so many threads for every library."""
    return all(os.environ.get(name) == str(threads) for name in VARIABLES)


def again(module: str, words: Sequence[str], threads: int) -> int:
    """Run a module with its words in a new process that has so many threads, and return its exit status."""
    environment = os.environ | dict.fromkeys(VARIABLES, str(threads))
    return subprocess.run([sys.executable, "-m", module, *words], env=environment, check=False).returncode
