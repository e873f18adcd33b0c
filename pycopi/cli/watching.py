"""What a plan of runs shows while it goes on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pycopi.experiments.plan import Run
from pycopi.experiments.runner import Watcher


class _Lines(Watcher):
    """A line an epoch."""

    def epoch(self, run: Run, entry: dict[str, Any], seconds: float) -> None:
        """Print what an epoch came to."""
        print(
            f"{run.data} {run.name}  epoch {entry['epoch']}/{run.epochs}  "
            f"training {entry['train_accuracy']:.2%}  test {entry['test_accuracy']:.2%}  {seconds:.1f} s",
            flush=True,
        )

    def end(self, run: Run, failure: dict[str, Any] | None) -> None:
        """Print how a run failed."""
        if failure is not None:
            print(f"{run.data} {run.name}  {failure['kind']}: {failure['reason']}", flush=True)


@contextmanager
def watch_plan(runs: Sequence[Run], output: Path) -> Iterator[Watcher]:
    """Show the progress of a plan until the block ends."""
    yield _Lines()
