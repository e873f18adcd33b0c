"""One run of one method: what sets it apart, and the row that it leaves."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

SIZES = {
    "mnist": (784, *(500,) * 6, 10),
    "cifar10": (3072, *(1000,) * 4, 10),
    "cifar10-narrow": (3072, 1024, 512, 10),
    "digits": (64, 32, 10),
}
"""The networks by name; the name up to a dash is that of their data."""


class Entry(NamedTuple):
    """A network, a method and a variant of the inputs: what is tuned on its own."""

    network: str
    method: str
    inputs: str


class Trial(NamedTuple):
    """One run: an entry at a setting, for so many epochs; ``part`` is ``"search"``, ``"final"`` or another."""

    entry: Entry
    setting: Mapping[str, Any]
    epochs: int
    seed: int
    part: str

    @property
    def key(self) -> str:
        """Return the name of the trial's file, which its content alone decides."""
        text = json.dumps([*self.entry, self.setting, self.epochs, self.seed, self.part], sort_keys=True)
        return sha256(text.encode()).hexdigest()[:16]


class Row(NamedTuple):
    """What a trial was, and what came of it.

    ``validation``, ``loss`` and ``seconds`` have a number for each epoch that ended: the accuracy on the
    validation rows, the mean training loss, and the processor seconds of training. ``test`` is the accuracy
    on the test set at the end of a final run, else None, and ``error`` says why a run ended early, else "".
    """

    trial: Trial
    validation: tuple[float, ...]
    loss: tuple[float, ...]
    seconds: tuple[float, ...]
    test: float | None
    error: str

    @property
    def score(self) -> float:
        """Return the validation accuracy at the end, 0 for a run that failed."""
        return 0.0 if self.error else self.validation[-1]
