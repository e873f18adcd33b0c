"""The numbers of the estimators: those of the command on users' own files.

To be replaced by ``pycopi.presets``: `for_tables` is the only place of this room that has them.
"""

from typing import Any


def for_tables() -> dict[str, Any]:
    """Return what the estimators do by default, by the names of their parameters."""
    return {
        "hidden_layer_sizes": (100,),
        "activation": "leaky_relu",
        "max_iter": 80,
        "batch_size": 64,
        "rate": 1e-3,
        "gain": 1000.0,
        "decorrelation_rate": 1e-3,
        "step_bound": 0.5,
        "rate_decay": 0.97,
        "standardize": True,
    }
