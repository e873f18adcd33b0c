"""How far a method comes in eight epochs, with smoothed targets and a rate and decay of its own."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from benchmarks.table import Column, Table
from benchmarks.tuned.race import FINAL_SEEDS, SEARCH_SEEDS, Chosen, Runner, choose
from benchmarks.tuned.spaces import SPACES, Log
from benchmarks.tuned.trial import Entry, Row, Trial

EPOCHS, SMOOTHING = 8, 0.1
"""Epochs of a run, and the share of a target that all classes have alike."""

Pairs = Sequence[tuple[float, float]]
"""Rates by the chosen one, and decays by the highest of a search."""

PAIRS: Pairs = ((1.0, 1.0), (1.0, 3.0), (1.0, 8.0), (0.6, 3.0), (0.6, 8.0), (0.6, 16.0))
"""What is tried first."""

WEAKER = ((1.0, 0.3), (0.6, 0.3), (0.6, 1.0), (0.3, 1.0))
STRONGER = ((1.0, 16.0), (0.6, 32.0), (0.3, 16.0), (0.3, 32.0))
"""What is tried as well where the weakest or the strongest of those decays is best."""

SEARCH, FINAL = "best search", "best"
"""The parts of a trial."""

_HOW = (
    f"At the race's chosen setting, but with targets of which all classes have the share {SMOOTHING}, and "
    f"{len(PAIRS)} pairs of rate and decay, {len(WEAKER)} more where the weakest or the strongest decay is "
    f"best: the pair with the best accuracy on the validation rows after {EPOCHS} epochs, mean over "
    f"{len(SEARCH_SEEDS)} seeds. Then the test accuracy after as many, mean ± standard deviation over "
    f"{len(FINAL_SEEDS)} fresh seeds, none of which learns from validation rows."
)


def settings(entry: Entry, chosen: Chosen, pairs: Pairs = PAIRS) -> list[dict[str, Any]]:
    """Return what is tried of an entry: pairs of rate and decay; nothing where it has no decay."""
    decays = SPACES[entry.method].others.get("decay")
    if not isinstance(decays, Log):
        return []
    return [
        {
            **chosen.setting,
            "rate": float(f"{slower * chosen.setting['rate']:.3g}"),
            "decay": float(f"{stronger * decays.high:.3g}"),
            "smoothing": SMOOTHING,
        }
        for slower, stronger in pairs
    ]


def run_best(entry: Entry, chosen: Chosen, run: Runner) -> Chosen:
    """Run what is missing of an entry whose setting the race has chosen, and return the best setting."""
    rows: list[Row] = []

    def search(pairs: Pairs) -> Chosen:
        tried = settings(entry, chosen, pairs)
        rows.extend(run(Trial(entry, one, EPOCHS, seed, SEARCH)) for seed in SEARCH_SEEDS for one in tried)
        return _best(rows)

    best = search(PAIRS)
    decays = [one["decay"] for one in settings(entry, chosen)]
    if best.setting["decay"] in (min(decays), max(decays)):
        best = search(WEAKER if best.setting["decay"] == min(decays) else STRONGER)
    for seed in FINAL_SEEDS:
        run(Trial(entry, best.setting, EPOCHS, seed, FINAL))
    return best


def _best(rows: Iterable[Row]) -> Chosen:
    return choose(rows, SEARCH)


def _words(setting: Mapping[str, Any]) -> str:
    return f"rate {setting['rate']:g}, decay {setting['decay']:g}"


def table(network: str, entries: Iterable[Entry], rows: Sequence[Row]) -> Table:
    """Return the table of the entries of a network that were run."""
    body = []
    for entry in entries:
        own = [row for row in rows if row.trial.entry == entry]
        if not any(row.trial.part == SEARCH for row in own):
            continue
        best = _best(own)
        finals = [one for one in own if one.trial.part == FINAL and one.trial.setting == best.setting]
        found = [row.test or 0.0 for row in finals]
        spread = f"{fmean(found):.4f} ± {stdev(found):.4f}" if len(found) > 1 else None
        name, words = f"{entry.method} ({entry.inputs})", _words(best.setting)
        body.append((name, best.settings, words, best.score, len(found), spread))
    heads = ("method (inputs)", "settings", "chosen"), ("seeds", "test accuracy")
    columns = [*map(Column, heads[0]), Column("validation", ".4f"), *map(Column, heads[1])]
    return Table(f"tuned best {network}", f"Best accuracy, {network}", columns, body, [_HOW])
