"""``pycopi reproduce``: the experiments of the paper, from the command to the report."""

from pathlib import Path

from pycopi.cli.watching import watch_plan
from pycopi.experiments.methods import METHODS
from pycopi.experiments.plan import compare_methods
from pycopi.experiments.runner import Source, run_plan


def reproduce(
    what: str,
    seeds: int = 1,
    epochs: int | None = None,
    methods: str | None = None,
    output: Path = Path("runs/paper"),
    data_dir: Path | None = None,
    no_download: bool = False,
    note: str = "",
) -> None:
    """Run experiments of the paper."""
    names = methods.split(",") if methods else list(METHODS)
    runs = compare_methods(what, names, range(seeds), epochs)
    with watch_plan(runs, output) as watcher:
        run_plan(runs, output, Source(data_dir, not no_download), watcher, note)
