"""What each part of the recipe brings: one thing changes at a time, all else stays as it is by default.

python -m benchmarks.tuned.ablation --keep FOLDER      # goes on where it stopped

The rows are kept with those of the race, whose page has the table.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from benchmarks.sides import needed
from benchmarks.table import Column, Table
from benchmarks.threads import again, has_threads
from benchmarks.tuned.race import kept
from benchmarks.tuned.trial import Entry, Row, Trial
from pycopi.presets.subspace import STEP

SEEDS, EPOCHS, RATES = (0, 1), 1, (0.1, 0.3, 1.0)
METHOD = "COPI subspace, in parts"
PART = "ablation"
DEFAULT: Mapping[str, Any] = {
    "rate": 0.3,
    "bound": STEP,
    "batch": 128,
    "rank": 16,
    "damping": 1.0,
    "refresh": 1500,
    "parts": "all",
    "momentum": 0.0,
    "decay": 0.0,
}
"""`pycopi.subspace_recipe` as a setting."""

PARTS = ("all", "inputs", "perturbations", "first layer", "hidden layers")
SWEEPS: Mapping[str, Sequence[Any]] = {
    "rank": (1, 2, 4, 8, 16, 32, 64, None),
    "damping": (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0),
    "refresh": (32, 320, 1500, 3200, 32000),
    "batch": (32, 64, 128, 256, 512, 1024),
    "bound": (0.01, 0.02, 0.1, 0.2),
}
_HOW = (
    f"Accuracy in % on the validation rows after {EPOCHS} epoch, mean over {len(SEEDS)} seeds; a run that "
    "diverges counts as 0. Parts: what is decorrelated, at rates of "
    f"{', '.join(map(str, RATES))}, the best in bold; of first and hidden layers, the inputs alone. Refresh: "
    "samples from one to the next; a quarter of each batch counts. Bound: the longest step of a unit's "
    "weights, as a share of their length. All else as in `pycopi.subspace_recipe`."
)


class Part(NamedTuple):
    """What changes, to which value, and the trials with a bound and without; a value has one rate or all."""

    name: str
    value: str
    bounded: list[Trial]
    unbounded: list[Trial]


def parts(network: str) -> Iterator[Part]:
    """Yield the rows of the table."""
    for inputs, names in (("raw", PARTS), ("standardised", PARTS[:2])):
        for part in (*names, "none"):
            setting = {"rank": 0} if part == "none" else {"parts": part}
            yield _row(network, f"parts, {inputs} inputs", part, inputs, setting, RATES)
    for name, values in SWEEPS.items():
        for value in values:
            shown = "all" if value is None else f"{value:g}"
            yield _row(network, name, shown, "raw", {name: value}, (DEFAULT["rate"],))


def _row(
    network: str, name: str, value: str, inputs: str, setting: Mapping[str, Any], rates: Sequence[float]
) -> Part:
    entry = Entry(network, METHOD, inputs)
    found = []
    for bounded in (True, False):
        default = DEFAULT if bounded else {key: own for key, own in DEFAULT.items() if key != "bound"}
        settings = (
            [] if name == "bound" and not bounded else [{**default, **setting, "rate": rate} for rate in rates]
        )
        found.append([Trial(entry, one, EPOCHS, seed, PART) for one in settings for seed in SEEDS])
    return Part(name, value, *found)


def table(network: str, found: Iterable[Row]) -> Table:
    """Return what rows tell of the values whose trials have all been run."""
    scores = {row.trial.key: row.score for row in found if row.trial.part == PART}
    body = []
    for one in parts(network) if scores else ():
        texts = [_means(scores, one.bounded), _means(scores, one.unbounded)]
        if any(texts):
            body.append((one.name, one.value, *texts))
    columns = [Column("what changes"), Column("value"), Column("accuracy, %"), Column("without the bound, %")]
    return Table(f"tuned ablation {network}", f"Parts, {network}", columns, body, [_HOW])


def _means(scores: Mapping[str, float], wanted: Sequence[Trial]) -> str:
    """Return the mean accuracies of trials at each rate; nothing where one has not been run."""
    found = [scores[trial.key] for trial in wanted if trial.key in scores]
    if not wanted or len(found) < len(wanted):
        return ""
    means = [100 * fmean(found[at : at + len(SEEDS)]) for at in range(0, len(found), len(SEEDS))]
    return ", ".join(
        f"**{one:.1f}**" if len(means) > 1 and one == max(means) else f"{one:.1f}" for one in means
    )


def main(words: Sequence[str]) -> int:
    """Run what is left of the ablation."""
    parser = argparse.ArgumentParser("python -m benchmarks.tuned.ablation", description=__doc__)
    parser.add_argument("--keep", type=Path, required=True, metavar="FOLDER", help="where the rows are kept")
    parser.add_argument("--network", default="cifar10")
    given = parser.parse_args(words)
    if not has_threads(1):
        return again("benchmarks.tuned.ablation", words, 1)
    given.keep.mkdir(parents=True, exist_ok=True)
    needed("torch").set_num_threads(1)
    run = kept(given.keep, lambda line: print(line, flush=True))
    made = list(parts(given.network))
    for planned in ([one.bounded for one in made], [one.unbounded for one in made]):
        for trial in sorted((trial for part in planned for trial in part), key=lambda one: one.seed):
            run(trial)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
