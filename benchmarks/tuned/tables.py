"""The tables of the race, from its rows alone."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any, NamedTuple

from benchmarks.table import Cell, Column, Table
from benchmarks.tuned import ablation, best
from benchmarks.tuned.arithmetic import operations
from benchmarks.tuned.equal import TENTHS, Complete, complete, reached
from benchmarks.tuned.inputs import VALIDATION
from benchmarks.tuned.plan import RIVALS, SLOW, usual
from benchmarks.tuned.race import FINAL_EPOCHS, SEARCH_SEEDS, Chosen, choose
from benchmarks.tuned.spaces import CLOSER, SETTINGS, SPACES, Log, Range
from benchmarks.tuned.steps import BATCHES, Step
from benchmarks.tuned.times import Runs, paired_seeds, ratio, seconds_to
from benchmarks.tuned.trial import SIZES, Entry, Row

SHARES = (0.9, 0.97, 0.99)
"""Shares of AdamW's best accuracy to which times are told."""

_TARGETS = {"mnist": (0.98,)}
"""Accuracies of networks to which times are told as well."""

_TRAINING = {"mnist": 60_000, "cifar10": 50_000, "digits": 1437}
_USUAL = "standardised"

_HOW = (
    "Trials: settings times seeds of the search; failed: those that diverged; validation: the best mean "
    "accuracy of a setting. Then the test accuracy of complete runs at that setting, mean ± standard deviation "
    "over fresh seeds; a dash: not run yet. An epoch: processor seconds of its steps at the chosen batch."
)
_OPEN = "The race still runs: a complete search has {} trials or more, and until then its choice may change."
_TIMES = (
    "Processor seconds at which the mean test accuracy reaches that share of AdamW's best, in a straight line "
    "between complete runs: epochs times steps times the seconds of a step. Ratios have the 95 % interval of a "
    "paired bootstrap over seeds. Under: the shortest run is beyond it already."
)
_ARITHMETIC = (
    "As the time to an accuracy, in operations of the products, 10^12 of them, with ratios to AdamW's: "
    "what would be left on a machine on which nothing else took time."
)
_EQUAL = (
    "Test accuracy, mean over seeds, of the run that has ended by then and is best on validation rows, among "
    "complete runs of all lengths and those at the setting for eight epochs. By the last column the longest "
    "runs of AdamW and SGD have ended; the others are its tenths. A dash: no run ends so soon."
)
_STEPS = "Milliseconds of the processor, one thread: the lower quartile of turns in which the sides alternate."
_SLOW_STEPS = " Muon and SOAP: ten steps in a row, at the first setting of their spaces and without a refresh."


class Found(NamedTuple):
    """What rows tell of an entry: its search and its final runs, test accuracies by epochs and seed."""

    entry: Entry
    chosen: Chosen
    trials: int
    failed: int
    runs: Runs
    complete: Sequence[Complete]
    epoch_seconds: float | None

    @property
    def name(self) -> str:
        """Return the method, and its inputs."""
        return f"{self.entry.method} ({self.entry.inputs})"


def found_in(rows: Iterable[Row], steps: Iterable[Step]) -> list[Found]:
    """Return what rows and steps tell of each entry, in the order of the methods."""
    entries: dict[Entry, list[Row]] = {}
    for row in rows:
        if row.trial.part == ablation.PART:
            continue
        entries.setdefault(row.trial.entry, []).append(row)
    seconds = {one[:-1]: one.seconds for one in steps}
    methods = list(SPACES)
    ordered = sorted(entries, key=lambda entry: (methods.index(entry.method), entry.inputs))
    return [one for entry in ordered if (one := _found(entry, entries[entry], seconds)) is not None]


