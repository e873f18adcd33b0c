"""``pycopi bench``: the tables of `pycopi.bench`, in a process that has as many threads as were asked for."""

import os
import subprocess
import sys
from typing import Annotated, Any

import typer

from pycopi.bench.run import TABLES, run
from pycopi.bench.scope import Scope
from pycopi.cli import options as o
from pycopi.cli.flags import read_flag
from pycopi.cli.plan import new_plan

_LONG = "accuracy"
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

Tables = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TABLE",
        help=f"What to measure: {', '.join(TABLES)}, or all. Default: all but {_LONG}, which takes long.",
    ),
]


def bench(
    tables: Tables = None,
    quick: o.Tiny = False,
    threads: o.Threads = None,
    epochs: o.RaceEpochs = None,
    data: o.RaceData = None,
    keep: o.KeptRace = None,
    json_file: o.JSONFile = None,
    data_dir: o.DataDir = None,
    no_download: o.NoDownload = False,
) -> None:
    """Measure pycopi on this machine, against NumPy, SciPy, scikit-learn and PyTorch.

    Prints Markdown tables, ratios first. A side whose library is not installed is left out;
    the extra "bench" of pycopi brings them all.
    """
    names = _names(tables or [])
    if threads is not None and not _has_threads(read_flag("threads", threads)):
        raise typer.Exit(_again(threads))
    scope = Scope(
        quick=quick,
        data=Scope().data if data is None else (read_flag("data", data),),
        data_dir=data_dir,
        download=not no_download,
        epochs=Scope().epochs if epochs is None else read_flag("epochs", epochs),
        folder=keep,
        variants={"COPI": {}, "COPI fast": _fast()},
        report=_report,
    )
    run(names, scope, file=json_file)


def _names(given: list[str]) -> list[str]:
    """Return the tables to measure, in their order."""
    for name in given:
        if name not in (*TABLES, "all"):
            msg = f"TABLE is {name!r}; expected one of {', '.join(TABLES)}, or all"
            raise ValueError(msg)
    if "all" in given:
        return list(TABLES)
    return [name for name in TABLES if name in given or (not given and name != _LONG)]


def _fast() -> dict[str, Any]:
    """Return the preset ``fast`` as keywords of `pycopi.fit`."""
    plan = new_plan("cifar10", {"preset": "fast"})
    return {
        "settings": plan.settings,
        "weight_schedule": plan.schedules.weights,
        "decorrelation_schedule": plan.schedules.decorrelation,
        "keep_decorrelated": plan.keep_decorrelated,
    }


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _has_threads(threads: int) -> bool:
    return all(os.environ.get(name) == str(threads) for name in _VARIABLES)


def _again(threads: int) -> int:
    """Run the command in a new process, whose libraries read the number of threads when they are loaded."""
    code = "from pycopi.cli import main; main()"
    environment = os.environ | dict.fromkeys(_VARIABLES, str(threads))
    return subprocess.run([sys.executable, "-c", code, *sys.argv[1:]], env=environment, check=False).returncode
