"""From flags as they were given to checked values."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from pycopi.activations import ACTIVATIONS
from pycopi.credit import CREDIT
from pycopi.losses import LOSSES
from pycopi.rules.decorrelation import RULES
from pycopi.rules.inference import RULES as WEIGHT_RULES

CHOICES: dict[str, tuple[str, ...]] = {
    "activation": ("leaky_relu", *(name for name in ACTIVATIONS if name not in ("leaky_relu", "affine"))),
    "credit": tuple(CREDIT),
    "rule": (*WEIGHT_RULES, "adam"),
    "loss": tuple(LOSSES),
    "decorrelation_rule": RULES,
    "backend": ("numpy", "torch", "jax", "cupy", "array-api-strict"),
    "dtype": ("float32", "float64"),
    "preset": ("paper", "fast"),
    "split": ("test", "train"),
    "task": ("classes", "regression"),
}
"""What flags with a fixed set of values take, by parameter name; the first is the default."""

LIMITS = {
    **dict.fromkeys(("epochs", "batch_size", "patience", "layer", "samples", "seeds"), (1, math.inf)),
    **dict.fromkeys(("decorrelation_epochs", "warm_up", "seed"), (0, math.inf)),
    "decorrelation_every": (1, math.inf),
    **dict.fromkeys(("rate", "gain", "decorrelation_rate", "epsilon"), (0, math.inf)),
    **dict.fromkeys(("step_bound", "decorrelation_bound"), (0, math.inf)),
    **dict.fromkeys(("whitening", "rate_decay"), (0, 1)),
}
"""Least and greatest values of flags that are numbers; all are finite."""

LISTS: dict[str, tuple[Callable[[str], Any], str]] = {
    "freeze_decorrelation_after": (
        lambda text: None if text == "never" else int(text),
        "whole numbers of epochs or never",
    ),
    "decorrelation_fraction": (float, "numbers above 0 and at most 1"),
}
"""Flags that take one value, or one for each layer with commas between: how each is read, and what it is."""

_LAYERS = re.compile(r"([1-9]\d{0,6})(?:x([1-9]\d{0,2}))?")  # as 500 or 500x6


def read_flags(parameters: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return the flags of these names that were given, each as a checked value."""
    given = {name: value for name, value in parameters.items() if name in names}
    return {name: read_flag(name, value) for name, value in given.items() if value is not None}


def read_flag(name: str, value: Any) -> Any:
    """Return the value of one flag, checked."""
    if name in CHOICES:
        return _read_choice(name, value)
    if name == "hidden":
        return read_hidden(value)
    if name in LISTS:
        return _read_list(name, value, *LISTS[name])
    if name in LIMITS:
        least, most = LIMITS[name]
        if not (least <= value <= most and math.isfinite(value)):
            wanted = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
            msg = f"{flag(name)} is {value}; expected a finite number {wanted}"
            raise ValueError(msg)
    return value


def _read_list(name: str, text: str, read: Callable[[str], Any], what: str) -> Any:
    """Return the value of a flag, or a tuple of one for each layer."""
    try:
        values = tuple(read(part.strip()) for part in text.split(","))
    except ValueError:
        msg = f"{flag(name)} is {text!r}; expected {what}, with commas between those of different layers"
        raise ValueError(msg) from None
    return values if len(values) > 1 else values[0]


def _read_choice(name: str, value: str) -> str:
    """Return a choice in its own spelling; hyphens and underscores are the same."""
    for choice in CHOICES[name]:
        if choice.replace("_", "-") == value.replace("_", "-"):
            return choice
    msg = f"{flag(name)} is {value!r}; expected one of {', '.join(CHOICES[name])}"
    raise ValueError(msg)


def read_hidden(text: str) -> tuple[int, ...]:
    """Return the sizes of hidden layers.

    Examples
    --------
    >>> read_hidden("500x2,100"), read_hidden("none")
    ((500, 500, 100), ())
    """
    if text == "none":
        return ()
    sizes: list[int] = []
    for part in text.split(","):
        match = _LAYERS.fullmatch(part.strip())
        if match is None:
            msg = (
                f"--hidden is {text!r}; expected sizes of layers such as 128,64 or 500x6 (six of 500), or none"
            )
            raise ValueError(msg)
        sizes += [int(match[1])] * int(match[2] or 1)
    return tuple(sizes)


def flag(name: str) -> str:
    """Return the flag of a parameter."""
    return f"--{name.replace('_', '-')}"
