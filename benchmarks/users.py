"""How ``pycopi train FILE.npz`` does without a flag on data as users bring them, beside scikit-learn.

    python -m benchmarks.users [--csv rows.csv] [--write docs/users.md] [--only iris wine] [--rows 1000]

Needs scikit-learn and the extra "cli", and takes some minutes on one core; with --csv it goes on where it was
ended. All sides see the same splits, and none gets a setting for a set. One split of few rows says little, so
these are split more often. Scores are of the test rows: accuracy, balanced accuracy where the table says so, R²
for regression (the mean over the targets). A run that fails is in the table as a failure.
"""

import argparse
import contextlib
import csv
import io
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sklearn
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pycopi
from benchmarks.page import PLACE, fill
from benchmarks.users_data import SETS, Array, Split

COMMAND = "python -m benchmarks.users --write docs/users.md"
ROWS = 3000
"""Training rows of all splits of a set together, as far as `LEAST` and `MOST` splits allow."""
LEAST, MOST = 3, 100
MARGIN = 0.01
"""What a score may be below another and still be called as good."""


class Failed(Exception):
    """A side that gave no predictions; the message says in a few words what became of it."""


def train_and_predict(split: Split, seed: int) -> Array:
    """Return the predictions of the test rows by the model that the command leaves."""
    from pycopi.training.checkpoint import chosen_model

    with tempfile.TemporaryDirectory() as folder:
        file, run = Path(folder, "data.npz"), Path(folder, "run")
        np.savez(file, **split.arrays())  # type: ignore[arg-type]
        _command("train", file, "--quiet", "--seed", seed, "--output", run)
        _command("evaluate", run, file, "--json")
        saved = pycopi.load(chosen_model(run))
    inputs = split.x_test.astype(saved.parameters[0].weight.dtype)
    outputs = np.asarray(saved.network.predict(saved.parameters, inputs), dtype=np.float64)
    return np.argmax(outputs, axis=1) if split.classes else outputs.reshape(split.y_test.shape)


def _command(*arguments: object) -> None:
    """Run the command in this process; raise `Failed` with the kind of its error."""
    from pycopi.cli.app import run

    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        status = run([str(argument) for argument in arguments])
    if status == 130:
        raise KeyboardInterrupt
    if status:
        text = " ".join(errors.getvalue().split())
        kind = "diverged" if "diverge" in text else f"{arguments[0]} ended with status {status}"
        raise Failed(kind) from RuntimeError(text)


def _scikit(classifier: Any, regressor: Any, *before: Any) -> Callable[[Split, int], Array]:
    """Return a side that fits an estimator at its defaults, after transformers."""

    def fit_and_predict(split: Split, seed: int) -> Array:
        model: Any = (classifier if split.classes else regressor)(random_state=seed)
        if np.ndim(split.y) == 2 and regressor is HistGradientBoostingRegressor:
            model = MultiOutputRegressor(model)
        found: Array = (
            make_pipeline(*(kind() for kind in before), model).fit(split.x, split.y).predict(split.x_test)
        )
        return found

    return fit_and_predict


def _constant(split: Split, seed: int) -> Array:
    """Return the most frequent class, or the mean."""
    model = DummyClassifier(strategy="most_frequent") if split.classes else DummyRegressor()
    found: Array = model.fit(split.x, split.y).predict(split.x_test)
    return found


NETWORKS = ("MLP of scikit-learn", "the same, standardised")

SIDES: dict[str, Callable[[Split, int], Array]] = {
    "constant": _constant,
    NETWORKS[0]: _scikit(MLPClassifier, MLPRegressor),
    NETWORKS[1]: _scikit(MLPClassifier, MLPRegressor, StandardScaler),
    "linear, standardised": _scikit(LogisticRegression, Ridge, StandardScaler),
    "gradient boosting": _scikit(HistGradientBoostingClassifier, HistGradientBoostingRegressor),
    "`pycopi train`": train_and_predict,
}
"""What is compared: functions of a split and a seed that return predictions of the test rows."""


class Row(NamedTuple):
    """One run; ``score`` is None where it failed, and ``error`` says why."""

    data: str
    side: str
    number: int
    score: float | None
    failure: str
    error: str
    seconds: float


def measure(data: str, split: Split, side: str, number: int) -> Row:
    """Return what one side does on the split of a number, which is its seed as well."""
    began, score, failure, error = time.perf_counter(), None, "", ""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # what counts is what comes out
            score = _score(split, SIDES[side](split, number))
    except Failed as end:
        failure, error = str(end), str(end.__cause__ or end)
    except Exception as end:  # whatever it is, a user would have met it
        failure, error = type(end).__name__, " ".join(str(end).split())
    return Row(data, side, number, score, failure, error, time.perf_counter() - began)


def _score(split: Split, predictions: Array) -> float:
    if not np.all(np.isfinite(predictions)):
        msg = "predictions not finite"
        raise Failed(msg)
    if not split.classes:
        return float(r2_score(split.y_test, predictions))
    score = balanced_accuracy_score if split.balanced else accuracy_score
    return float(score(split.y_test, predictions))


