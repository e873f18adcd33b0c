"""What each part of the recipe brings: one thing changes at a time, all else stays as it is by default.

python -m benchmarks.tuned.ablation run --keep FOLDER      # goes on where it stopped
python -m benchmarks.tuned.ablation page --keep FOLDER docs/which.md
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.page import fill
from benchmarks.sides import needed
from benchmarks.table import Column, Table
from benchmarks.threads import again, has_threads
from benchmarks.tuned.race import kept
from benchmarks.tuned.store import stored
from benchmarks.tuned.trial import Entry, Trial

SEEDS, EPOCHS, RATES = (0, 1), 1, (0.1, 0.3, 1.0)
METHOD = "COPI subspace, in parts"
DEFAULT: Mapping[str, Any] = {
    "rate": 0.3,
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
}
_HOW = (
    f"Accuracy in % on the validation rows after {EPOCHS} epoch, mean over {len(SEEDS)} seeds. Parts: what is "
    f"decorrelated, at rates of {', '.join(map(str, RATES))}, the best in bold; of first and hidden layers, "
    "the inputs alone. Refresh: samples from one to the next; a quarter of each batch counts. All else as in "
    "`pycopi.subspace_recipe`."
)


def trials(network: str) -> Iterator[tuple[str, str, list[Trial]]]:
    """Yield the name of what changes, its value, and the trials of it; a value has one rate or all."""
    for inputs, parts in (("raw", PARTS), ("standardised", PARTS[:2])):
        for part in (*parts, "none"):
            setting = {"rank": 0} if part == "none" else {"parts": part}
            yield f"parts, {inputs} inputs", part, _trials(network, inputs, setting, RATES)
    for name, values in SWEEPS.items():
        for value in values:
            shown = "all" if value is None else f"{value:g}"
            yield name, shown, _trials(network, "raw", {name: value}, (DEFAULT["rate"],))


def _trials(network: str, inputs: str, setting: Mapping[str, Any], rates: Sequence[float]) -> list[Trial]:
    entry = Entry(network, METHOD, inputs)
    settings = [{**DEFAULT, **setting, "rate": rate} for rate in rates]
    return [Trial(entry, one, EPOCHS, seed, "ablation") for one in settings for seed in SEEDS]


def table(network: str, folder: Path) -> Table:
    """Return what was found, of the values whose trials have all been run."""
    body = []
    for name, value, wanted in trials(network):
        rows = [stored(folder, trial) for trial in wanted]
        found = [row.score for row in rows if row is not None]
        if len(found) == len(wanted):
            means = [100 * fmean(found[at : at + len(SEEDS)]) for at in range(0, len(found), len(SEEDS))]
            texts = [
                f"**{one:.1f}**" if len(means) > 1 and one == max(means) else f"{one:.1f}" for one in means
            ]
            body.append((name, value, ", ".join(texts)))
    columns = [Column("what changes"), Column("value"), Column("accuracy, %")]
    return Table(f"ablation {network}", f"Parts, {network}", columns, body, [_HOW])


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
    planned = [trial for _, _, wanted in trials(given.network) for trial in wanted]
    for trial in sorted(planned, key=lambda one: one.seed):
        run(trial)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
