"""What is live in this process: engines, libraries, threads."""

import os
import platform
from pathlib import Path

from pycopi import _build
from pycopi.kernels import native
from pycopi.kernels.engine import forced_engine, preferred

BACKENDS = ("numpy", "array-api-strict", "torch", "jax", "cupy", "dask")
"""The array libraries that pycopi is tested with, by the names of their distributions."""


def configuration() -> dict[str, str]:
    """Return what is live as texts by their names.

    Nothing is imported for it but Numba, where that would do the work: whether it can is found out by trying.
    """
    forced = forced_engine()
    engine, faults = (f"{forced} (forced)", {}) if forced else preferred()
    return {
        "pycopi": _build.VERSION,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "engine": "; ".join([engine, *(f"{name} cannot work: {fault}" for name, fault in faults.items())]),
        "C core": _core_state(),
        "Numba": _version_of("numba") or "not installed",
        "processors": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "threads": _threads(),
        **{f"backend {name}": _version_of(name) or "not installed" for name in BACKENDS},
    }


def processor_name() -> str:
    """Return the name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def show_config() -> None:
    """Print what is live in this process: version, engine, backends found, threads.

    Examples
    --------
    >>> import pycopi
    >>> pycopi.show_config()  # doctest: +ELLIPSIS
    pycopi ...
    """
    lines = configuration()
    width = max(map(len, lines))
    for name, text in lines.items():
        print(f"{name:<{width}}  {text}")


def _core_state() -> str:
    if not native.available:
        return "cannot be loaded" if native.installed else "not built"
    from pycopi import _core

    count = _core.threads()
    code = f"running its {_core.instruction_set()} code in up to {count} thread{'s' * (count > 1)}"
    return f"built with {_build.COMPILER}, {code}"


def _version_of(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    candidates = [name, "cupy-cuda12x", "cupy-cuda13x"] if name == "cupy" else [name]
    for candidate in candidates:
        try:
            return version(candidate)
        except PackageNotFoundError:
            continue
    return None


def _threads() -> str:
    """Return the number of threads that the environment sets for NumPy's matrix products."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    chosen = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    return ", ".join(chosen) or "as many as processors (set OMP_NUM_THREADS to change it)"
