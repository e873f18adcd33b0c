"""Good settings for each data set: a table, and what variants of COPI make of them."""

from collections.abc import Mapping
from typing import Any

from pycopi.experiments.tasks import TASKS, Task

Preset = Mapping[str, Any]
"""Fields of a `Plan` that depend on the data; a flag overrides each of them."""


def _of_task(task: Task, epochs: int) -> Preset:
    """Return the settings of an experiment, with a number of epochs."""
    return {
        "hidden": task.hidden,
        "batch_size": task.batch_size,
        "rate": task.rate,
        "decorrelation_rate": task.decorrelation_rate,
        "gain": task.gain,
        "epochs": epochs,
    }


FILES = "files"
"""The name in the table of the user's own data."""

_ANY_SCALE: dict[str, Any] = {
    "bias": True,
    "standardize": True,
    "scale_targets": True,
    "loss": "auto",
    "step_bound": 0.5,
    "decorrelation_bound": 0.5,
    "rate_decay": 0.97,
}
"""What lets a network learn from data of any scale: all is brought to about 1, and every step is bounded."""

PRESETS: dict[str, Preset] = {
    "digits": _of_task(TASKS["digits"], 40),
    FILES: {
        "hidden": (100,),
        "batch_size": 64,
        "rate": 1e-3,
        "decorrelation_rate": 1e-3,
        "gain": 1000.0,
        "epochs": 80,
        **_ANY_SCALE,
    },
    "mnist": _of_task(TASKS["mnist"], 20),
    "cifar10": _of_task(TASKS["cifar10"], 20),
}
"""The settings by data; those of MNIST and CIFAR-10 are the paper's, with fewer epochs."""


def preset_for(data: str) -> Preset:
    """Return the settings for a data set; anything without a name in the table is a file."""
    return PRESETS.get(data, PRESETS[FILES])


WHITENING_FACTOR = 0.01
"""Of the decorrelation rate: whitening raises inputs that are nearly always zero without end."""

VARIANCE_SCALED_EPSILON = 1e-2
"""Keeps the steps of weak inputs small when each is divided by the power of its input."""


FAST: dict[str, Any] = {
    "decorrelation_every": 5,
    "decorrelation_bound": 0.5,
    "step_bound": 2.0,
}
"""What the preset ``fast`` does; its decorrelation rate is as many times larger as its updates are rarer."""

FAST_IN_LONG_EPOCHS: dict[str, Any] = {
    "decorrelation_epochs": 0,
    "rate_decay": 0.75,
    "freeze_decorrelation_after": (2, None),
    "keep_decorrelated": True,
}
"""What it does besides on MNIST and CIFAR-10, whose epochs have a thousand steps.

The bounds spare the epoch that only decorrelates, weights that take ever smaller steps settle sooner, and two
epochs are enough for R of the first layer.
"""

ADAM_RATE = TASKS["mnist"].adam_rate
"""Of the weights, with Adam: the paper's."""


def adapted(preset: Preset, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the step sizes of a preset for the variant of COPI that the flags ask for.

    Inputs that stay correlated, or whose powers are raised, let the weights of COPI grow by a share
    of ``rate``: there the rate is a thousandth and the gain a hundredfold. Steps divided by the power of the
    input are larger: there the rate is a tenth. Adam does without a gain.
    """
    rate, gain, decorrelation = preset["rate"], preset["gain"], preset["decorrelation_rate"]
    whitening = given.get("whitening", 0.0) > 0
    if whitening:
        decorrelation *= WHITENING_FACTOR
    without = given.get("decorrelation_rate", decorrelation) == 0
    if given.get("rule") == "adam":
        rate, gain = ADAM_RATE, 1.0
    elif given.get("rule", "copi") == "copi":
        if whitening or without:
            rate, gain = rate / 1000, gain * 100
        if given.get("variance_scaled", False):
            rate /= 10
    saved: dict[str, Any] = {}
    if given.get("preset") == "fast":
        long = preset in (PRESETS["mnist"], PRESETS["cifar10"])
        saved = {**FAST, **(FAST_IN_LONG_EPOCHS if long else {})}
        saved |= {name: preset[name] for name in ("step_bound", "decorrelation_bound") if name in preset}
        decorrelation *= given.get("decorrelation_every", saved["decorrelation_every"])
    return {"rate": rate, "gain": gain, "decorrelation_rate": decorrelation, **saved}


def by_data_set(field: str) -> str:
    """Return the presets of one field as a short text, for the help of its flag.

    Examples
    --------
    >>> by_data_set("batch_size")
    '20; files: 64; mnist, cifar10: 50'
    """
    groups: dict[str, list[str]] = {}
    for name, preset in PRESETS.items():
        value = preset[field]
        if isinstance(value, tuple):
            value = f"{value[0]}x{len(value)}" if len(value) > 1 else value[0]
        groups.setdefault(f"{value:g}" if isinstance(value, float) else str(value), []).append(name)
    usual = next(iter(groups))
    others = [f"{', '.join(names)}: {value}" for value, names in groups.items() if value != usual]
    return "; ".join([usual, *others])
