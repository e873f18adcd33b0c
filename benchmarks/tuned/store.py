"""Rows on disk: a file for each trial while the race runs, and one CSV of them all."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path

from benchmarks.tuned.trial import Entry, Row, Trial
from pycopi._files import whole_file, write_text

_EPOCHS = ("validation", "loss", "seconds")
HEADS = (*Entry._fields, "part", "epochs", "seed", "setting", *_EPOCHS, "test", "error")
"""The columns of the CSV file; numbers by epoch are separated by blanks."""


def stored(folder: Path, trial: Trial) -> Row | None:
    """Return the row of a trial, or None where it has not been run."""
    path = folder / f"{trial.key}.json"
    return from_texts(json.loads(path.read_text())) if path.exists() else None


def keep(folder: Path, row: Row) -> None:
    """Write the row of a trial, whole or not at all."""
    write_text(folder / f"{row.trial.key}.json", json.dumps(as_texts(row), indent=1) + "\n")


def all_rows(folder: Path) -> list[Row]:
    """Return the rows of all trials in a folder, sorted by what they are."""
    return ordered(from_texts(json.loads(path.read_text())) for path in folder.glob("*.json"))


def ordered(rows: Iterable[Row]) -> list[Row]:
    """Return rows in the order of what they are."""
    return sorted(rows, key=lambda row: [as_texts(row)[name] for name in HEADS])


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as a CSV file."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(as_texts(row) for row in rows)


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return [from_texts(texts) for texts in csv.DictReader(file)]


def as_texts(row: Row) -> dict[str, str]:
    """Return a row as texts by the heads of their columns."""
    trial = row.trial
    return {
        **trial.entry._asdict(),
        "part": trial.part,
        "epochs": str(trial.epochs),
        "seed": str(trial.seed),
        "setting": json.dumps(trial.setting, sort_keys=True),
        **{name: " ".join(f"{value:.6g}" for value in getattr(row, name)) for name in _EPOCHS},
        "test": "" if row.test is None else f"{row.test:.6g}",
        "error": row.error,
    }


def from_texts(texts: dict[str, str]) -> Row:
    """Return the row that `as_texts` wrote."""
    entry = Entry(*(texts[name] for name in Entry._fields))
    setting = json.loads(texts["setting"])
    trial = Trial(entry, setting, int(texts["epochs"]), int(texts["seed"]), texts["part"])
    validation, loss, seconds = (tuple(map(float, texts[name].split())) for name in _EPOCHS)
    return Row(
        trial, validation, loss, seconds, float(texts["test"]) if texts["test"] else None, texts["error"]
    )
