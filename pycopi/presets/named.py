"""The presets by name: the digits, the paper's two data sets, and files of the user's own."""

from collections.abc import Mapping
from dataclasses import replace

from pycopi.presets.methods import SOURCE
from pycopi.presets.preset import Preset
from pycopi.rules.decorrelation import Decorrelation
from pycopi.settings import Settings
from pycopi.training.schedules import Schedule

PAPER = Settings(step_bound=None, decorrelation=Decorrelation(step_bound=None))
"""The paper's settings for MNIST and CIFAR-10: every step is as large as its rate says."""

PAPER_EPOCHS, PAPER_SEEDS = 100, 5
"""How long and how often the paper trained each network."""

DIGITS = Preset(
    data="digits",
    title="the embedded digits",
    source="pycopi's own, for tests and a first look: 98 % of 8 x 8 images",
    hidden=(128, 128),
    settings=replace(PAPER, rate=1e-2, gain=100.0, decorrelation=Decorrelation(rate=1e-2, step_bound=None)),
    batch_size=20,
    epochs=40,
    adam_rate=1e-3,
    image=(8, 8),
)
"""The digits that come with pycopi."""

MNIST = Preset(
    data="mnist",
    title="MNIST",
    source=f"{SOURCE}: data in [0, 1], flattened, neither centred nor augmented",
    hidden=(500,) * 6,
    settings=PAPER,
    batch_size=50,
    epochs=20,
    image=(28, 28),
)
"""The paper's network and settings for MNIST, with fewer epochs."""

CIFAR10 = replace(MNIST, data="cifar10", title="CIFAR-10", hidden=(1000,) * 4, image=(3, 32, 32))
"""The paper's network and settings for CIFAR-10, with fewer epochs."""

FILES = Preset(
    data="files",
    title="the user's own data",
    source="pycopi's own: one choice for tables of any scale, compared with others in docs/users.md",
    hidden=(100,),
    settings=Settings(loss="cross_entropy"),
    batch_size=64,
    epochs=80,
    weight_schedule=Schedule(start=1, decay=0.97),
    bias=True,
    standardized=True,
    scaled_targets=True,
    adam_rate=1e-3,
)
"""For data of any scale: inputs and targets are brought to about 1, and every step is bounded.

It is for two classes or more; `Preset.for_regression` makes the one for real-valued targets.
"""

PRESETS: Mapping[str, Preset] = {preset.data: preset for preset in (DIGITS, FILES, MNIST, CIFAR10)}
"""The presets by the names of their data."""


def preset_for(data: str) -> Preset:
    """Return the preset for data.

    Parameters
    ----------
    data : str
        ``"digits"``, ``"mnist"`` or ``"cifar10"``; anything else is the user's own data.

    Returns
    -------
    Preset
        The preset of that name, or `FILES`.

    Examples
    --------
    >>> import pycopi
    >>> pycopi.presets.preset_for("cifar10").hidden
    (1000, 1000, 1000, 1000)
    """
    return PRESETS.get(data, FILES)
