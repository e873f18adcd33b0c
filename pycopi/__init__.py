"""Constrained parameter inference (COPI): local learning with decorrelated layer inputs, on any array library.

The names here are the whole public interface, together with the modules `pycopi.analysis`, `pycopi.data`,
`pycopi.activations` and `pycopi.plotting`.

They are imported when the first of them is used: importing the package alone brings no NumPy, so that the
command can answer Ctrl-C while libraries are still being loaded.
"""

# ruff: noqa: F403, F405  (what the star brings is in _public.py)

from pycopi._build import VERSION as __version__

TYPE_CHECKING = False  # as in typing, which takes longer to import than all else here
if TYPE_CHECKING:
    from typing import Any

    from pycopi._public import *

__all__ = [
    "Adam",
    "Decorrelation",
    "Dense",
    "DenseParameters",
    "DivergenceError",
    "EpochRecord",
    "Guard",
    "Network",
    "Rates",
    "SampleState",
    "Schedule",
    "Settings",
    "TrainingInterrupted",
    "TrainingState",
    "__version__",
    "activations",
    "analysis",
    "copi_update",
    "decorrelate_sample",
    "decorrelate_stream",
    "decorrelation_update",
    "early_stopping",
    "evaluate",
    "finish_samples",
    "fit",
    "gradient_update",
    "load",
    "mlp",
    "rank_k_update",
    "save",
    "show_config",
    "start_samples",
    "train_step",
    "train_steps",
    "use_engine",
]


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name in __all__ and name not in ("activations", "analysis"):
        globals()[name] = found = getattr(import_module("pycopi._public"), name)
        return found
    try:
        return import_module(f"pycopi.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"pycopi.{name}":  # something that the module needs
            raise
    msg = f"module 'pycopi' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "data", "plotting"})
