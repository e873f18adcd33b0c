"""The folder of one run: what lies there, and that it is whole at any moment."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from pycopi._build import VERSION
from pycopi._files import write_text
from pycopi._json import as_json, write
from pycopi.experiments.plan import Run
from pycopi.optimizers import Adam
from pycopi.state import EpochRecord
from pycopi.storage import read_state
from pycopi.training.checkpoint import MODEL, StoredRun, restored

RUNS = "runs"
RECORD, TIMINGS = "record.json", "timings.json"

Entry = dict[str, Any]
"""One epoch of a record."""


class Times(NamedTuple):
    """Seconds of training in each epoch: by the clock, and of the processor, all threads together."""

    clock: tuple[float, ...] = ()
    processor: tuple[float, ...] = ()

    def plus(self, clock: float, processor: float) -> "Times":
        """Return the times with one more epoch."""
        return Times((*self.clock, clock), (*self.processor, processor))


class RunFolder(NamedTuple):
    """The folder of a run.

    The model file holds parameters, record and seconds together, so that a run goes on exactly from any
    moment at which its process was killed; ``record.json`` and ``timings.json`` are written from it.
    """

    path: Path

    @classmethod
    def of(cls, output: Path, run: Run) -> "RunFolder":
        """Return the folder of a run of a plan."""
        return cls(output / RUNS / run.data / run.name)

    def record(self) -> dict[str, Any] | None:
        """Return the record of the run, or None where there is none yet."""
        return read_json(self.path / RECORD)

    def timings(self) -> dict[str, Any] | None:
        """Return the timings of the run, or None where there are none yet."""
        return read_json(self.path / TIMINGS)

    def stored(self) -> StoredRun | None:
        """Return the run so far, or None where nothing is complete yet; details have epochs and seconds."""
        model = self.path / MODEL
        if not model.is_file():
            return None
        (network, _, details), state = read_state(model)
        if "history" not in details:  # an older version wrote it
            pairs = zip(details["epochs"], details["seconds"]["clock"], strict=True)
            details["history"] = [_as_record(*pair) for pair in pairs]
        return StoredRun(network, restored(model, state, details), details)

    def write(
        self,
        run: Run,
        entries: tuple[Entry, ...],
        times: Times,
        environment: Mapping[str, Any],
        failure: Mapping[str, Any] | None = None,
    ) -> None:
        """Write record and timings; ``failure`` says how a run ended that did not end well."""
        write_json(self.path / TIMINGS, {"seconds": times._asdict(), "environment": dict(environment)})
        write_json(self.path / RECORD, {**describe(run), "failure": failure, "epochs": list(entries)})


def describe(run: Run) -> dict[str, Any]:
    """Return what a run is, as its record says it: all that decides what it does."""
    preset, settings = run.preset, run.preset.settings
    how, optimizer = settings.decorrelations[0], settings.method.optimizer
    return {
        "pycopi": VERSION,
        "data": run.data,
        "method": run.method,
        "seed": run.seed,
        "rate": run.rate,
        "gain": run.gain,
        "hidden": list(preset.hidden),
        "batch_size": preset.batch_size,
        "settings": {
            "rule": settings.rule,
            "credit": settings.credit,
            "rate": settings.rate,
            "gain": settings.gain,
            "adam": asdict(optimizer) if isinstance(optimizer, Adam) else None,
            "decorrelation_rule": how.rule if preset.decorrelated else None,
            "decorrelation_rate": how.rate if preset.decorrelated else None,
            "decorrelation_epochs": preset.weight_schedule.start,
        },
    }


def describe_epoch(record: EpochRecord, train_loss: float, train_accuracy: float | None) -> Entry:
    """Return one epoch of a record: all but its seconds, with the training set evaluated after it.

    ``loss`` and ``accuracy`` are means over the epoch's batches, each before its step; ``train_`` and ``test_``
    values are of the whole sets after the epoch.
    """
    entry = record.as_json()
    del entry["seconds"]
    entry["test_loss"] = entry.pop("validation_loss")
    entry["test_accuracy"] = entry.pop("validation_accuracy")
    return {**entry, "train_loss": as_json(train_loss), "train_accuracy": train_accuracy}


def _as_record(entry: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return the record, as JSON has it, of an epoch that `describe_epoch` described."""
    fields = {name: value for name, value in entry.items() if not name.startswith(("train_", "test_"))}
    results = {f"validation_{name}": entry[f"test_{name}"] for name in ("loss", "accuracy")}
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


def write_json(path: Path, value: Any) -> None:
    """Write a value; the file appears in one moment."""
    write_text(path, write(value, indent=1) + "\n")
