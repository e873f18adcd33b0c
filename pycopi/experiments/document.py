"""A report as a list of blocks, which `html` and `markdown` render; neither knows anything of experiments."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Heading(NamedTuple):
    """A heading; ``level`` 1 is that of the whole page."""

    text: str
    level: int = 2


class Text(NamedTuple):
    """A paragraph."""

    text: str


class Code(NamedTuple):
    """A command, as it is typed."""

    text: str


class Table(NamedTuple):
    """A table: texts by row, the first column names the row; ``caption`` says what is shown."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


class Picture(NamedTuple):
    """A picture file with what it shows, in words for those who cannot see it."""

    path: Path
    caption: str
    wide: bool = False


class Gallery(NamedTuple):
    """Pictures that belong together, side by side where there is room."""

    pictures: Sequence[Picture]


Block = Heading | Text | Code | Table | Gallery


def pictures_of(blocks: Sequence[Block]) -> list[Picture]:
    """Return the pictures in blocks."""
    return [picture for block in blocks if isinstance(block, Gallery) for picture in block.pictures]
