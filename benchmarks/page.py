"""Puts measured tables into docs/performance.md, so that no number there is typed by hand.

    pycopi bench --threads 2 --json two.json
    python benchmarks/page.py two.json
    python benchmarks/page.py two.json --suffix=-xeon    # for the section of another machine

A place for a table is a pair of comments, ``<!-- NAME, 2 threads -->`` and ``<!-- end -->``. What stands
between them is replaced by the table of that name where one of the files has it, measured with that many
threads, and stays otherwise; a suffix is added to the names of all tables that are given. A file in which
other programs used more than 3 % of the processors is refused.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
PLACE = re.compile(r"(<!-- ([\w-]+), (\d+) threads? -->\n).*?(<!-- end -->)", re.S)
QUIET = 0.03


def tables_of(path: Path) -> dict[tuple[str, str], str]:
    """Return the tables of a file as Markdown by their name and number of threads, without their titles."""
    content: dict[str, Any] = json.loads(path.read_text())
    if not (content["share of others"] or 0.0) <= QUIET:
        msg = f"{path}: other programs used {content['share of others']:.0%} of the processors; measure again"
        raise SystemExit(msg)
    facts, threads = content["machine"], content["machine"]["threads"]
    found = {(table["name"], threads): table["markdown"] for table in content["tables"]}
    found["facts", threads] = "\n".join(f"- {name}: {text}" for name, text in facts.items())
    return {key: text.partition("\n\n")[2] if text.startswith("###") else text for key, text in found.items()}


def fill(page: str, tables: dict[tuple[str, str], str]) -> str:
    """Return the page with the tables in their places."""

    def place(match: re.Match[str]) -> str:
        text = tables.get((match[2], match[3]))
        return match[0] if text is None else f"{match[1]}\n{text}\n\n{match[4]}"

    return PLACE.sub(place, page)


def main() -> None:
    """Fill the page from the files that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--suffix", default="", help="what follows the name of each table on the page")
    given = parser.parse_args()
    found = {key: text for file in given.files for key, text in tables_of(file).items()}
    tables = {(name + given.suffix, threads): text for (name, threads), text in found.items()}
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")


if __name__ == "__main__":
    main()