def settings_by_network(rows: Iterable[Row]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the chosen setting of each method of each network; where inputs differ, that of the first."""
    made: dict[str, dict[str, dict[str, Any]]] = {}
    for one in found_in(rows, ()):
        made.setdefault(one.entry.network, {}).setdefault(one.entry.method, one.chosen.setting)
    return made


def _found(entry: Entry, rows: Sequence[Row], seconds: Mapping[Any, float]) -> Found | None:
    """Return what the rows of an entry tell; None before its first search row."""
    searched = [row for row in rows if row.trial.part == "search"]
    if not searched:
        return None
    chosen = choose(searched)
    finals = [row for row in rows if row.trial.part == "final" and row.trial.setting == chosen.setting]
    runs: dict[int, dict[int, float]] = {}
    for row in finals:
        runs.setdefault(row.trial.epochs, {})[row.trial.seed] = row.test or 0.0
    batch = chosen.setting["batch"]
    step = seconds.get((entry.network, entry.method, batch))
    epoch = None if step is None else step * -(-_samples(entry.network) // batch)
    failed = sum(bool(row.error) for row in searched)
    ended = complete([*finals, *(row for row in rows if row.trial.part == best.FINAL)])
    return Found(entry, chosen, len(searched), failed, dict(sorted(runs.items())), ended, epoch)


def tables(rows: Sequence[Row], steps: Sequence[Step]) -> list[Table]:
    """Return all tables; those of one name belong in one place."""
    found, made = found_in(rows, steps), [spaces()]
    for network in SIZES:
        if own := [one for one in found if one.entry.network == network]:
            first = compared(network, own)
            made += [results(f"tuned {network}", first), times(network, first), arithmetic(network, first)]
            made.append(equal(network, first))
            made.append(results(f"tuned controls {network}", [one for one in own if one not in first]))
            made += [settings(network, own), step_table(network, steps)]
            made.append(best.table(network, [one.entry for one in own], rows))
            made.append(ablation.table(network, rows))
    return [table for table in made if table.rows]


def compared(network: str, found: Iterable[Found]) -> list[Found]:
    """Return the methods of a network with their usual inputs; all else is a control of some kind."""
    return [one for one in found if one.entry in usual(network, *RIVALS)]


def spaces() -> Table:
    """Return where each method is searched."""
    heads = (Column("method"), Column("rate"), Column("all else"))
    body = [
        (name, _range(own.range), "; ".join(f"{key} {_range(one)}" for key, one in own.others.items()))
        for name, own in SPACES.items()
    ]
    return Table("tuned spaces", "Where the methods are searched", heads, body)


def _range(own: Range) -> str:
    if isinstance(own, Log):
        return f"{own.low:.2g} to {own.high:.2g}"
    return ", ".join(map(str, own))


def results(name: str, found: Sequence[Found]) -> Table:
    """Return the accuracies of entries."""
    epochs = [Column(f"{count} epoch{'s'[: count > 1]}") for count in FINAL_EPOCHS]
    search = (Column("trials"), Column("failed"), Column("validation", ".4f"), Column("seeds"))
    heads = (Column("method (inputs)"), *search, *epochs)
    body = [
        (
            *(one.name, one.trials, one.failed, one.chosen.score, len(paired_seeds(one.runs)) or None),
            *(_spread(one.runs.get(count, {}).values()) for count in FINAL_EPOCHS),
            one.epoch_seconds,
        )
        for one in found
    ]
    least = (SETTINGS + CLOSER) * len(SEARCH_SEEDS)
    notes = [_HOW, *([_OPEN.format(least)] if any(one.trials < least for one in found) else [])]
    return Table(name, name, [*heads, Column("an epoch, s", ".1f")], body, notes)


def _spread(values: Iterable[float]) -> str | None:
    """Return mean and standard deviation in words; None of nothing."""
    values = list(values)
    if not values:
        return None
    return f"{fmean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


def settings(network: str, found: Sequence[Found]) -> Table:
    """Return the chosen settings of a network's entries."""
    heads = (Column("method (inputs)"), Column("validation", ".4f"), Column("settings"), Column("chosen"))
    body = [(one.name, one.chosen.score, one.chosen.settings, _words(one.chosen.setting)) for one in found]
    return Table(f"tuned settings {network}", f"Chosen settings, {network}", heads, body)


def _words(setting: Mapping[str, Any]) -> str:
    names = ["rate", *sorted(setting.keys() - {"rate"})]
    return ", ".join(f"{name} {setting[name]}" for name in names)


def times(network: str, found: Sequence[Found]) -> Table:
    """Return the seconds to shares of AdamW's best; no rows before AdamW's longest runs are there."""
    ran = {one.entry: one for one in found if one.runs and one.epoch_seconds is not None}
    adamw, sgd = (ran.get(Entry(network, name, _USUAL)) for name in ("AdamW", "SGD"))
    body: list[tuple[Cell, ...]] = []
    heads = ["method (inputs)"]
    if targets := _targets(network, adamw):
        body = [(one.name, *_to(targets.values(), one, adamw, sgd)) for one in ran.values()]
        heads += [head for target in targets for head in (f"s to {target}", "/ AdamW", "/ SGD")]
    title = f"Time to an accuracy, {network}"
    return Table(f"tuned {network}", title, list(map(Column, heads)), body, [_TIMES])


def _targets(network: str, adamw: Found | None) -> dict[str, float]:
    """Return the accuracies to which times are told, in words; none before AdamW's longest runs are there."""
    if adamw is None or FINAL_EPOCHS[-1] not in adamw.runs:
        return {}
    best = max(fmean(seeds.values()) for seeds in adamw.runs.values())
    shares = {f"{share * best:.4f} ({share:.0%})": share * best for share in SHARES}
    return shares | {str(target): target for target in _TARGETS.get(network, ())}


def arithmetic(network: str, found: Sequence[Found]) -> Table:
    """Return the arithmetic to shares of AdamW's best, for the methods whose arithmetic is known."""
    ran = {one.entry: counted for one in found if (counted := in_operations(network, one)) is not None}
    adamw = ran.get(Entry(network, "AdamW", _USUAL))
    body: list[tuple[Cell, ...]] = []
    heads = ["method (inputs)"]
    if targets := _targets(network, adamw):
        body = [(one.name, *_to(targets.values(), one, adamw, None)) for one in ran.values()]
        body = [tuple(cell for at, cell in enumerate(row) if not at or at % 3) for row in body]
        heads += [head for target in targets for head in (f"to {target}", "/ AdamW")]
    title = f"Arithmetic to an accuracy, {network}"
    return Table(f"tuned arithmetic {network}", title, list(map(Column, heads)), body, [_ARITHMETIC])


def equal(network: str, found: Sequence[Found]) -> Table:
    """Return what each method has after tenths of the time of the rivals' longest runs."""
    ran = [one for one in found if one.complete and one.epoch_seconds is not None]
    rivals = [one for one in ran if one.entry in usual(network, "AdamW", "SGD")]
    whole = max((max(one.runs, default=0) * (one.epoch_seconds or 0.0) for one in rivals), default=0.0)
    ends = [whole * tenth / len(TENTHS) for tenth in TENTHS] if whole else []
    body = [
        (one.name, *(reached(end, one.complete, one.epoch_seconds or 0.0) for end in ends))
        for one in ran
        if ends
    ]
    heads = [Column("method (inputs)"), *(Column(f"{end:.0f} s", ".4f") for end in ends)]
    return Table(f"tuned equal {network}", f"Accuracy after equal seconds, {network}", heads, body, [_EQUAL])


def in_operations(network: str, one: Found) -> Found | None:
    """Return what is found with an epoch's arithmetic, in 10^12 operations, in place of its seconds."""
    count = operations(one.entry.method, SIZES[network], one.chosen.setting)
    if count is None or not one.runs:
        return None
    return one._replace(epoch_seconds=count * _samples(network) / 1e12)


def _samples(network: str) -> int:
    """Return the number of samples in an epoch."""
    data = network.partition("-")[0]
    return _TRAINING[data] - VALIDATION[data]


def _to(targets: Iterable[float], one: Found, adamw: Found | None, sgd: Found | None) -> Iterator[Cell]:
    """Yield the seconds to each target, and their ratios to those of AdamW and of SGD, in words."""
    for target in targets:
        seconds = _seconds(target, one)
        shortest = min(one.runs) * (one.epoch_seconds or 0.0)
        yield {"nan": f"under {shortest:.1f}", "inf": "not reached"}.get(str(seconds), f"{seconds:.1f}")
        yield _ratio(target, one, adamw)
        yield _ratio(target, one, sgd)


def _ratio(target: float, one: Found, other: Found | None) -> str | None:
    """Return a ratio in words; None for the other itself, and where a side has no time."""
    if other is None or one is other:
        return None
    found = ratio(target, one.runs, one.epoch_seconds or 0.0, other.runs, other.epoch_seconds or 0.0)
    if found is not None:
        return f"{found.value:.2f} ({found.low:.2f}-{found.high:.2f})"
    theirs = _seconds(target, other)
    if not math.isnan(_seconds(target, one)) or not math.isfinite(theirs):
        return None
    return f"under {min(one.runs) * (one.epoch_seconds or 0.0) / theirs:.2f}"


def _seconds(target: float, one: Found) -> float:
    return seconds_to(target, one.runs, one.epoch_seconds or 0.0, paired_seeds(one.runs))


def step_table(network: str, steps: Sequence[Step]) -> Table:
    """Return the milliseconds of a step of each method of a network."""
    seconds = {(one.method, one.batch): one.seconds for one in steps if one.network == network}
    names = dict.fromkeys(method for method, _ in seconds)
    heads = [Column("method"), *(Column(f"batch {batch}, ms", ".1f") for batch in BATCHES)]
    body = [(name, *(_milliseconds(seconds.get((name, batch))) for batch in BATCHES)) for name in names]
    return Table(
        f"tuned settings {network}",
        f"A step, {network}",
        heads,
        body,
        [_STEPS + _SLOW_STEPS if set(names) & set(SLOW) else _STEPS],
    )


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds
