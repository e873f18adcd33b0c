"""Libraries that only the benchmarks need: imported when a table asks for them."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

_INSTALL = 'pip install "pycopi[bench]"'


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
