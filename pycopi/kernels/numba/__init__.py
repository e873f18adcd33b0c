"""The Numba engine: for NumPy matrices where there is no C core. Importing it does not import Numba."""

from pycopi.kernels.numba.compiler import available, fault
from pycopi.kernels.numba.engine import (
    accepts,
    move,
    product,
    pull_then_update,
    rank_k_update,
    stream_block,
    update_then_project,
)

__all__ = [
    "accepts",
    "available",
    "fault",
    "move",
    "product",
    "pull_then_update",
    "rank_k_update",
    "stream_block",
    "update_then_project",
]
