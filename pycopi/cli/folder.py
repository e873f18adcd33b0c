"""The output folder of a run: what lies there, how it gets there, and how a run is found again."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pycopi import __version__
from pycopi._array import Array
from pycopi._files import whole_file
from pycopi.cli.plan import Plan, stored_plan
from pycopi.network import Network, Parameters
from pycopi.storage import load, save
from pycopi.training.history import EpochRecord, TrainingState

MODEL, HISTORY, PICTURE = "model.safetensors", "history.json", "learning-curve.png"
LAST_GOOD = "last-good.safetensors"


class StoredRun(NamedTuple):
    """A run as its model file describes it; ``samples`` counts those it is trained on."""

    plan: Plan
    samples: int
    history: tuple[EpochRecord, ...]


class RunFolder(NamedTuple):
    """The folder of one run."""

    path: Path

    def check_free(self, *, overwrite: bool) -> None:
        """Raise unless a new run may be put here."""
        if self.path.exists() and not self.path.is_dir():
            msg = f"--output {self.path} is a file; expected a folder"
            raise ValueError(msg)
        found = self._found()
        if found and not overwrite:
            msg = (
                f"{self.path} holds a run already ({', '.join(found)}); go on with --resume, "
                f"replace it with --overwrite, or name another folder with --output"
            )
            raise ValueError(msg)

    def clear(self) -> None:
        """Make the folder if need be, and remove what a run left there; nothing else."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name in self._found():
            (self.path / name).unlink()

    def stored(self) -> StoredRun:
        """Return the run that lies here."""
        model = self.path / MODEL
        if not model.is_file():
            msg = f"{self.path} holds no run to resume (there is no {MODEL}); leave --resume out to start one"
            raise FileNotFoundError(msg)
        return read_run(model, load(model).details)

    def parameters(self, like: Array) -> Parameters:
        """Return the parameters of the run that lies here."""
        return load(self.path / MODEL, like=like).parameters

    def save(
        self,
        plan: Plan,
        network: Network,
        samples: int,
        state: TrainingState,
        labels: Sequence[Any] | None,
    ) -> None:
        """Write the model and the history of a run after an epoch."""
        details = describe_run(plan, samples, state.history, labels)
        save(self.path / MODEL, network, state.parameters, details=details)
        with whole_file(self.path / HISTORY) as temporary:
            temporary.write_text(history_json(details), encoding="utf-8")

    def _found(self) -> list[str]:
        names = (MODEL, HISTORY, PICTURE, LAST_GOOD)
        return [name for name in names if (self.path / name).exists()]


def describe_run(
    plan: Plan, samples: int, history: Sequence[EpochRecord], labels: Sequence[Any] | None
) -> dict[str, Any]:
    """Return what is needed to go on with a run besides its parameters, for a model file.

    ``labels`` are those of the classes, in the order of their numbers; None for real-valued targets.
    """
    records = [{name: _as_json(value) for name, value in record._asdict().items()} for record in history]
    return {
        "data": plan.data,
        "samples": samples,
        "classes": None if labels is None else list(labels),
        "settings": plan.as_json(),
        "history": records,
    }


def _as_json(value: Any) -> Any:
    """Return a value of a record as JSON has it: what is no finite number, such as a loss, is null."""
    if isinstance(value, tuple):
        return [_as_json(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_run(path: Path, details: Mapping[str, Any]) -> StoredRun:
    """Return the run that the details of a model file describe."""
    if "settings" not in details:
        msg = (
            f"{path}: this model was not made by pycopi train, so there is no run to resume; "
            f"go on with pycopi.load and pycopi.fit"
        )
        raise ValueError(msg)
    try:
        history = tuple(
            EpochRecord(**{**record, "correlation": tuple(record["correlation"])})
            for record in details["history"]
        )
        return StoredRun(stored_plan(details["settings"]), int(details["samples"]), history)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{path}: the run in this file cannot be read ({error}); start anew with --overwrite"
        raise ValueError(msg) from error


def history_json(details: Mapping[str, Any]) -> str:
    """Return the content of the history file; ``test`` is the result after the last epoch."""
    last = details["history"][-1] if details["history"] else {}
    content = {
        "pycopi": __version__,
        "data": details["data"],
        "settings": details["settings"],
        "history": details["history"],
        "test": {name: last.get(f"validation_{name}") for name in ("loss", "accuracy")},
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"
