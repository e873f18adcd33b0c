"""Constrained parameter inference (COPI): local learning with decorrelated layer inputs, on any array library.

The names here are the whole public interface, together with the modules `pycopi.analysis`, `pycopi.data`,
`pycopi.activations`, `pycopi.export`, `pycopi.plotting` and `pycopi.presets`.

They are imported when the first of them is used: importing the package alone brings no NumPy, so that the
command can answer Ctrl-C while libraries are still being loaded.
"""

# ruff: noqa: F403, F405  (what the star brings is in _public.py)

from pycopi._build import VERSION as __version__

TYPE_CHECKING = False  # as in typing, which takes longer to import than all else here
if TYPE_CHECKING:
    from pycopi import data, export, plotting, presets
    from pycopi._public import *

__all__ = [
    "COPI",
    "Adam",
    "Backpropagation",
    "Checkpoint",
    "Course",
    "Credit",
    "Decorrelated",
    "Decorrelation",
    "Dense",
    "DenseParameters",
    "DirectFeedbackAlignment",
    "DivergenceError",
    "EpochRecord",
    "FeedbackAlignment",
    "Gradient",
    "Guard",
    "Layer",
    "Loss",
    "Momentum",
    "Network",
    "NodePerturbation",
    "Optimizer",
    "RankK",
    "Rates",
    "Recipe",
    "Record",
    "SampleState",
    "Schedule",
    "Settings",
    "SignSymmetric",
    "State",
    "StreamDivergenceError",
    "SubspaceDecorrelation",
    "TrainingInterrupted",
    "WeightRule",
    "__version__",
    "activations",
    "analysis",
    "copi_update",
    "data",
    "decorrelate_sample",
    "decorrelate_stream",
    "decorrelation_update",
    "early_stopping",
    "epochs",
    "evaluate",
    "export",
    "finish_samples",
    "fit",
    "gradient_update",
    "load",
    "mlp",
    "plotting",
    "presets",
    "rank_k_update",
    "save",
    "show_config",
    "start",
    "start_samples",
    "subspace_recipe",
    "train_step",
    "train_steps",
    "use_engine",
]

if not TYPE_CHECKING:  # else a type checker would take any name for one of this module

    def __getattr__(name):
        """Return a name of the public interface, or a module, that has not been used yet."""
        from importlib import import_module

        if name in __all__ and name not in ("activations", "analysis", "data", "export", "plotting", "presets"):
            globals()[name] = found = getattr(import_module("pycopi._public"), name)
            return found
        try:
            return import_module(f"pycopi.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"pycopi.{name}":  # something that the module needs
                raise
        msg = f"module 'pycopi' has no attribute {name!r}"
        raise AttributeError(msg, name=name)

    def __dir__():
        """Return all names, those that have not been used yet included."""
        return sorted({*globals(), *__all__})
