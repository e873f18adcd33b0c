"""Constrained parameter inference (COPI): local learning with decorrelated layer inputs, on any array library.

The names here are the whole public interface, together with the modules `pycopi.analysis`, `pycopi.data`,
`pycopi.activations` and `pycopi.plotting`.
"""

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
from pycopi.training.evaluate import evaluate
from pycopi.training.fit import fit
from pycopi.training.guard import DivergenceError, Guard
from pycopi.training.history import (
    EpochRecord,
    TrainingInterrupted,
    TrainingState,
    early_stopping,
)
from pycopi.training.schedules import Schedule
from pycopi.training.step import train_step
from pycopi.training.steps import train_steps

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
    "StreamDivergenceError",
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
