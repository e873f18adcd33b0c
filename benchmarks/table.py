"""What goes into a benchmark, a scope, and what comes out: tables for readers and for JSON."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

Cell = str | int | float | None


class Column(NamedTuple):
    """The heading of a column, unit included, and how its numbers are written."""

    name: str
    form: str = ""

    def write(self, cell: Cell) -> str:
        """Return a cell as text; what was not measured is a dash."""
        if cell is None:
            return "-"
        return cell if isinstance(cell, str) else format(cell, self.form)


class Table(NamedTuple):
    """What a benchmark has measured; ``figures`` sum it up, ``notes`` say how it was done."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    figures: Mapping[str, float] = MappingProxyType({})

    def markdown(self) -> str:
        """Return the table as aligned Markdown, the first column to the left and numbers to the right."""
        heads = [column.name for column in self.columns]
        texts = [[c.write(cell) for c, cell in zip(self.columns, row, strict=True)] for row in self.rows]
        widths = [max(map(len, cells)) for cells in zip(heads, *texts, strict=True)]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        lines = [_line(cells, widths) for cells in (heads, rule, *texts)]
        figures = [f"- {name}: {value:.3g}" for name, value in self.figures.items()]
        blocks = [f"### {self.title}", "\n".join(lines), "\n".join(figures), "\n\n".join(self.notes)]
        return "\n\n".join(filter(None, blocks))

    def content(self) -> dict[str, Any]:
        """Return the table as an object of names, texts and numbers, and as Markdown."""
        names = [column.name for column in self.columns]
        return {
            "name": self.name,
            "title": self.title,
            "rows": [dict(zip(names, row, strict=True)) for row in self.rows],
            "figures": dict(self.figures),
            "notes": list(self.notes),
            "markdown": self.markdown(),
        }


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    return "| " + " | ".join([first, *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]) + " |"


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
