"""The race against tuned rivals: run it, make its rows one file, fill the page, check the page.

    python -m benchmarks.tuned run --keep FOLDER         # goes on where it was stopped
    python -m benchmarks.tuned best --keep FOLDER        # eight epochs at the settings that the race has chosen
    python -m benchmarks.tuned rows --keep FOLDER docs/results/tuned.csv
    python -m benchmarks.tuned search docs/results/tuned.csv
    python -m benchmarks.tuned steps docs/results/tuned.csv
    python -m benchmarks.tuned page docs/results/tuned.csv docs/performance.md docs/fair.md
    python -m benchmarks.tuned picture docs/results/tuned.csv docs/_static/race.png
    python -m benchmarks.tuned audit docs/results/tuned.csv docs/performance.md docs/fair.md

The rules are in docs/fair.md.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.sides import needed
from benchmarks.threads import again, has_threads
from benchmarks.tuned.best import run_best, settings
from benchmarks.tuned.page import faults, filled, steps_beside
from benchmarks.tuned.picture import draw
from benchmarks.tuned.plan import SLOW, planned, usual
from benchmarks.tuned.pycopi_methods import AS_IT_IS
from benchmarks.tuned.race import kept, walk
from benchmarks.tuned.searches import searches
from benchmarks.tuned.spaces import SPACES, first
from benchmarks.tuned.steps import measure, read_steps, write_steps
from benchmarks.tuned.store import all_rows, read_rows, write_rows
from benchmarks.tuned.tables import found_in, settings_by_network
from benchmarks.tuned.trial import SIZES

Action = Callable[[argparse.Namespace], int | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says, and return the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    given = _parser().parse_args(words)
    if given.action in (_run, _best, _steps) and not has_threads(1):
        return again("benchmarks.tuned", words, 1)
    return int(given.action(given) or 0)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.tuned", description=__doc__, formatter_class=raw)
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def action(name: str, does: Action, words: str) -> argparse.ArgumentParser:
        own = actions.add_parser(name, help=words, description=words)
        own.set_defaults(action=does)
        return own

    run = action("run", _run, "run the plan, or go on with it")
    best = action("best", _best, "run eight epochs at the settings that the race has chosen, or go on with it")
    for one in (run, best):
        for option, choices in (("network", SIZES), ("method", SPACES)):
            one.add_argument(
                f"--{option}", action="append", default=[], choices=choices, help="may be repeated"
            )
    run.add_argument("--seeds", type=int, help="at most so many seeds of the finals")
    rows = action("rows", _rows, "write all rows as one file")
    for one in (run, best, rows):
        one.add_argument("--keep", type=Path, required=True, metavar="FOLDER", help="where the rows are kept")
    steps = action("steps", _steps, "measure a step of every method; the file lies beside that of the rows")
    steps.add_argument("--turns", type=int, default=7, help="how often each side is timed")
    search = action("search", _search, "print every setting that was tried")
    page = action("page", _page, "write the tables into the page")
    picture = action("picture", _picture, "draw accuracy against epochs, arithmetic and seconds")
    audit = action("audit", _audit, "fail if the page does not follow from the rows")
    for one in (rows, steps, search, page, picture, audit):
        one.add_argument("rows", type=Path, metavar="ROWS", help="a CSV file")
    picture.add_argument("picture", type=Path, metavar="PICTURE", help="the file, such as race.png")
    for one in (page, audit):
        one.add_argument("pages", type=Path, nargs="+", metavar="PAGE", help="a Markdown file")
    return parser


def _run(given: argparse.Namespace) -> None:
    needed("torch").set_num_threads(1)
    given.keep.mkdir(parents=True, exist_ok=True)
    stages = planned(given.network, given.method, given.seeds)
    for number, stage in enumerate(stages, 1):
        names = "; ".join(", ".join(entry) for entry in stage.entries)
        _say(f"stage {number} of {len(stages)}: {names}: {stage.seeds} seeds of {stage.epochs} epochs")
    for entry, chosen in walk(stages, kept(given.keep, _say)):
        _say(f"chosen for {', '.join(entry)}: {chosen}")


def _best(given: argparse.Namespace) -> None:
    needed("torch").set_num_threads(1)
    for found in found_in(all_rows(given.keep), ()):
        network, method, _ = found.entry
        asked = network in (given.network or [network]) and method in (given.method or [method])
        if asked and found.entry in usual(network, method) and settings(found.entry, found.chosen):
            best = run_best(found.entry, found.chosen, kept(given.keep, _say))
            _say(f"chosen for {', '.join(found.entry)}: {best}")


def _rows(given: argparse.Namespace) -> None:
    write_rows(given.rows, all_rows(given.keep))


def _steps(given: argparse.Namespace) -> None:
    needed("torch").set_num_threads(1)
    found, others = [], {method: first(SPACES[method])[0] for method in SLOW} | {AS_IT_IS: {}}
    for network, chosen in settings_by_network(read_rows(given.rows)).items():
        found += measure(network, {**others, **chosen}, turns=given.turns)
        write_steps(steps_beside(given.rows), found)


def _search(given: argparse.Namespace) -> None:
    for table in searches(read_rows(given.rows)):
        _say(f"{table.markdown()}\n")


def _page(given: argparse.Namespace) -> None:
    for page in given.pages:
        page.write_text(filled(page.read_text("utf-8"), given.rows), "utf-8")


def _picture(given: argparse.Namespace) -> None:
    draw(found_in(read_rows(given.rows), read_steps(steps_beside(given.rows))), given.picture)


def _audit(given: argparse.Namespace) -> int:
    found = [line for page in given.pages for line in faults(page.read_text("utf-8"), given.rows)]
    _say("\n".join(found) or f"{', '.join(map(str, given.pages))}: all follows from {given.rows}")
    return int(bool(found))


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
