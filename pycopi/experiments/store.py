"""The folder of one run: what lies there, and that it is whole at any moment."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pycopi._build import VERSION
from pycopi._files import whole_file
from pycopi._json import as_json, write
from pycopi.experiments.plan import Run
from pycopi.network import Network
from pycopi.state import EpochRecord, State
from pycopi.storage import read_state
from pycopi.training.checkpoint import MODEL, restored, save_run

RECORD, TIMINGS = "record.json", "timings.json"


class Times(NamedTuple):
    """Seconds of training in each epoch: by the clock, and of the processor, all threads together."""

    clock: tuple[float, ...] = ()
    processor: tuple[float, ...] = ()

    def plus(self, clock: float, processor: float) -> "Times":
        """Return the times with one more epoch."""
        return Times((*self.clock, clock), (*self.processor, processor))


class Progress(NamedTuple):
    """A run so far: its state, one entry an epoch of the record and of the times, and what its data were."""

    state: State
    epochs: tuple[dict[str, Any], ...]
    times: Times
    fingerprint: Mapping[str, str] | None


class RunFolder(NamedTuple):
    """The folder of a run.

    The model file holds parameters, record and seconds together, so that a run goes on exactly from any
    moment at which its process was killed; ``record.json`` and ``timings.json`` are written from it.
    """

    path: Path

    def record(self) -> dict[str, Any] | None:
        """Return the record of the run, or None where there is none yet."""
        return read_json(self.path / RECORD)

    def timings(self) -> dict[str, Any] | None:
        """Return the timings of the run, or None where there are none yet."""
        return read_json(self.path / TIMINGS)

    def progress(self) -> Progress | None:
        """Return the run so far, or None where nothing is complete yet."""
        model = self.path / MODEL
        if not model.is_file():
            return None
        (_, _, details), state = read_state(model)
        entries, seconds = details["epochs"], details["seconds"]
        times = Times(**{name: tuple(values) for name, values in seconds.items()})
        if "history" not in details:  # an older version wrote it
            details["history"] = [_restore(*pair) for pair in zip(entries, times.clock, strict=True)]
        state = restored(model, state, details)
        return Progress(state, tuple(entries), times, details.get("fingerprint"))

    def save(self, run: Run, network: Network, progress: Progress, environment: Mapping[str, Any]) -> None:
        """Write the run after an epoch."""
        details = {"epochs": list(progress.epochs), "seconds": progress.times._asdict()}
        save_run(self.path / MODEL, network, progress.state, {**details, "fingerprint": progress.fingerprint})
        self.write(run, progress.epochs, progress.times, environment)

    def write(
        self,
        run: Run,
        epochs: tuple[dict[str, Any], ...],
        times: Times,
        environment: Mapping[str, Any],
        failure: Mapping[str, Any] | None = None,
    ) -> None:
        """Write record and timings; ``failure`` says how a run ended that did not end well."""
        timings = {"seconds": times._asdict(), "environment": dict(environment)}
        write_json(self.path / TIMINGS, timings)
        write_json(self.path / RECORD, {**describe(run), "failure": failure, "epochs": list(epochs)})


def describe(run: Run) -> dict[str, Any]:
    """Return what a run is, as its record says it."""
    return {
        "pycopi": VERSION,
        "data": run.data,
        "method": run.method,
        "seed": run.seed,
        "rate": run.rate,
        "gain": run.gain,
        "hidden": list(run.task.hidden),
        "batch_size": run.task.batch_size,
        "settings": run.preset.describe(run.settings),
    }


def describe_epoch(record: EpochRecord, train_loss: float, train_accuracy: float | None) -> dict[str, Any]:
    """Return one epoch of a record: all but its seconds, with the training set evaluated after it.

    ``loss`` and ``accuracy`` are means over the epoch's batches, each before its step; ``train_`` and ``test_``
    values are of the whole sets after the epoch.
    """
    entry = record.as_json()
    del entry["seconds"]
    entry["test_loss"] = entry.pop("validation_loss")
    entry["test_accuracy"] = entry.pop("validation_accuracy")
    return {**entry, "train_loss": as_json(train_loss), "train_accuracy": train_accuracy}


def _restore(entry: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return the record, as JSON has it, of an epoch that `describe_epoch` described."""
    fields = {name: value for name, value in entry.items() if not name.startswith(("train_", "test_"))}
    results = {"validation_loss": entry["test_loss"], "validation_accuracy": entry["test_accuracy"]}
    return {**fields, **results, "seconds": seconds}


def read_json(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return the object in a file, or None if there is no file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        content = json.loads(text)
    except ValueError as error:
        msg = f"{path}: not a JSON file ({error}); remove it to have the run made anew"
        raise ValueError(msg) from error
    return dict(content)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write a value; the file appears in one moment."""
    with whole_file(path) as temporary:
        temporary.write_text(write(value, indent=1) + "\n", encoding="utf-8")
