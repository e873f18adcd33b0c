"""The output folder of a run: its files beside those of a checkpoint, and how a run is found again."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pycopi import __version__, _json
from pycopi._files import write_text
from pycopi.cli.plan import Plan, stored_plan
from pycopi.state import EpochRecord, State
from pycopi.training.checkpoint import BEST, MODEL, Checkpoint

HISTORY, PICTURE = "history.json", "learning-curve.png"
LAST_GOOD = "last-good.safetensors"


class Origin(NamedTuple):
    """What a run is besides its state: what it does, and with which data; a model file keeps it.

    ``samples`` counts those it is trained on; ``fingerprint`` is None for a run of an older version.
    ``labels`` are those of the classes, in the order of their numbers; None for real-valued targets.
    ``columns`` are those of the inputs in a CSV file; None for other data.
    """

    plan: Plan
    samples: int
    fingerprint: Mapping[str, str] | None
    labels: Sequence[Any] | None = None
    columns: Sequence[str] | None = None

    def details(self) -> dict[str, Any]:
        """Return the origin as values that JSON has."""
        return {
            "data": self.plan.data,
            "samples": self.samples,
            "fingerprint": self.fingerprint,
            "classes": None if self.labels is None else list(self.labels),
            "columns": None if self.columns is None else list(self.columns),
            "settings": self.plan.as_json(),
        }


def read_origin(path: Path, details: Mapping[str, Any]) -> Origin:
    """Return the origin of a run, from the details of its model file."""
    if "settings" not in details:
        msg = (
            f"{path}: this model was not made by pycopi train, so there is no run to resume; "
            f"go on with pycopi.load and pycopi.fit"
        )
        raise ValueError(msg)
    try:
        plan = stored_plan(details["settings"])
        kept = (details.get(name) for name in ("fingerprint", "classes", "columns"))
        return Origin(plan, int(details["samples"]), *kept)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{path}: the run in this file cannot be read ({error}); start anew with --overwrite"
        raise ValueError(msg) from error


def open_folder(path: Path) -> Checkpoint:
    """Return the folder of a run, which keeps other processes out while it is open."""
    if path.exists() and not path.is_dir():
        msg = f"--output {path} is a file; expected a folder"
        raise ValueError(msg)
    return Checkpoint(path, otherwise="name another folder with --output")


def holds_a_run(folder: Path, *, overwrite: bool) -> bool:
    """Return whether there is a run already; raise if it may not be overwritten."""
    found = [name for name in (MODEL, BEST, HISTORY, PICTURE, LAST_GOOD) if (folder / name).exists()]
    if found and not overwrite:
        msg = (
            f"{folder} holds a run already ({', '.join(found)}); go on with --resume, "
            f"replace it with --overwrite, or name another folder with --output"
        )
        raise ValueError(msg)
    return bool(found)


def stored_run(checkpoint: Checkpoint) -> tuple[Origin, tuple[EpochRecord, ...]]:
    """Return the run that a folder keeps: its origin, and its history."""
    folder, stored = checkpoint.folder, checkpoint.load()
    if stored is None:
        msg = f"{folder} holds no run to resume (there is no {MODEL}); leave --resume out to start one"
        raise FileNotFoundError(msg)
    origin, history = read_origin(folder / MODEL, stored.details), stored.state.history
    if origin.plan.patience is not None:  # so there is a test loss: older files have null for infinite
        lost = [one.validation_loss is None for one in history]
        pairs = zip(history, lost, strict=True)
        history = tuple(one._replace(validation_loss=math.nan) if no else one for one, no in pairs)
    return origin, history


def write_history(folder: Path, plan: Plan, state: State) -> None:
    """Write the history of a run as JSON; ``test`` is the result after the last epoch."""
    history = [record.as_json() for record in state.history]
    last = history[-1] if history else {}
    content = {
        "pycopi": __version__,
        "data": plan.data,
        "settings": plan.as_json(),
        "history": history,
        "test": {name: last.get(f"validation_{name}") for name in ("loss", "accuracy")},
    }
    write_text(folder / HISTORY, _json.write(content, indent=1) + "\n")


def remove_rest(folder: Path) -> None:
    """Remove what a run that has been replaced leaves beside model and history; nothing else."""
    for name in (BEST, PICTURE, LAST_GOOD):
        (folder / name).unlink(missing_ok=True)
