"""Optimizers: how proposed changes become new parameters; one a file, and a line in the table."""

from pycopi.optimizers.adam import Adam
from pycopi.optimizers.base import Change, Changes, Optimizer, added, as_array
from pycopi.optimizers.decorrelated import Decorrelated
from pycopi.optimizers.momentum import Momentum
from pycopi.optimizers.plain import PLAIN, Plain, pull_and_apply

__all__ = [
    "OPTIMIZERS",
    "PLAIN",
    "Adam",
    "Change",
    "Changes",
    "Decorrelated",
    "Momentum",
    "Optimizer",
    "Plain",
    "added",
    "as_array",
    "pull_and_apply",
]

OPTIMIZERS: dict[str, Optimizer] = {
    "plain": PLAIN,
    "momentum": Momentum(),
    "adam": Adam(),
    "decorrelated": Decorrelated(),
}
"""The optimizers by the names that `pycopi.Settings` uses."""
