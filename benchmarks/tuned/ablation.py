"""What each part of the recipe brings: one thing changes at a time, all else stays as it is by default.

python -m benchmarks.tuned.ablation run --keep FOLDER      # goes on where it stopped
python -m benchmarks.tuned.ablation page --keep FOLDER docs/which.md
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from benchmarks.page import fill
from benchmarks.sides import needed
from benchmarks.table import Column, Table
from benchmarks.threads import again, has_threads
from benchmarks.tuned.race import kept
from benchmarks.tuned.store import stored
from benchmarks.tuned.trial import Entry, Trial
from pycopi.presets.subspace import STEP

SEEDS, EPOCHS, RATES = (0, 1), 1, (0.1, 0.3, 1.0)
METHOD = "COPI subspace, in parts"
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


class Row(NamedTuple):
    """What changes, to which value, and the trials with a bound and without; a value has one rate or all."""

    name: str
    value: str
    bounded: list[Trial]
    unbounded: list[Trial]


def rows(network: str) -> Iterator[Row]:
    """Yield the rows of the table."""
    for inputs, parts in (("raw", PARTS), ("standardised", PARTS[:2])):
        for part in (*parts, "none"):
            setting = {"rank": 0} if part == "none" else {"parts": part}
            yield _row(network, f"parts, {inputs} inputs", part, inputs, setting, RATES)
    for name, values in SWEEPS.items():
        for value in values:
            shown = "all" if value is None else f"{value:g}"
            yield _row(network, name, shown, "raw", {name: value}, (DEFAULT["rate"],))


def _row(
    network: str, name: str, value: str, inputs: str, setting: Mapping[str, Any], rates: Sequence[float]
) -> Row:
    entry = Entry(network, METHOD, inputs)
    found = []
    for bounded in (True, False):
        default = DEFAULT if bounded else {key: own for key, own in DEFAULT.items() if key != "bound"}
        settings = (
            [] if name == "bound" and not bounded else [{**default, **setting, "rate": rate} for rate in rates]
        )
        found.append([Trial(entry, one, EPOCHS, seed, "ablation") for one in settings for seed in SEEDS])
    return Row(name, value, *found)


def table(network: str, folder: Path) -> Table:
    """Return what was found, of the values whose trials have all been run."""
    body = []
    for row in rows(network):
        texts = [_found(folder, row.bounded), _found(folder, row.unbounded)]
        if any(texts):
            body.append((row.name, row.value, *texts))
    columns = [Column("what changes"), Column("value"), Column("accuracy, %"), Column("without the bound, %")]
    return Table(f"ablation {network}", f"Parts, {network}", columns, body, [_HOW])


def _found(folder: Path, wanted: Sequence[Trial]) -> str:
    """Return the mean accuracies of trials at each rate; nothing where one has not been run."""
    found = [row.score for row in (stored(folder, trial) for trial in wanted) if row is not None]
    if not wanted or len(found) < len(wanted):
        return ""
    means = [100 * fmean(found[at : at + len(SEEDS)]) for at in range(0, len(found), len(SEEDS))]
    return ", ".join(
        f"**{one:.1f}**" if len(means) > 1 and one == max(means) else f"{one:.1f}" for one in means
    )


def main(words: Sequence[str]) -> int:
    """Run, or put the tables into a page."""
    parser = argparse.ArgumentParser("python -m benchmarks.tuned.ablation", description=__doc__)
    parser.add_argument("action", choices=("run", "page"))
    parser.add_argument("--keep", type=Path, required=True, metavar="FOLDER", help="where the rows are kept")
    parser.add_argument("--network", default="cifar10")
    parser.add_argument("page", type=Path, nargs="?", help="a Markdown file")
    given = parser.parse_args(words)
    if given.action == "run" and not has_threads(1):
        return again("benchmarks.tuned.ablation", words, 1)
    given.keep.mkdir(parents=True, exist_ok=True)
    if given.action == "page":
        made = table(given.network, given.keep)
        text = fill(given.page.read_text(encoding="utf-8"), {made.name: made.markdown().partition("\n\n")[2]})
        given.page.write_text(text, encoding="utf-8")
        return 0
    needed("torch").set_num_threads(1)
    run = kept(given.keep, lambda line: print(line, flush=True))
    made = list(rows(given.network))
    for planned in ([one.bounded for one in made], [one.unbounded for one in made]):
        for trial in sorted((trial for part in planned for trial in part), key=lambda one: one.seed):
            run(trial)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
