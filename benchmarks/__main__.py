"""``python -m benchmarks``: the tables, in a process that has as many threads as were wanted."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.run import LONG, TABLES, run
from benchmarks.table import Scope
from benchmarks.threads import again, has_threads
from pycopi.presets import CIFAR10

_ABOUT = """Measure pycopi on this machine, against NumPy, SciPy, scikit-learn and PyTorch.

Prints Markdown tables, ratios first. A side whose library is not installed is left out; the extra
"bench" of pycopi brings them all."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line names, and return the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    given = _parser().parse_args(words)
    if given.threads is not None and not has_threads(given.threads):
        return again("benchmarks", words, given.threads)
    scope = Scope(
        quick=given.quick,
        data=Scope().data if given.data is None else (given.data,),
        data_dir=given.data_dir,
        download=not given.no_download,
        epochs=given.epochs,
        folder=given.keep,
        variants={"COPI": {}, "COPI fast": _fast()},
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    run(_names(given.tables), scope, file=given.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    usual, raw = Scope(), argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks", description=_ABOUT, formatter_class=raw)
    add = parser.add_argument
    words = f"what to measure: {', '.join(TABLES)}, or all; without any: all but {LONG}, which takes long"
    add("tables", nargs="*", choices=[*TABLES, "all"], metavar="TABLE", help=words)
    add("--quick", action="store_true", help="tiny sizes, one turn: shows that it runs, no more")
    add("--threads", type=_count, metavar="N", help="threads of each side; default: the environment's, or all")
    add("--json", type=Path, metavar="FILE", help="also keep the tables in a file")
    race = parser.add_argument_group(f"the race to an accuracy, table {LONG}")
    add = race.add_argument
    add(
        "--epochs",
        type=_count,
        default=usual.epochs,
        metavar="N",
        help="epochs after which it ends; default: 30",
    )
    add("--data", choices=usual.data, help="the one data set to race on; default: both")
    add(
        "--keep", type=Path, metavar="FOLDER", help="keep it after each epoch, or go on with the one kept there"
    )
    add("--data-dir", type=Path, metavar="FOLDER", help="where the files of the data are")
    add("--no-download", action="store_true", help="do not fetch data that are missing")
    return parser


def _count(text: str) -> int:
    """Return a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        msg = f"{text} is not a whole number of at least 1"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _names(given: list[str]) -> list[str]:
    """Return the tables to measure, in their order."""
    if "all" in given:
        return list(TABLES)
    return [name for name in TABLES if name in given or (not given and name != LONG)]


def _fast() -> dict[str, Any]:
    """Return the preset ``fast`` as keywords of `pycopi.fit`."""
    return {name: value for name, value in CIFAR10.fast().how().items() if name != "epochs"}


if __name__ == "__main__":
    sys.exit(main())
