"""From a plan to finished runs: each is kept at once, goes on where it stopped, and is never repeated."""

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pycopi._lock import locked
from pycopi.config import configuration
from pycopi.data import Dataset, load_dataset
from pycopi.experiments.plan import Run
from pycopi.experiments.store import Progress, RunFolder, Times, describe, describe_epoch
from pycopi.network import Network
from pycopi.state import State, start
from pycopi.training.divergence import DivergenceError
from pycopi.training.evaluate import evaluate
from pycopi.training.fingerprint import check_fingerprint, dataset_fingerprint
from pycopi.training.fit import fit
from pycopi.training.progress import Report

RUNS = "runs"
_OTHERWISE = "name another folder with --output"


class Source(NamedTuple):
    """Where data sets are looked for."""

    data_dir: Path | None = None
    download: bool = True

    def load(self, name: str) -> Dataset:
        """Return a data set by name."""
        return load_dataset(name, data_dir=self.data_dir, download=self.download)


class Watcher:
    """What is told while a plan runs; this one is silent."""

    def begin(self, run: Run, done: int) -> None:
        """A run begins, or goes on after so many complete epochs."""

    def step(self, run: Run, report: Report) -> None:
        """A run is in the midst of an epoch."""

    def epoch(self, run: Run, entry: dict[str, Any], seconds: float) -> None:
        """An epoch is complete and on disk."""

    def end(self, run: Run, failure: dict[str, Any] | None) -> None:
        """A run is over; ``failure`` says why if it did not end well."""


def run_plan(
    runs: Sequence[Run],
    output: Path,
    source: Source = Source(),  # noqa: B008  (immutable)
    watcher: Watcher = Watcher(),  # noqa: B008  (without state)
    note: str = "",
) -> None:
    """Make every run of a plan that is not finished yet; one that diverges or fails does not stop the rest.

    Parameters
    ----------
    runs : sequence of Run
        The plan, in the order in which to make the runs.
    output : pathlib.Path
        The folder; a run lies in ``runs/DATA/NAME`` there.
    source : Source
        Where the data are.
    watcher : Watcher
        What is told meanwhile.
    note : str
        A text to keep with the timings, such as the commit that runs.

    Raises
    ------
    BlockingIOError
        If another process works on runs of the same data there.
    OSError, ValueError
        If data are missing or damaged, or a folder holds a run with other settings.
    KeyboardInterrupt
        On Ctrl-C; complete epochs are on disk, and the same call goes on after them.
    """
    environment = {**_environment(), "note": note}
    with ExitStack() as stack:
        for data in dict.fromkeys(run.data for run in runs):
            place = output / RUNS / data
            stack.enter_context(locked(place, otherwise=_OTHERWISE))
        for run in runs:
            _check_same(run, folder_of(output, run))
        loaded: Dataset | None = None
        for run, folder in _unfinished(runs, output):
            if loaded is None or loaded.name != run.data:
                loaded = None  # lets go of the memory first
                loaded = source.load(run.data)
            failure = _make(run, folder, loaded, watcher, environment)
            watcher.end(run, failure)


def folder_of(output: Path, run: Run) -> RunFolder:
    """Return the folder of a run."""
    return RunFolder(output / RUNS / run.data / run.name)


def is_finished(run: Run, record: dict[str, Any] | None) -> bool:
    """Return whether a record holds all of a run: its epochs, or that it diverged before."""
    if record is None:
        return False
    diverged = record["failure"] is not None and record["failure"]["kind"] == "diverged"
    return diverged or len(record["epochs"]) >= run.epochs


def epochs_done(run: Run, output: Path) -> int:
    """Return how many epochs of a run are on disk."""
    record = folder_of(output, run).record()
    return 0 if record is None else len(record["epochs"])


def _unfinished(runs: Sequence[Run], output: Path) -> Iterator[tuple[Run, RunFolder]]:
    for run in runs:
        folder = folder_of(output, run)
        if not is_finished(run, folder.record()):
            yield run, folder


