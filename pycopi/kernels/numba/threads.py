"""Which threads share the rows of a large matrix: those of Numba's OpenMP or TBB layer.

One Python thread at a time has them, and a forked child has none: with OpenMP they do not live on there, and
Numba would end the process. In how many parts a matrix is cut depends on neither, so that a sum is rounded in
one way.
"""

import functools
import os
import threading

_SHARED_WORK = 1e6  # operations from which two threads are faster than one

_lock = threading.Lock()
_forked = False


@functools.cache
def count() -> int:
    """Return how many threads may share a matrix; 1 where threads of Python could not start them safely."""
    import numba

    try:
        numba.get_num_threads()  # which chooses a layer
        layer = numba.threading_layer()
    except Exception:  # there is none, or not the one that the environment names
        return 1
    return int(numba.config.NUMBA_NUM_THREADS) if layer in ("omp", "tbb") else 1


def parts_of(work: float) -> int:
    """Return in how many parts to do so much work."""
    return 1 if work < _SHARED_WORK else count()


def claim() -> bool:
    """Return whether this thread of Python has the threads from now on, until `give_back`."""
    return not _forked and _lock.acquire(blocking=False)


def give_back() -> None:
    """Leave the threads to others."""
    _lock.release()


def _note_fork() -> None:
    global _forked, _lock
    _forked, _lock = True, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
