"""Numbers, tables and texts as C has them. In all C here, @ stands for the prefix of the names."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import HostArray


class Footprint(NamedTuple):
    """What a function takes besides its code, in bytes: constants in flash, and working memory.

    That of ``learn_one`` is the size of its struct; that of the others is on the stack.
    """

    flash: int
    ram: int


class Part(NamedTuple):
    """A part of a header: its C, the functions that it declares for users, and what the first of them takes."""

    code: str
    functions: tuple[str, ...]
    footprint: Footprint


def number(value: float) -> str:
    """Return a float of 32 bits as C has it, exactly."""
    text = str(np.float32(value))
    return f"{text}f" if any(sign in text for sign in ".e") else f"{text}.0f"


def floats(name: str, values: Any) -> str:
    """Return the definition of a constant table of floats, row after row; raise if one is beyond 32 bits."""
    with np.errstate(over="ignore"):
        single: HostArray = np.asarray(values).astype(np.float32)
    if not np.isfinite(single).all():
        msg = f"{name.removeprefix('@_')} has {np.max(np.abs(values)):.3g}, which is beyond 32-bit floats in C"
        raise ValueError(msg + "; divide inputs or targets by a unit, and train again")
    return table("float", name, single.ravel(), number)


def table(kind: str, name: str, values: Iterable[Any], text: Callable[[Any], str] = str) -> str:
    """Return the definition of a constant table."""
    words = [text(value) for value in values]
    lines = [", ".join(words[first : first + 8]) for first in range(0, len(words), 8)]
    return f"static const {kind} {name}[{len(words)}] = {{\n    " + ",\n    ".join(lines) + "\n};\n"


def quoted(label: Any) -> str:
    """Return a label as a string of C: what is not plain ASCII by the numbers of its bytes in UTF-8."""
    plain = set(range(32, 127)) - set(b'"\\?@')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in str(label).encode()) + '"'
