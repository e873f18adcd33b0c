"""Puts measured tables into the pages of the documentation, so that no number there is typed by hand.

    python -m benchmarks --threads 2 --json two.json
    python -m benchmarks.page two.json
    python -m benchmarks.page two.json --suffix=-xeon    # for the section of another machine

A place is a pair of comments, ``<!-- NAME -->`` and ``<!-- end -->``. What is between them is replaced where
there is something new of that name, and kept otherwise. Here the names are those of tables with the number of
threads, as in ``step, 2 threads``; a suffix is added to the names of all tables that are given. A file in which
other programs used more than 3 % of the processors is refused.
"""

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import ROOT
from benchmarks.run import QUIET

PAGES = ROOT / "docs"
PLACE = re.compile(r"(<!-- ([^>]+) -->\n).*?(<!-- end -->)", re.S)


def fill(page: str, contents: Mapping[str, str]) -> str:
    """Return the text of a page with contents in the places of their names."""

    def place(match: re.Match[str]) -> str:
        text = contents.get(match[2])
        return match[0] if text is None else f"{match[1]}\n{text}\n\n{match[3]}"

    return PLACE.sub(place, page)


def tables_of(path: Path, suffix: str = "") -> dict[str, str]:
    """Return the tables of a file as Markdown by the names of their places, without their titles."""
    content: dict[str, Any] = json.loads(path.read_text())
    share, facts = content["share of others"] or 0.0, content["machine"]
    if share > QUIET:
        msg = f"{path}: other programs used {share:.0%} of the processors; measure again"
        raise SystemExit(msg)
    found = {table["name"]: table["markdown"].partition("\n\n")[2] for table in content["tables"]}
    found["facts"] = "\n".join(f"- {name}: {text}" for name, text in facts.items())
    threads = f"{facts['threads']} thread{'' if facts['threads'] == '1' else 's'}"
    return {f"{name}{suffix}, {threads}": text for name, text in found.items()}


def main() -> None:
    """Fill the pages from the files that the command line names."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.page", description=__doc__, formatter_class=raw)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--suffix", default="", help="what follows the name of each table on the page")
    given = parser.parse_args()
    contents = {key: text for file in given.files for key, text in tables_of(file, given.suffix).items()}
    for page in PAGES.glob("*.md"):
        before = page.read_text(encoding="utf-8")
        if (after := fill(before, contents)) != before:
            page.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
