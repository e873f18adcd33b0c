"""Named networks with the settings, schedules and batch sizes that train them: the only place that has them.

The command, the experiments and the benchmarks read them here. A preset is a value: `Preset.network` makes the
network, `Preset.start` its first state, and `Preset.how` the keywords of `pycopi.fit`. `subspace_recipe` is
apart from these: it is made for the sizes of a network.
"""

from pycopi.presets.methods import METHODS, Method
from pycopi.presets.named import (
    CIFAR10,
    DIGITS,
    FILES,
    MNIST,
    PAPER,
    PAPER_EPOCHS,
    PAPER_SEEDS,
    PRESETS,
    preset_for,
)
from pycopi.presets.preset import VARIANCE_SCALED_EPSILON, Preset
from pycopi.presets.subspace import Recipe, subspace_recipe

__all__ = [
    "CIFAR10",
    "DIGITS",
    "FILES",
    "METHODS",
    "MNIST",
    "PAPER",
    "PAPER_EPOCHS",
    "PAPER_SEEDS",
    "PRESETS",
    "VARIANCE_SCALED_EPSILON",
    "Method",
    "Preset",
    "Recipe",
    "preset_for",
    "subspace_recipe",
]
