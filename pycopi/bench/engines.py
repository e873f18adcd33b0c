"""The engines that work on NumPy arrays in this installation."""

from importlib import import_module
from types import ModuleType

import numpy as np

from pycopi.kernels.engine import ENGINES


def numpy_engines() -> dict[str, ModuleType]:
    """Return these engines by their names."""
    modules = {name: import_module(f"pycopi.kernels.{name}") for name in ENGINES}
    return {
        name: module
        for name, module in modules.items()
        if getattr(module, "available", True) and getattr(module, "accepts", lambda _: True)(np.eye(2))
    }
