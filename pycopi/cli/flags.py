"""Flags: what each takes, how it is read, and what the help says of it."""

import argparse
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Given = Mapping[str, Any]
"""The flags and arguments that were given, by name, as checked values."""

NETWORK, LEARNING, DECORRELATION = "Network", "Learning", "Decorrelation"
SAVING, VARIANTS = "Doing less (off by default)", "Variants (off by default)"
COURSE, ANALYSIS, MACHINE, FILES = "Course of the run", "Analysis", "Machine", "Data and output"
"""The panels of the help."""


class Kind(NamedTuple):
    """What a flag takes: its name in the help, what is expected in words, and what reads a text.

    ``read`` raises ValueError for what is not expected.
    """

    metavar: str
    expected: str = ""
    read: Callable[[str], Any] = str


class Flag(NamedTuple):
    """A flag, or an argument where ``panel`` is empty; one without a kind is a switch."""

    panel: str
    name: str
    kind: Kind | None
    text: str
    default: str = ""
    negatable: bool = False

    def add_to(self, group: Any) -> None:
        """Add the flag to a parser or to a group of one."""
        words = f"{self.text} Default: {self.default}." if self.default else self.text
        how: dict[str, Any] = {"help": words.replace("%", "%%")}
        if self.kind is not None:
            how["metavar"] = self.kind.metavar
        else:
            how |= {
                "action": argparse.BooleanOptionalAction if self.negatable else "store_true",
                "default": None,
            }
        group.add_argument(flag(self.name) if self.panel else self.name, **how)

    def read(self, text: Any) -> Any:
        """Return the value of a text, or of a switch."""
        if self.kind is None:
            return text
        try:
            return self.kind.read(text)
        except ValueError:
            name = flag(self.name) if self.panel else self.name.upper()
            msg = f"{name} is {text!r}; expected {self.kind.expected}"
            raise ValueError(msg) from None


def read_flags(flags: Sequence[Flag], texts: Mapping[str, Any]) -> dict[str, Any]:
    """Return those flags that were given, each as a checked value."""
    return {one.name: one.read(texts[one.name]) for one in flags if texts[one.name] is not None}


def flag(name: str) -> str:
    """Return the flag of a name."""
    return f"--{name.replace('_', '-')}"


def shown(value: object) -> str:
    """Return a value as it is typed."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join("never" if one is None else str(one) for one in value) or "none"
    return str(value)


def number(least: float = 0, most: float = math.inf) -> Kind:
    """Return the kind of a finite number within limits."""
    return Kind(
        "FLOAT", f"a finite number {_limits(least, most)}", lambda text: _within(float(text), least, most)
    )


def whole(least: int = 1) -> Kind:
    """Return the kind of a whole number of at least so much."""
    return Kind(
        "INTEGER", f"a whole number of at least {least}", lambda text: _within(int(text), least, math.inf)
    )


def _limits(least: float, most: float) -> str:
    return f"of at least {least}" if most == math.inf else f"from {least} to {most}"


def _within(value: Any, least: float, most: float) -> Any:
    if not (least <= value <= most and math.isfinite(value)):
        raise ValueError
    return value


def choice(*names: str) -> Kind:
    """Return the kind of one of some names; hyphens and underscores are the same."""

    def read(text: str) -> str:
        plain = {name.replace("_", "-"): name for name in names}
        if text.replace("_", "-") not in plain:
            raise ValueError
        return plain[text.replace("_", "-")]

    return Kind("NAME", f"one of {', '.join(names)}", read)


def some_of(metavar: str, *names: str) -> Kind:
    """Return the kind of one or several of some names, with commas between."""

    def read(text: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
        if not set(found) <= set(names):
            raise ValueError
        return found

    return Kind(metavar, f"some of {','.join(names)}", read)


def each(metavar: str, read: Callable[[str], Any], what: str) -> Kind:
    """Return the kind of one value, or of one for each layer with commas between."""

    def read_all(text: str) -> Any:
        values = tuple(read(part.strip()) for part in text.split(","))
        return values if len(values) > 1 else values[0]

    return Kind(metavar, f"{what}, with commas between those of different layers", read_all)


_LAYERS = re.compile(r"([1-9]\d{0,6})(?:x([1-9]\d{0,2}))?")  # as 500 or 500x6


def read_hidden(text: str) -> tuple[int, ...]:
    """Return the sizes of hidden layers."""
    if text == "none":
        return ()
    sizes: list[int] = []
    for part in text.split(","):
        match = _LAYERS.fullmatch(part.strip())
        if match is None:
            raise ValueError(part)
        sizes += [int(match[1])] * int(match[2] or 1)
    return tuple(sizes)


FOLDER = Kind("FOLDER", "", Path)
DATA = Flag(
    "",
    "data",
    Kind("DATA"),
    "digits (built in), mnist, cifar10, a .csv file with names in its first line, or an .npz file with x, y "
    "(and x_test, y_test).",
)
MODEL = Flag("", "model", Kind("MODEL", "", Path), "A model file, or the output folder of a run.")
BACKEND = Flag(
    MACHINE,
    "backend",
    choice("numpy", "torch", "jax", "cupy", "array-api-strict"),
    "Array library that does the work: numpy (default), torch, jax, cupy, array-api-strict.",
)
DEVICE = Flag(
    MACHINE, "device", Kind("NAME"), "Device of that library, such as cuda or cuda:1.", "the library's own"
)
QUIET = Flag(FILES, "quiet", None, "Print nothing but errors.")
VERBOSE = Flag(FILES, "verbose", None, "Print a line for every epoch, not for about ten.")
JSON = Flag(FILES, "json", None, "Print one JSON object.")
PLACES = (
    Flag(
        FILES, "data_dir", FOLDER, "Folder that holds MNIST and CIFAR-10; otherwise $PYCOPI_DATA and the cache."
    ),
    Flag(FILES, "no_download", None, "Do not fetch data that is missing."),
)
"""Where data are looked for."""


def output(text: str, default: str) -> Flag:
    """Return the flag that names the folder for what a command makes."""
    return Flag(FILES, "output", FOLDER, text, default)
