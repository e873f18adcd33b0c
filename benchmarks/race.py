"""A race to an accuracy: learners take turns, an epoch each, and what they have done can be kept on disk."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from pycopi._files import whole_file


class Result(NamedTuple):
    """One epoch of a learner: the seconds of its training alone, and the test accuracy after it."""

    seconds: float
    accuracy: float


class Learner(Protocol):
    """What is trained epoch by epoch, and can be put aside in between."""

    def epoch(self) -> Result | None:
        """Train for one more epoch; None if the run has diverged."""

    def close(self) -> None:
        """Give back what training holds; there are no more epochs."""

    def save(self, path: Path) -> None:
        """Write all that is needed to go on."""

    def load(self, path: Path) -> None:
        """Go on with what lies there."""


def race(
    learners: Mapping[str, Learner],
    target: float,
    epochs: int,
    *,
    folder: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, list[Result]]:
    """Return the epochs of each learner: in turn, each until it reaches the accuracy, at most so many.

    With a folder, each epoch is kept there as soon as it is done, and a race that lies there goes on.
    """
    results = {name: _stored(folder, name, learner) for name, learner in learners.items()}
    running = [name for name, done in results.items() if not done or done[-1].accuracy < target]
    for epoch in range(1, epochs + 1):
        for name in [name for name in running if len(results[name]) < epoch]:
            result = learners[name].epoch()
            if result is None:
                report(f"{name}: diverged in epoch {epoch}")
                running.remove(name)
                continue
            results[name].append(result)
            report(f"{name}: epoch {epoch}, {result.seconds:.2f} s, test accuracy {result.accuracy:.4f}")
            _keep(folder, name, learners[name], results[name])
            if result.accuracy >= target:
                running.remove(name)
    return results


def _stored(folder: Path | None, name: str, learner: Learner) -> list[Result]:
    """Return the epochs that lie in the folder, after which the learner is ready to go on."""
    if folder is None or not (file := folder / f"{name}.json").exists():
        return []
    done = [Result(*epoch) for epoch in json.loads(file.read_text())]
    learner.load(_state(folder, name, len(done)))
    return done


def _keep(folder: Path | None, name: str, learner: Learner, done: list[Result]) -> None:
    """Write the state first and the epochs that it belongs to after it, so that they always fit together."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(_state(folder, name, len(done))) as path:
        learner.save(path)
    with whole_file(folder / f"{name}.json") as path:
        path.write_text(json.dumps(done))
    _state(folder, name, len(done) - 1).unlink(missing_ok=True)


def _state(folder: Path, name: str, epoch: int) -> Path:
    return folder / f"{name}-{epoch}.state"
