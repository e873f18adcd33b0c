"""From a plan to finished runs: each is kept at once, goes on where it stopped, and is never repeated."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pycopi._lock import locked
from pycopi.config import configuration, processor_name
from pycopi.data import Dataset, load_dataset
from pycopi.data.targets import Task
from pycopi.experiments.plan import Run
from pycopi.experiments.store import RUNS, Entry, RunFolder, Times, describe, describe_epoch
from pycopi.state import State
from pycopi.training.checkpoint import MODEL, save_run
from pycopi.training.divergence import DivergenceError
from pycopi.training.evaluate import evaluate
from pycopi.training.fingerprint import check_fingerprint, dataset_fingerprint
from pycopi.training.fit import fit
from pycopi.training.progress import Report

_OTHERWISE = "name another folder with --output"


class Source(NamedTuple):
    """Where data sets are looked for."""

    data_dir: Path | None = None
    download: bool = True

    def load(self, data: str, task: Task | None = None, target: str | None = None) -> Dataset:
        """Return a data set; ``task`` and ``target`` say what the targets of a file are."""
        return load_dataset(data, data_dir=self.data_dir, download=self.download, task=task, target=target)


class Watcher:
    """What is told while a plan runs; this one is silent."""

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

    A run is in ``runs/DATA/NAME`` of the folder ``output``. ``watcher`` is told what happens meanwhile, and
    ``note`` is a text to keep with the timings. BlockingIOError says that another process works on runs of the
    same data there, ValueError that a folder holds a run with other settings. After Ctrl-C the same call goes
    on after the last complete epoch.
    """
    environment = {**_environment(), "note": note}
    with ExitStack() as stack:
        for data in dict.fromkeys(run.data for run in runs):
            stack.enter_context(locked(output / RUNS / data, otherwise=_OTHERWISE))
        for run in runs:
            _check_same(run, RunFolder.of(output, run))
        loaded: Dataset | None = None
        for run in runs:
            folder = RunFolder.of(output, run)
            if is_finished(run, folder.record()):
                continue
            if loaded is None or loaded.name != run.data:
                loaded = None  # lets go of the memory first
                loaded = source.load(run.data)
            watcher.end(run, _Training(run, folder, loaded, watcher, environment).make())


def is_finished(run: Run, record: dict[str, Any] | None) -> bool:
    """Return whether a record holds all of a run: its epochs, or that it diverged before."""
    if record is None:
        return False
    diverged = record["failure"] is not None and record["failure"]["kind"] == "diverged"
    return diverged or len(record["epochs"]) >= run.epochs


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


class _Training:
    """One run on its way."""

    def __init__(
        self, run: Run, folder: RunFolder, data: Dataset, watcher: Watcher, environment: dict[str, Any]
    ) -> None:
        self.run, self.folder, self.data = run, folder, data
        self.watcher, self.environment = watcher, environment
        self.entries: tuple[Entry, ...] = ()
        self.times = Times()
        self.began = self.trained = 0.0
        self.preset = run.preset
        self.network = self.preset.network(data.x_train.shape[1], 1 + int(max(data.y_train)))
        self.fingerprint = dataset_fingerprint(data)

    def make(self) -> dict[str, Any] | None:
        """Make the run, or the rest of it, and return how it failed, if it did."""
        self.folder.path.mkdir(parents=True, exist_ok=True)
        try:
            self.go_on()
        except DivergenceError as error:
            return self.fail("diverged", str(error), epoch=error.epoch or 1)
        except Exception as error:
            return self.fail("failed", f"{type(error).__name__}: {error}", epoch=len(self.entries) + 1)
        return None

    def go_on(self) -> None:
        """Train from the last complete epoch to the end."""
        run, data, stored = self.run, self.data, self.folder.stored()
        if stored is None:
            state = self.preset.start(self.network, run.seed)
        else:
            state, details = stored.state, stored.details
            self.entries = tuple(details["epochs"])
            self.times = Times(**{name: tuple(values) for name, values in details["seconds"].items()})
            own, place = details.get("fingerprint"), f"the run in {self.folder.path}"
            check_fingerprint(own, self.fingerprint, run.data, place, _OTHERWISE)
        self.began = time.process_time()
        fit(
            self.network,
            state,
            data.x_train,
            data.y_train,
            **self.preset.how(),
            seed=run.seed,
            validation=(data.x_test, data.y_test),
            callbacks=[self.keep],
            progress=self.look,
        )
        if len(self.entries) >= run.epochs and stored is not None:  # killed between model and record
            self.write()

    def look(self, report: Report) -> None:
        """Tell the watcher; the last report of an epoch comes when its training ends."""
        self.trained = time.process_time()
        self.watcher.step(self.run, report)

    def keep(self, state: State) -> None:
        """Evaluate the training set after an epoch, and put the run on disk."""
        record, data = state.history[-1], self.data
        with np.errstate(over="ignore", invalid="ignore"):
            train = evaluate(self.network, state.parameters, data.x_train, data.y_train)
        entry = describe_epoch(record, train.loss, train.accuracy)
        self.entries = (*self.entries, entry)
        self.times = self.times.plus(record.seconds, self.trained - self.began)
        details = {
            "epochs": list(self.entries),
            "seconds": self.times._asdict(),
            "fingerprint": self.fingerprint,
        }
        save_run(self.folder.path / MODEL, self.network, state, details)
        self.write()
        self.watcher.epoch(self.run, entry, record.seconds)
        self.began = time.process_time()

    def fail(self, kind: str, reason: str, epoch: int) -> dict[str, Any]:
        """Put on disk that the run did not end well, and return how."""
        failure = {"kind": kind, "epoch": epoch, "reason": " ".join(reason.split())}
        self.write(failure)
        return failure

    def write(self, failure: dict[str, Any] | None = None) -> None:
        """Write record and timings."""
        self.folder.write(self.run, self.entries, self.times, self.environment, failure)


def _environment() -> dict[str, Any]:
    known = configuration()
    names = ("pycopi", "python", "engine", "C core", "backend numpy", "processors", "threads")
    return {"processor": processor_name(), **{name: known[name] for name in names}}
