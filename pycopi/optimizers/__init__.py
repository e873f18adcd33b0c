"""Optimizers: how proposed changes become new parameters; one a file."""

from pycopi.optimizers.adam import Adam
from pycopi.optimizers.base import Change, Changes, Optimizer
from pycopi.optimizers.plain import PLAIN, Plain

__all__ = ["PLAIN", "Adam", "Change", "Changes", "Optimizer", "Plain"]
