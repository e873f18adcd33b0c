"""One row at a time: the learner of streams against scikit-learn's and deep-river's networks."""

import statistics
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, pairwise
from typing import Any

import numpy as np

from benchmarks.sides import Side, installed, left_out, needed
from benchmarks.step import PAPER, QUICK
from benchmarks.table import Column, Scope, Table
from pycopi.streams import StreamClassifier

NETWORKS = {"64-128x2-10": (64, 128, 128, 10)} | {
    name: sizes for name, sizes in PAPER.items() if "MNIST" in name
}
"""The networks by their names."""

_ROWS, _CALLS = 50, 15  # different rows, taken in turn; calls in a turn
_RATE = 1e-6  # small, so that numbers stay as they are

_HOW = (
    "One row a call. Arrays, dicts: `StreamClassifier.learn_one`, which scales its inputs and decorrelates "
    "those of the first layer; all layers: those of every layer; no layer: of none. scikit-learn: "
    "`MLPClassifier.partial_fit` (Adam) on a float32 row. deep-river: its `Classifier.learn_one` on a dict. "
    "The sides take turns; ratios are those of medians."
)


def tables(scope: Scope) -> Iterator[Table]:
    """Return the table of single rows."""
    networks = QUICK if scope.quick else NETWORKS
    notes = [_HOW, *left_out("sklearn", "scikit-learn")]
    if not installed("deep_river"):
        notes.append(
            "deep-river is left out: it is not installed (pip install deep-river, which pins PyTorch)."
        )
    yield Table(
        "single",
        "Learning from one row at a time, float32",
        [
            Column("network, learner"),
            Column("scikit-learn / it", ".1f"),
            Column("deep-river, SGD / it", ".1f"),
            Column("deep-river, Adam / it", ".1f"),
            Column("median, us", ".0f"),
            Column("99 % of calls below, us", ".0f"),
        ],
        [row for name, sizes in networks.items() for row in _rows(name, sizes, scope)],
        notes,
    )


def _rows(name: str, sizes: Sequence[int], scope: Scope) -> Iterator[tuple[Any, ...]]:
    seconds = call_times(sides_of(sizes), turns=1 if scope.quick else 40)
    middle = {side: statistics.median(times) for side, times in seconds.items()}
    rivals = [middle.get(rival) for rival in ("scikit-learn", "deep-river, SGD", "deep-river, Adam")]
    for side, times in seconds.items():
        ratios = (rival and rival / middle[side] for rival in rivals)
        yield f"{name}, {side}", *ratios, 1e6 * middle[side], 1e6 * float(np.quantile(times, 0.99))


def call_times(sides: Mapping[str, Side], *, turns: int) -> dict[str, list[float]]:
    """Return the seconds of each call of each side, some calls in every turn after one that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, on a single row
        for _ in range(turns):
            for name, side in sides.items():
                side()
                for _ in range(_CALLS):
                    began = time.perf_counter()
                    side()
                    seconds[name].append(time.perf_counter() - began)
    return seconds


def sides_of(sizes: Sequence[int]) -> dict[str, Side]:
    """Return one step on a row of each learner that is installed, all of them warm."""
    generator = np.random.default_rng(0)
    rows = generator.random((_ROWS, sizes[0]), np.float32)
    labels = generator.integers(sizes[-1], size=_ROWS).tolist()
    dicts = [{f"f{place:04}": float(value) for place, value in enumerate(row)} for row in rows]
    sides = {
        "arrays": _own(sizes, rows, labels, 1),
        "dicts": _own(sizes, dicts, labels, 1),
        "all layers": _own(sizes, rows, labels, None),
        "no layer": _own(sizes, rows, labels, 0),
    }
    if installed("sklearn"):
        sides["scikit-learn"] = _sklearn(sizes, rows, labels)
    if installed("deep_river"):
        sides["deep-river, SGD"] = _deep_river(sizes, dicts, labels, "sgd")
        sides["deep-river, Adam"] = _deep_river(sizes, dicts, labels, "adam")
    return sides


def _own(sizes: Sequence[int], rows: Sequence[Any], labels: Sequence[int], layers: int | None) -> Side:
    classes = tuple(range(sizes[-1]))
    model = StreamClassifier(tuple(sizes[1:-1]), decorrelated_layers=layers, classes=classes)
    pairs = cycle(zip(rows, labels, strict=True))
    return lambda: model.learn_one(*next(pairs))


def _sklearn(sizes: Sequence[int], rows: Any, labels: Sequence[int]) -> Side:
    model = needed("sklearn.neural_network").MLPClassifier(tuple(sizes[1:-1]), learning_rate_init=_RATE)
    model.partial_fit(rows, labels, classes=np.arange(sizes[-1]))
    places = cycle(range(_ROWS))

    def side() -> None:
        place = next(places)
        model.partial_fit(rows[place : place + 1], labels[place : place + 1])

    return side


def _deep_river(sizes: Sequence[int], rows: Sequence[Any], labels: Sequence[int], optimizer: str) -> Side:
    torch, classification = needed("torch"), needed("deep_river.classification")
    layers: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    model = classification.Classifier(
        torch.nn.Sequential(*layers[:-1]), "cross_entropy", optimizer, lr=_RATE, is_class_incremental=True
    )
    model.observed_classes.update(range(sizes[-1]))
    pairs = cycle(zip(rows, labels, strict=True))
    return lambda: model.learn_one(*next(pairs))