def _check_same(run: Run, folder: RunFolder) -> None:
    """Raise if a folder holds a run that was made otherwise."""
    record = folder.record()
    if record is None:
        return
    wanted = describe(run)
    for name in ("settings", "hidden", "batch_size"):
        if record.get(name) != wanted[name]:
            msg = (
                f"{folder.path} holds a run with {name} {record.get(name)} but the plan has {wanted[name]}; "
                f"name another folder with --output"
            )
            raise ValueError(msg)


def _make(
    run: Run, folder: RunFolder, data: Dataset, watcher: Watcher, environment: dict[str, Any]
) -> dict[str, Any] | None:
    """Make one run, or the rest of it, and return how it failed, if it did."""
    folder.path.mkdir(parents=True, exist_ok=True)
    training = _Training(run, folder, data, watcher, environment)
    try:
        training.go_on()
    except DivergenceError as error:
        return training.fail("diverged", str(error), epoch=error.epoch or 1)
    except Exception as error:
        return training.fail("failed", f"{type(error).__name__}: {error}", epoch=len(training.epochs) + 1)
    return None


class _Training:
    """One run on its way."""

    def __init__(
        self, run: Run, folder: RunFolder, data: Dataset, watcher: Watcher, environment: dict[str, Any]
    ) -> None:
        self.run, self.folder, self.data = run, folder, data
        self.watcher, self.environment = watcher, environment
        self.epochs: tuple[dict[str, Any], ...] = ()
        self.times = Times()
        self.began = self.trained = 0.0
        self.network = self._network()
        self.fingerprint = dataset_fingerprint(data)

    def _network(self) -> Network:
        outputs = 1 + int(max(self.data.y_train))
        inputs = self.data.x_train.shape[1]
        return self.run.task.network(inputs, outputs, decorrelated=self.run.preset.decorrelated)

    def go_on(self) -> None:
        """Train from the last complete epoch to the end."""
        run, stored = self.run, self.folder.progress()
        if stored is None:
            state = start(self.network, run.settings, run.seed)
        else:
            state, self.epochs, self.times = stored.state, stored.epochs, stored.times
            check_fingerprint(
                stored.fingerprint, self.fingerprint, run.data, f"the run in {self.folder.path}", _OTHERWISE
            )
        self.watcher.begin(run, len(self.epochs))
        self.began = time.process_time()
        fit(
            self.network,
            state,
            self.data.x_train,
            self.data.y_train,
            epochs=run.epochs,
            settings=run.settings,
            batch_size=run.task.batch_size,
            seed=run.seed,
            validation=(self.data.x_test, self.data.y_test),
            weight_schedule=run.preset.weight_schedule,
            callbacks=[self.keep],
            progress=self.look,
        )
        if len(self.epochs) >= run.epochs and stored is not None:  # killed between model and record
            self.folder.write(run, self.epochs, self.times, self.environment)

    def look(self, report: Report) -> None:
        """Tell the watcher; the last report of an epoch comes when its training ends."""
        self.trained = time.process_time()
        self.watcher.step(self.run, report)

    def keep(self, state: State) -> None:
        """Evaluate the training set after an epoch, and put the run on disk."""
        record = state.history[-1]
        with np.errstate(over="ignore", invalid="ignore"):
            train = evaluate(self.network, state.parameters, self.data.x_train, self.data.y_train)
        entry = describe_epoch(record, train.loss, train.accuracy)
        self.epochs = (*self.epochs, entry)
        self.times = self.times.plus(record.seconds, self.trained - self.began)
        progress = Progress(state, self.epochs, self.times, self.fingerprint)
        self.folder.save(self.run, self.network, progress, self.environment)
        self.watcher.epoch(self.run, entry, record.seconds)
        self.began = time.process_time()

    def fail(self, kind: str, reason: str, epoch: int) -> dict[str, Any]:
        """Put on disk that the run did not end well, and return how."""
        failure = {"kind": kind, "epoch": epoch, "reason": " ".join(reason.split())}
        self.folder.write(self.run, self.epochs, self.times, self.environment, failure)
        return failure


def _environment() -> dict[str, Any]:
    """Return what the machine and the libraries are."""
    known = configuration()
    names = ("pycopi", "python", "engine", "C core", "backend numpy", "processors", "threads")
    return {"processor": _processor(), **{name: known[name] for name in names}}


def _processor() -> str:
    """Return the name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
