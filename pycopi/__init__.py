"""Constrained parameter inference (COPI): local learning with decorrelated layer inputs, on any array library.

The names here are the whole public interface, together with the modules `pycopi.analysis`, `pycopi.data`,
`pycopi.activations` and `pycopi.plotting`. Of these, data and plotting are imported at their first use.
"""

import importlib
import sys
from typing import TYPE_CHECKING

from pycopi import activations, analysis
from pycopi._build import VERSION as __version__
from pycopi.config import show_config
from pycopi.kernels.engine import use_engine
from pycopi.layers import Dense, DenseParameters
from pycopi.network import Network, mlp
from pycopi.rules.adam import Adam
from pycopi.rules.decorrelation import Decorrelation, decorrelation_update
from pycopi.rules.divergence import StreamDivergenceError
from pycopi.rules.rank_k import rank_k_update
from pycopi.rules.sample import SampleState, decorrelate_sample, finish_samples, start_samples
from pycopi.rules.stream import decorrelate_stream
from pycopi.rules.weights import copi_update, gradient_update
from pycopi.settings import Rates, Settings
from pycopi.storage import load, save
from pycopi.training.checkpoint import Checkpoint
from pycopi.training.divergence import DivergenceError
from pycopi.training.evaluate import evaluate
from pycopi.training.fit import fit
from pycopi.training.guard import Guard
from pycopi.training.history import (
    EpochRecord,
    TrainingInterrupted,
    TrainingState,
    early_stopping,
)
from pycopi.training.schedules import Schedule
from pycopi.training.step import train_step
from pycopi.training.steps import train_steps

if TYPE_CHECKING:
    from pycopi import data, plotting

__all__ = [
    "Adam",
    "Checkpoint",
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
    "StreamDivergenceError",
    "TrainingInterrupted",
    "TrainingState",
    "__version__",
    "activations",
    "analysis",
    "copi_update",
    "data",
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
    "plotting",
    "rank_k_update",
    "save",
    "show_config",
    "start_samples",
    "train_step",
    "train_steps",
    "use_engine",
]

if not TYPE_CHECKING:  # else a type checker would take any name for one of this module

    def __getattr__(name: str) -> object:
        """Return a module that is in the public interface and not imported yet."""
        if name not in ("data", "plotting"):
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg, name=name, obj=sys.modules[__name__])
        return importlib.import_module(f"{__name__}.{name}")

    def __dir__() -> list[str]:
        """Return all names, those of modules that are not imported yet included."""
        return sorted({*globals(), *__all__})
