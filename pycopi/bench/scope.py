"""What a benchmark is asked for."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple


class Scope(NamedTuple):
    """How much to measure, and what the long races need.

    ``quick`` takes tiny sizes and one turn, to see that everything runs; its numbers mean nothing. ``folder``
    keeps the races, so that one that was interrupted goes on; ``variants`` are what takes part in them, as
    keywords of `pycopi.fit`.
    """

    quick: bool = False
    data: tuple[str, ...] = ("mnist", "cifar10")
    data_dir: Path | None = None
    download: bool = True
    epochs: int = 30
    folder: Path | None = None
    variants: Mapping[str, Mapping[str, Any]] = MappingProxyType({"COPI": {}})
    report: Callable[[str], None] = lambda line: None

    @property
    def turns(self) -> int:
        """How often each side is timed."""
        return 1 if self.quick else 7

    @property
    def least_seconds(self) -> float:
        """How long a turn lasts at least."""
        return 0.0 if self.quick else 0.02
