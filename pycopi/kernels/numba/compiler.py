"""What Numba makes of a loop: compiled when it is first needed, and kept on disk where that can be done.

A child that is forked while another thread imports or compiles would wait for that thread's locks for ever, so
a fork waits until the thread is done.
"""

import functools
import hashlib
import importlib
import importlib.util
import logging  # noqa: F401  (before the hooks below are registered)
import os
import pathlib
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

Loop = Callable[..., Any]

available = importlib.util.find_spec("numba") is not None

_lock = threading.RLock()


@functools.cache
def fault() -> str | None:
    """Return why Numba cannot do the work here and what to do about it, or None; this imports Numba."""
    if not available:
        return "Numba is not installed; install the extra 'numba'"
    try:
        with _lock:
            import numba
    except Exception as error:  # whatever a broken installation raises
        return f"Numba cannot be imported ({_said(error)}); reinstall it"
    if numba.config.DISABLE_JIT:
        return "Numba compiles nothing while NUMBA_DISABLE_JIT is set; unset it"
    try:
        right = _probe()
    except Exception as error:  # whatever its compiler and the libraries under it raise
        return f"Numba cannot compile here ({_said(error)}); reinstall it"
    return None if right else "what Numba compiles here gives wrong numbers; reinstall it"


def _probe() -> bool:
    """Return whether an update is right, of a matrix with rows and columns that fill no register."""
    from pycopi.kernels.numba.engine import rank_k_update
    from pycopi.kernels.portable import RankK

    ones = np.ones((5, 45), np.float32)
    found = rank_k_update(ones, RankK(ones[:2, :5], ones[:2], 0.5, 3.0 * ones[0, :5]), True)
    return bool((found == 4.0).all())


def _said(error: Exception) -> str:
    """Return the kind of an error and the first line of what it says."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


@functools.cache
def compiled(name: str, dtype: Any, shared: bool) -> Loop:
    """Return a loop compiled for a dtype, and for threads that share it; it reads what is read-only, too."""
    with _lock:
        import numba

        module = importlib.import_module(f"pycopi.kernels.numba.{name}")
        function, signature = getattr(module, name), getattr(module, f"{name}_signature")
        # Numba names the files with the code by this, and takes what it finds there
        function.__qualname__ = f"{name}{'_shared' * shared}_{_digest()}"
        return _compile(function, signature(numba.from_dtype(dtype)), shared)


def _compile(function: Loop, signature: Any, shared: bool) -> Loop:
    """Return a function compiled; code on disk that cannot be read is made anew, and need not be kept."""
    import numba

    from pycopi.kernels.numba.loops import OPTIONS

    for keep in (True, True, False):
        loop: Any = numba.njit(parallel=shared, **OPTIONS)(function)
        try:
            if keep:
                loop.enable_caching()
            loop.compile(signature)
        except Exception:  # of a file cut short, any that reading it may raise
            if not keep:
                raise
            _discard(function, loop.stats.cache_path)
        else:
            break
    loop.disable_compile()
    compiled: Loop = loop
    return compiled


def _discard(function: Loop, folder: str | None) -> None:
    """Remove the files of a function, as far as that can be done."""
    for path in pathlib.Path(folder).glob(f"*.{function.__qualname__}-*") if folder else ():
        try:
            path.unlink()
        except OSError:
            return


@functools.cache
def _digest() -> str:
    """Return a digest of all loops: of changes in what one imports Numba knows nothing, and runs old code."""
    sources = sorted(pathlib.Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]


def _hold() -> None:
    """Let no thread import or compile from here on; it may be code of the program that Numba compiles."""
    _lock.acquire()
    theirs = _compiler_lock()
    if theirs is not None:
        theirs.acquire()


def _let_go() -> None:
    theirs = _compiler_lock()
    if theirs is not None:
        theirs.release()
    _lock.release()


def _compiler_lock() -> Any:
    module = sys.modules.get("numba.core.compiler_lock")
    return getattr(module, "global_compiler_lock", None)


# Of all that must happen before a fork, what was registered last comes first: this before logging's, whose lock
# a thread that compiles needs to get done.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go)
