"""Time to accuracy on MNIST and CIFAR-10: COPI against Adam in PyTorch."""

import time
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from benchmarks.race import Learner, Result, race
from benchmarks.sides import installed, left_out, needed
from benchmarks.step import BATCH, PAPER
from benchmarks.table import Column, Scope, Table
from benchmarks.torch_programs import AdamTraining
from pycopi.data import Dataset, load_dataset
from pycopi.network import mlp
from pycopi.state import State
from pycopi.training.checkpoint import load_run, save_run
from pycopi.training.divergence import DivergenceError
from pycopi.training.evaluate import evaluate
from pycopi.training.fit import epochs

TARGETS = {"mnist": 0.98, "cifar10": 0.56, "digits": 0.9}
"""Test accuracies to reach."""

_SIZES = dict(zip(("mnist", "cifar10"), PAPER.values(), strict=True)) | {"digits": (64, 32, 10)}

_ENDLESS = 10**9  # epochs; the race says when to stop

_HOW = (
    "Seconds of training alone; the sides take turns, an epoch each, and stop at the accuracy. COPI: "
    "`pycopi.fit` with the paper's settings, its first epoch, which only decorrelates, included; COPI fast: "
    "with those of the preset `fast`. Adam: backpropagation in PyTorch, rate 1e-4, fused."
)


class COPI:
    """`pycopi.epochs` on NumPy.

    ``how`` are its keywords; by default the first epoch only decorrelates, as in the paper.
    """

    def __init__(self, sizes: tuple[int, ...], data: Dataset, how: Mapping[str, Any]) -> None:
        self._network, self._data, self._how = mlp(sizes), data, how
        self._state = State(self._network.init(0))
        self._states: Iterator[State] | None = None

    def epoch(self) -> Result | None:
        """Train for one more epoch; None if the run has diverged."""
        if self._states is None:
            data = self._data.x_train, self._data.y_train
            how = {"batch_size": BATCH, **self._how}
            self._states = epochs(self._network, self._state, *data, epochs=_ENDLESS, **how)
        try:
            self._state = next(self._states)
        except DivergenceError:
            return None
        found = evaluate(self._network, self._state.parameters, self._data.x_test, self._data.y_test)
        return Result(self._state.history[-1].seconds, found.accuracy or 0.0)

    def close(self) -> None:
        """Give back what the run holds."""
        self._states = None

    def save(self, path: Path) -> None:
        """Write parameters and history."""
        save_run(path, self._network, self._state)

    def load(self, path: Path) -> None:
        """Go on with the parameters and the history that lie there."""
        stored = load_run(path)
        if stored is None:
            msg = f"{path} is missing, in which the race keeps its state; remove the folder to begin anew"
            raise FileNotFoundError(msg)
        self._state = stored.state


class Adam:
    """Backpropagation with true Adam in PyTorch, at a rate of 1e-4."""

    def __init__(self, sizes: tuple[int, ...], data: Dataset) -> None:
        self._torch = needed("torch")
        from_numpy = self._torch.from_numpy
        self._inputs, labels = from_numpy(data.x_train), from_numpy(data.y_train)
        self._targets = self._torch.nn.functional.one_hot(labels, sizes[-1]).to(self._inputs.dtype)
        self._test = from_numpy(data.x_test), from_numpy(data.y_test)
        self._program = AdamTraining([own.weight for own in mlp(sizes).init(0)])
        self._generator = self._torch.Generator().manual_seed(0)

    def epoch(self) -> Result:
        """Train for one more epoch."""
        began = time.perf_counter()
        order = self._torch.randperm(len(self._inputs), generator=self._generator)
        for rows in order.split(BATCH):
            self._program.step(self._inputs[rows], self._targets[rows])
        seconds = time.perf_counter() - began
        inputs, labels = self._test
        with self._torch.no_grad():
            right = self._program.network(inputs).argmax(1) == labels
        return Result(seconds, float(right.double().mean()))

    def close(self) -> None:
        """Do nothing: there is nothing to end."""

    def save(self, path: Path) -> None:
        """Write weights, moments and the state of the shuffling."""
        parts = {"program": self._program.state(), "shuffling": self._generator.get_state()}
        self._torch.save(parts, path)

    def load(self, path: Path) -> None:
        """Go on with what lies there."""
        parts = self._torch.load(path, weights_only=True)
        self._program.restore(parts["program"])
        self._generator.set_state(parts["shuffling"])


def tables(scope: Scope) -> Iterator[Table]:
    """Return the tables of a race on each data set."""
    for name in ("digits",) if scope.quick else scope.data:
        data = load_dataset(name, data_dir=scope.data_dir, download=scope.download)
        learners: dict[str, Learner] = {
            variant: COPI(_SIZES[name], data, how) for variant, how in scope.variants.items()
        }
        if installed("torch"):
            learners["Adam"] = Adam(_SIZES[name], data)
        folder = None if scope.folder is None else scope.folder / name
        epochs = 2 if scope.quick else scope.epochs
        try:
            results = race(learners, TARGETS[name], epochs, folder=folder, report=scope.report)
        finally:
            for learner in learners.values():
                learner.close()
        yield from tables_of(name, results)


def tables_of(name: str, results: dict[str, list[Result]]) -> Iterator[Table]:
    """Return the tables of a race: how long each side took, and each of its epochs."""
    target = TARGETS[name]
    adam = _reached(results.get("Adam", []), target)
    yield Table(
        f"accuracy-{name}",
        f"Time to {target} test accuracy on {name}, batch {BATCH}, float32",
        [
            Column("method"),
            Column("time / Adam's", ".2f"),
            Column("s to it", ".1f"),
            Column("epochs to it"),
            Column("s an epoch", ".2f"),
            Column("best accuracy", ".4f"),
        ],
        [_row(side, epochs, target, adam and adam[1]) for side, epochs in results.items()],
        [_HOW, *left_out("torch", "Adam")],
    )
    yield Table(
        f"epochs-{name}",
        f"The epochs on {name}",
        [Column("method"), Column("epoch"), Column("s so far", ".1f"), Column("test accuracy", ".4f")],
        [
            (side, number, total, result.accuracy)
            for side, epochs in results.items()
            for number, (total, result) in enumerate(zip(_totals(epochs), epochs, strict=True), 1)
        ],
    )


def _row(side: str, epochs: list[Result], target: float, adam: float | None) -> tuple[Any, ...]:
    count, seconds = _reached(epochs, target) or (None, None)
    return (
        side,
        seconds / adam if seconds and adam else None,
        seconds,
        count,
        sum(result.seconds for result in epochs) / len(epochs) if epochs else None,
        max((result.accuracy for result in epochs), default=None),
    )


def _reached(epochs: list[Result], target: float) -> tuple[int, float] | None:
    """Return the epochs and seconds after which the accuracy is reached, or None."""
    for number, (total, result) in enumerate(zip(_totals(epochs), epochs, strict=True), 1):
        if result.accuracy >= target:
            return number, total
    return None


def _totals(epochs: list[Result]) -> list[float]:
    """Return the seconds of all epochs so far, after each."""
    return list(accumulate(result.seconds for result in epochs))
