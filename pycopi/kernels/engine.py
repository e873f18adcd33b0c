"""Which engine does the work: chosen by the array, or forced by the user."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType

from pycopi._array import Array, library
from pycopi.kernels import cupy, native, numba, portable

ENGINES = ("portable", "native", "numba")
"""The engines by name; the portable one is the definition of what the others must return."""

_COMPILED = {"native": native, "numba": numba}
_MISSING = {
    "native": (
        "pycopi was built without its C core; reinstall it on a machine with a C compiler, or use 'portable'"
    ),
    "numba": "Numba is not installed; install the extra 'numba', or use 'portable'",
}


def _checked(name: str, source: str) -> str:
    if name not in ENGINES:
        msg = f"{source} names the engine {name!r}; expected one of {', '.join(ENGINES)}"
        raise ValueError(msg)
    if name in _COMPILED and not _COMPILED[name].available:
        msg = f"{source} names the engine {name!r}, but {_MISSING[name]}"
        raise ValueError(msg)
    return name


_environment = os.environ.get("PYCOPI_ENGINE")
_forced: ContextVar[str | None] = ContextVar("pycopi_engine", default=None)


@contextmanager
def use_engine(name: str) -> Iterator[None]:
    """Use one engine for every operation inside the ``with`` block, in this thread.

    Parameters
    ----------
    name : {"portable", "native", "numba"}
        ``portable`` is plain array API calls, for every library; ``native`` is the C core and ``numba`` the
        same compiled by Numba, both for float32 and float64 NumPy arrays only.

    Raises
    ------
    ValueError
        If there is no engine of that name, or it is not part of this installation.

    Notes
    -----
    The environment variable ``PYCOPI_ENGINE`` does the same for a whole process. Inside the block, an
    array that the engine cannot take raises TypeError instead of falling back.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> with pycopi.use_engine("portable"):
    ...     pycopi.rank_k_update(np.eye(2), np.ones((1, 2)), np.ones((1, 2)), scale=0.5)
    array([[1.5, 0.5],
           [0.5, 1.5]])
    """
    token = _forced.set(_checked(name, "use_engine"))
    try:
        yield
    finally:
        _forced.reset(token)


def forced_engine() -> str | None:
    """Return the name of the engine that the user has forced, or None."""
    forced = _forced.get()
    if forced is None and _environment:
        return _checked(_environment, "PYCOPI_ENGINE")
    return forced


def engine_for(matrix: Array) -> ModuleType:
    """Return the engine module that works on ``matrix``.

    For NumPy matrices native, else numba where installed; for CuPy's cupy; for what they do not take, portable.
    """
    forced = forced_engine()
    if forced == "portable":
        return portable
    engine = numba if forced == "numba" or not native.available else native
    if engine.available and engine.accepts(matrix):
        return engine
    if forced is not None:
        msg = (
            f"the engine {forced!r} takes float32 and float64 NumPy matrices with contiguous rows; "
            f"got a {library(matrix)} array of dtype {matrix.dtype}: use the engine 'portable'"
        )
        raise TypeError(msg)
    return cupy if cupy.accepts(matrix) else portable
