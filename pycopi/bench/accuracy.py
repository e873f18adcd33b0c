"""Time to accuracy on MNIST and CIFAR-10: COPI against Adam in PyTorch, an epoch each in turn."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from pycopi.bench.needs import installed, left_out, needed
from pycopi.bench.scope import Scope
from pycopi.bench.step import BATCH, PAPER
from pycopi.bench.table import Column, Table
from pycopi.bench.torch_programs import AdamTraining
from pycopi.data import Dataset, load_dataset
from pycopi.network import mlp
from pycopi.settings import Settings
from pycopi.training.evaluate import evaluate
from pycopi.training.fit import fit
from pycopi.training.guard import DivergenceError
from pycopi.training.history import TrainingState

TARGETS = {"mnist": 0.98, "cifar10": 0.56, "digits": 0.9}
"""Test accuracies to reach."""

_SIZES = dict(zip(("mnist", "cifar10"), PAPER.values(), strict=True)) | {"digits": (64, 32, 10)}


_HOW = (
    "Seconds of training alone; the sides take turns, an epoch each, and stop at the accuracy. COPI: "
    "`pycopi.fit` with the paper's settings, its first epoch, which only decorrelates, included. Adam: "
    "backpropagation in PyTorch, rate 1e-4, fused."
)


class Result(NamedTuple):
    """One epoch of one side: the seconds of its training alone, and the test accuracy after it."""

    seconds: float
    accuracy: float


class Side(Protocol):
    """A learner that is trained epoch by epoch."""

    def epoch(self) -> Result | None:
        """Train for one more epoch; None if the run has diverged."""


class COPI:
    """`pycopi.fit` on NumPy, whose first epoch only decorrelates, as in the paper."""

    def __init__(self, sizes: tuple[int, ...], data: Dataset, settings: Settings) -> None:
        self._network, self._data, self._settings = mlp(sizes), data, settings
        self._state = TrainingState(self._network.init(0), ())

    def epoch(self) -> Result | None:
        """Train for one more epoch; None if the run has diverged."""
        data, (parameters, history) = self._data, self._state
        try:
            self._state = fit(
                self._network,
                parameters,
                data.x_train,
                data.y_train,
                epochs=len(history) + 1,
                settings=self._settings,
                batch_size=BATCH,
                history=history,
                progress=False,
            )
        except DivergenceError:
            return None
        found = evaluate(self._network, self._state.parameters, data.x_test, data.y_test)
        return Result(self._state.history[-1].seconds, found.accuracy or 0.0)


class Adam:
    """Backpropagation with true Adam in PyTorch, at a rate of 1e-4."""

    def __init__(self, sizes: tuple[int, ...], data: Dataset) -> None:
        self._torch = needed("torch")
        from_numpy = self._torch.from_numpy
        self._inputs, self._labels = from_numpy(data.x_train), from_numpy(data.y_train)
        self._targets = self._torch.nn.functional.one_hot(self._labels, sizes[-1]).to(self._inputs.dtype)
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


def tables(scope: Scope) -> Iterator[Table]:
    """Return a table for each data set: how long each side takes to the accuracy, and each of its epochs."""
    for name in ("digits",) if scope.quick else scope.data:
        data = load_dataset(name, data_dir=scope.data_dir, download=scope.download)
        sides: dict[str, Side] = {"COPI": COPI(_SIZES[name], data, Settings())}
        if installed("torch"):
            sides["Adam"] = Adam(_SIZES[name], data)
        yield from tables_of(name, race(sides, TARGETS[name], scope))


def race(sides: dict[str, Side], target: float, scope: Scope) -> dict[str, list[Result]]:
    """Return the epochs of each side: in turn, each until it has reached the accuracy, at most ``epochs``."""
    results: dict[str, list[Result]] = {name: [] for name in sides}
    running = list(sides)
    for epoch in range(1, (2 if scope.quick else scope.epochs) + 1):
        for name in list(running):
            result = sides[name].epoch()
            if result is None:
                scope.report(f"{name}: diverged in epoch {epoch}")
                running.remove(name)
                continue
            results[name].append(result)
            scope.report(f"{name}: epoch {epoch}, {result.seconds:.2f} s, test accuracy {result.accuracy:.4f}")
            if result.accuracy >= target:
                running.remove(name)
    return results


def tables_of(name: str, results: dict[str, list[Result]]) -> Iterator[Table]:
    """Return the tables of a race: how long each side took, and each of its epochs."""
    target = TARGETS[name]
    reached = {side: _reached(epochs, target) for side, epochs in results.items()}
    least = reached.get("Adam")
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
        [_row(side, epochs, reached[side], least) for side, epochs in results.items()],
        [_HOW, *left_out("torch", "Adam")],
    )
    yield Table(
        f"epochs-{name}",
        f"The epochs on {name}",
        [Column("method"), Column("epoch"), Column("s so far", ".1f"), Column("test accuracy", ".4f")],
        [
            (side, number, float(total), result.accuracy)
            for side, epochs in results.items()
            for number, (total, result) in enumerate(
                zip(np.cumsum([result.seconds for result in epochs]), epochs, strict=True), 1
            )
        ],
    )


def _reached(epochs: list[Result], target: float) -> tuple[int, float] | None:
    """Return the epochs and seconds after which the accuracy is reached, or None."""
    total = 0.0
    for number, result in enumerate(epochs, 1):
        total += result.seconds
        if result.accuracy >= target:
            return number, total
    return None


def _row(
    side: str, epochs: list[Result], reached: tuple[int, float] | None, adam: tuple[int, float] | None
) -> tuple[Any, ...]:
    count, seconds = reached or (None, None)
    return (
        side,
        seconds and adam and seconds / adam[1],
        seconds,
        count,
        sum(result.seconds for result in epochs) / len(epochs) if epochs else None,
        max((result.accuracy for result in epochs), default=None),
    )