def numbers(split: Split, rows: int) -> range:
    """Return the numbers of the splits of a set, of which this is one, for so many training rows together."""
    return range(min(MOST, max(LEAST, -(-rows // len(split.x)))))


def table(rows: Iterable[Row], splits: dict[str, Split]) -> str:
    """Return the Markdown table: a row a set, the mean over its splits for each side."""
    rows = list(rows)
    lines = [
        f"| data | rows, columns, splits | score | {' | '.join(SIDES)} |",
        "| - | - | - |" + " -: |" * len(SIDES),
    ]
    for data, split in splits.items():
        kind = "R²" if not split.classes else "balanced accuracy" if split.balanced else "accuracy"
        cells = [_cell([row for row in rows if (row.data, row.side) == (data, side)]) for side in SIDES]
        count = len({row.number for row in rows if row.data == data})
        size = f"{len(split.x)}, {split.x.shape[1]}, {count}"
        lines.append(f"| {data} | {size} | {kind} | {' | '.join(cells)} |")
    ranks = " | ".join(f"{rank:.2f}" for rank in mean_ranks(rows, list(splits)))
    return "\n".join([*lines, f"| mean rank, 1 is best | | | {ranks} |"])


def mean_ranks(rows: Sequence[Row], names: Sequence[str]) -> list[float]:
    """Return the mean rank of each side over the sets, 1 for the best; equal scores share their ranks."""
    totals = [0.0] * len(SIDES)
    for data in names:
        means = [_mean([row for row in rows if (row.data, row.side) == (data, side)]) for side in SIDES]
        for index, mean in enumerate(means):
            better = sum(other > mean for other in means)
            totals[index] += better + (1 + sum(other == mean for other in means)) / 2
    return [total / len(names) for total in totals]


def behind(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Return where pycopi is more than `MARGIN` below the better network of scikit-learn, in a sentence.

    The standard error is that of the mean over splits of the difference between both.
    """
    own, found = list(SIDES)[-1], []
    for data in names:
        of = {side: [row for row in rows if (row.data, row.side) == (data, side)] for side in SIDES}
        best = max(NETWORKS, key=lambda side: _mean(of[side]))
        if _mean(of[own]) >= _mean(of[best]) - MARGIN:
            continue
        pairs = zip(of[own], of[best], strict=True)
        apart = [one.score - other.score for one, other in pairs if None not in (one.score, other.score)]
        error = statistics.stdev(apart) / len(apart) ** 0.5 if len(apart) > 1 else float("nan")
        found.append(f"{data} ({statistics.fmean(apart):.3f} ± {error:.3f})" if apart else data)
    where = ", ".join(found) or "no set"
    return f"{own} is more than {MARGIN} below the better of scikit-learn's networks on {where}."


def _mean(rows: list[Row]) -> float:
    """Return the mean score, rounded as the table shows it; nothing is worse than a run that failed."""
    if not rows or any(row.score is None for row in rows):
        return float("-inf")
    return round(statistics.fmean(row.score for row in rows if row.score is not None), 3)


def _cell(rows: list[Row]) -> str:
    """Return the mean of the runs that ended well, and how many did not, and why."""
    scores = [row.score for row in rows if row.score is not None]
    failures = sorted({row.failure for row in rows if row.score is None})
    mean = statistics.fmean(scores) if scores else None
    text = [] if mean is None else [f"{mean:.3f}" if abs(mean) < 10 else f"{mean:.2g}"]
    if failures:
        text.append(f"**{len(rows) - len(scores)} of {len(rows)}: {', '.join(failures)}**")
    return "; ".join(text)


def _versions() -> str:
    names = {"pycopi": pycopi.__version__, "NumPy": np.__version__, "scikit-learn": sklearn.__version__}
    names["Python"] = platform.python_version()
    return ", ".join(f"{name} {version}" for name, version in names.items())


def write_page(page: Path, content: str) -> None:
    """Put the content between the marks of a page; raise ValueError if it has none."""
    old = page.read_text(encoding="utf-8")
    if "users" not in (match[2] for match in PLACE.finditer(old)):
        msg = f"{page} has no place for the table; expected the comments <!-- users --> and <!-- end -->"
        raise ValueError(msg)
    page.write_text(fill(old, {"users": content}), encoding="utf-8")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.users", description=__doc__, formatter_class=raw)
    add = parser.add_argument
    add("--csv", type=Path, metavar="FILE", help="where each run is written as it ends; those in it are kept")
    add("--write", type=Path, metavar="PAGE", help="page to put the table into")
    add("--only", nargs="+", metavar="SET", choices=SETS, default=list(SETS), help="sets to measure")
    add("--rows", type=int, default=ROWS, help=f"training rows of all splits of a set (default: {ROWS})")
    return parser.parse_args(arguments)


def kept_rows(file: Path | None) -> dict[tuple[str, str, int], Row]:
    """Return the runs that a file has, by set, side and split; begin the file where there is none."""
    if file is None:
        return {}
    if not file.exists():
        keep(file, Row._fields)
    with file.open(newline="", encoding="utf-8") as stored:
        lines = list(csv.DictReader(stored))
    rows = [
        Row(**{**line, "number": int(line["number"]), "seconds": float(line["seconds"])})._replace(
            score=float(line["score"]) if line["score"] else None
        )
        for line in lines
    ]
    return {row[:3]: row for row in rows}


def keep(file: Path | None, row: Sequence[object]) -> None:
    """Add a line to a file."""
    if file is not None:
        with file.open("a", newline="", encoding="utf-8") as stored:
            csv.writer(stored).writerow(row)


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Measure, print the table, write what the command line names, and return every run."""
    given = _parse(arguments)
    splits, kept, rows = {name: SETS[name](0) for name in given.only}, kept_rows(given.csv), []
    for data, first in splits.items():
        print(data, file=sys.stderr, flush=True)
        for number in numbers(first, given.rows):
            split = SETS[data](number)
            for side in SIDES:
                row = kept.get((data, side, number))
                if row is None:
                    row = measure(data, split, side, number)
                    keep(given.csv, row)
                rows.append(row)
    found = table(rows, splits)
    print(found)
    if given.write is not None:
        notes = (
            f"Test rows, mean over splits. {behind(rows, given.only)} Made by `{COMMAND}` with {_versions()}."
        )
        write_page(given.write, f"{found}\n\n{notes}")
    return rows


if __name__ == "__main__":
    main()
