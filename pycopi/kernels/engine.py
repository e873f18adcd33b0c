"""Which engine does the work: chosen by the array, or forced by the user."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pycopi._array import Array, library
from pycopi.kernels import cupy, native, numba, portable
from pycopi.kernels.protocol import Engine

BY_NAME: dict[str, Engine] = {"portable": portable, "native": native, "numba": numba}
"""The engines by name; the portable one is the definition of what the others must return."""

ENGINES = tuple(BY_NAME)
"""Their names."""

_ON_GPU: Engine = cupy


def _checked(name: str, source: str) -> str:
    if name not in ENGINES:
        msg = f"{source} names the engine {name!r}; expected one of {', '.join(ENGINES)}"
        raise ValueError(msg)
    fault = BY_NAME[name].fault()
    if fault is not None:
        msg = f"{source} names the engine {name!r}, but {fault}, or use 'portable'"
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
        If there is no engine of that name, or it cannot work in this installation; the error says why.

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


def engine_for(matrix: Array) -> Engine:
    """Return the engine that works on ``matrix``.

    For NumPy matrices native, else numba where it works; for CuPy's cupy; for what they do not take, portable.
    """
    forced = forced_engine()
    if forced is not None:
        return _forced_for(matrix, forced)
    if native.accepts(matrix):  # numba takes the same
        return BY_NAME["native"] if native.available else _second()
    return _ON_GPU if cupy.accepts(matrix) else portable


def _forced_for(matrix: Array, name: str) -> Engine:
    engine = BY_NAME[name]
    if not engine.accepts(matrix):
        msg = (
            f"the engine {name!r} takes float32 and float64 NumPy matrices with contiguous rows; "
            f"got a {library(matrix)} array of dtype {matrix.dtype}: use the engine 'portable'"
        )
        raise TypeError(msg)
    return engine


def preferred() -> tuple[str, dict[str, str]]:
    """Return the engine for NumPy matrices by name, and why those installed before it do not work."""
    if native.available:
        return "native", {}
    faults = {"native": native.fault()} if native.installed else {}
    if numba.available:
        faults["numba"] = numba.fault()
    broken = {name: fault for name, fault in faults.items() if fault is not None}
    return "portable" if "numba" in broken or not numba.available else "numba", broken


_told = False


def _second() -> Engine:
    """Return the engine for NumPy matrices where there is no C core; warn once of those that do not work."""
    global _told
    name, faults = preferred()
    if not _told:
        _told = True
        for broken, fault in faults.items():
            msg = f"the engine {broken!r} cannot work here, so {name!r} does: {fault}, "
            msg += f"or set PYCOPI_ENGINE={name}"
            warnings.warn(msg, RuntimeWarning, stacklevel=4)
    return BY_NAME[name]
