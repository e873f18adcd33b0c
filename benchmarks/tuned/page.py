"""The page and its rows: fills the race's tables in, and says where they do not follow."""

from difflib import unified_diff
from pathlib import Path

from benchmarks.page import PLACE, fill
from benchmarks.tuned.steps import read_steps
from benchmarks.tuned.store import read_rows
from benchmarks.tuned.tables import tables


def steps_beside(rows: Path) -> Path:
    """Return the path of the steps that belong to a file of rows: ``tuned-steps.csv`` beside ``tuned.csv``."""
    return rows.with_stem(f"{rows.stem}-steps")


def filled(page: str, rows: Path) -> str:
    """Return a page with the tables that follow from the rows, and from the steps beside them."""
    steps = steps_beside(rows)
    made = tables(read_rows(rows), read_steps(steps) if steps.exists() else [])
    contents: dict[str, list[str]] = {}
    for table in made:
        contents.setdefault(table.name, []).append(table.markdown().partition("\n\n")[2])
    return fill(page, {name: "\n\n".join(contents.get(name, ["Not run yet."])) for name in _places(page)})


def faults(page: str, rows: Path) -> list[str]:
    """Return what an audit finds: lines that the rows do not give, or a page without a place for them."""
    if not _places(page):
        return ["the page has no place for a table of the race; expected <!-- tuned NAME --> and <!-- end -->"]
    pair = page.splitlines(), filled(page, rows).splitlines()
    return list(unified_diff(*pair, "the page", f"what follows from {rows.name}", lineterm="", n=0))


def _places(page: str) -> list[str]:
    return [name for _, name, _ in PLACE.findall(page) if name.startswith("tuned ")]
