"""The output folder of a run: its files beside those of a checkpoint, and how a run is found again."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pycopi import __version__, _json
from pycopi._files import whole_file
from pycopi.cli.plan import Plan, stored_plan
from pycopi.network import Network
from pycopi.training.checkpoint import BEST, MODEL, Checkpoint, save_run
from pycopi.training.history import EpochRecord, TrainingState

HISTORY, PICTURE = "history.json", "learning-curve.png"
LAST_GOOD = "last-good.safetensors"


class Origin(NamedTuple):
    """What a run is besides its state: what it does, and with which data; a model file keeps it.

    ``samples`` counts those it is trained on; ``fingerprint`` is None for a run of an older version.
    ``labels`` are those of the classes, in the order of their numbers; None for real-valued targets.
    """

    plan: Plan
    samples: int
    fingerprint: Mapping[str, str] | None
    labels: Sequence[Any] | None = None

    def details(self) -> dict[str, Any]:
        """Return the origin as values that JSON has."""
        return {
            "data": self.plan.data,
            "samples": self.samples,
            "fingerprint": self.fingerprint,
            "classes": None if self.labels is None else list(self.labels),
            "settings": self.plan.as_json(),
        }


class RunFolder(NamedTuple):
    """The folder of one run, which no other process works in."""

    checkpoint: Checkpoint

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.checkpoint.folder

    def holds_a_run(self, *, overwrite: bool) -> bool:
        """Return whether there is a run already; raise if it may not be overwritten."""
        found = [name for name in (MODEL, BEST, HISTORY, PICTURE, LAST_GOOD) if (self.path / name).exists()]
        if found and not overwrite:
            msg = (
                f"{self.path} holds a run already ({', '.join(found)}); go on with --resume, "
                f"replace it with --overwrite, or name another folder with --output"
            )
            raise ValueError(msg)
        return bool(found)

    def stored(self) -> tuple[Origin, tuple[EpochRecord, ...]]:
        """Return the run that is kept here: its origin, and its history."""
        stored = self.checkpoint.load()
        if stored is None:
            msg = f"{self.path} holds no run to resume (there is no {MODEL}); leave --resume out to start one"
            raise FileNotFoundError(msg)
        origin, history = read_origin(self.path / MODEL, stored.details), stored.state.history
        if origin.plan.patience is not None:  # so there is a test loss: older files have null for infinite
            lost = [one.validation_loss is None for one in history]
            pairs = zip(history, lost, strict=True)
            history = tuple(one._replace(validation_loss=math.nan) if no else one for one, no in pairs)
        return origin, history

    def save(self, origin: Origin, network: Network, state: TrainingState) -> None:
        """Write the model and the history of a run after an epoch."""
        self.checkpoint.save(network, state, origin.details())
        history = [record.as_json() for record in state.history]
        last = history[-1] if history else {}
        content = {
            "pycopi": __version__,
            "data": origin.plan.data,
            "settings": origin.plan.as_json(),
            "history": history,
            "test": {name: last.get(f"validation_{name}") for name in ("loss", "accuracy")},
        }
        with whole_file(self.path / HISTORY) as temporary:
            temporary.write_text(_json.write(content, indent=1) + "\n", encoding="utf-8")

    def save_last_good(self, origin: Origin, network: Network, state: TrainingState) -> Path:
        """Write the last good state of a run that diverged, and return the file."""
        save_run(self.path / LAST_GOOD, network, state, origin.details())
        return self.path / LAST_GOOD

    def remove_rest(self) -> None:
        """Remove what a run that has been replaced leaves beside model and history; nothing else."""
        for name in (BEST, PICTURE, LAST_GOOD):
            (self.path / name).unlink(missing_ok=True)


@contextmanager
def open_folder(path: Path) -> Iterator[RunFolder]:
    """Give the folder of a run, and keep other processes out of it until the block ends."""
    if path.exists() and not path.is_dir():
        msg = f"--output {path} is a file; expected a folder"
        raise ValueError(msg)
    with Checkpoint(path, otherwise="name another folder with --output") as checkpoint:
        yield RunFolder(checkpoint)


def read_origin(path: Path, details: Mapping[str, Any]) -> Origin:
    """Return the origin of a run, from the details of its model file."""
    plan = read_plan(path, details)
    try:
        return Origin(plan, int(details["samples"]), details.get("fingerprint"), details.get("classes"))
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error


def read_plan(path: Path, details: Mapping[str, Any]) -> Plan:
    """Return what a run does, from the details of its model file."""
    if "settings" not in details:
        msg = (
            f"{path}: this model was not made by pycopi train, so there is no run to resume; "
            f"go on with pycopi.load and pycopi.fit"
        )
        raise ValueError(msg)
    try:
        return stored_plan(details["settings"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path}: the run in this file cannot be read ({error}); start anew with --overwrite")
