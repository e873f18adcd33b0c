"""The order of the race: what tells most comes first, as it may be stopped at any time."""

from collections.abc import Collection

from benchmarks.tuned.race import FINAL_EPOCHS, FINAL_SEEDS, Stage
from benchmarks.tuned.trial import Entry

OWN = "raw"
"""The inputs of pycopi's methods, where nothing else is said: values in [0, 1]."""

THEIRS = "standardised"
"""The inputs of the rivals."""

_MAIN = ("COPI subspace", "SGD", "AdamW")
_BOUNDED = ("COPI subspace, bounded", "COPI subspace, rank 0, bounded")
SLOW = ("Muon", "SOAP")
"""Methods of which a step on a processor takes many times as long as any other's."""

RIVALS = (*_MAIN, *_BOUNDED, *SLOW, "FOOF")
"""The methods that are compared first, each with its usual inputs; all else is a control of some kind."""

_ABLATIONS = ("COPI subspace, inputs only", "COPI subspace, rank 0")
_BASELINES = ("FOOF", "BP, learned R", "COPI exact")


def usual(network: str, *methods: str) -> tuple[Entry, ...]:
    """Return the entries of methods, each with its usual inputs."""
    theirs = {"SGD", "AdamW", *SLOW}
    return tuple(Entry(network, method, THEIRS if method in theirs else OWN) for method in methods)


def controls(network: str) -> tuple[Entry, ...]:
    """Return the entries that tell what the inputs alone do."""
    wanted = (("SGD", "raw"), ("SGD", "whitened"), ("COPI subspace", THEIRS), ("COPI subspace", "whitened"))
    return tuple(Entry(network, *one) for one in wanted)


_ALL, _SHORT = len(FINAL_SEEDS), FINAL_EPOCHS[:-1]

PLAN = (
    Stage(usual("cifar10", *_MAIN), 3, _SHORT),
    Stage(usual("cifar10", *_MAIN), 3, FINAL_EPOCHS),
    Stage(usual("mnist", *_MAIN), 3, FINAL_EPOCHS),
    Stage(usual("mnist", _BOUNDED[0]), _ALL, FINAL_EPOCHS),
    Stage(usual("mnist", *_MAIN), _ALL, FINAL_EPOCHS),
    Stage(usual("cifar10", _BOUNDED[0]), 3, FINAL_EPOCHS),
    Stage(usual("mnist", _BOUNDED[1]), _ALL, FINAL_EPOCHS),
    Stage(usual("mnist", *_MAIN, *SLOW, *_ABLATIONS, *_BASELINES), _ALL, FINAL_EPOCHS),
    Stage(usual("cifar10", "SGD", "AdamW", _BOUNDED[0]), _ALL, FINAL_EPOCHS),
    Stage(controls("cifar10"), 3, _SHORT),
    Stage(usual("cifar10", _BOUNDED[1], *_ABLATIONS), 3, _SHORT),
    Stage(usual("cifar10", *_BASELINES), 3, _SHORT),
    Stage(usual("cifar10", *_MAIN), _ALL, FINAL_EPOCHS),
    Stage(usual("cifar10-narrow", "SGD", "AdamW", _BOUNDED[0]), _ALL, FINAL_EPOCHS),
    Stage(controls("mnist"), _ALL, FINAL_EPOCHS),
    Stage(usual("cifar10", *SLOW), 3, _SHORT),
)


def planned(
    networks: Collection[str] = (), methods: Collection[str] = (), seeds: int | None = None
) -> list[Stage]:
    """Return the plan, or the part of it that is about these networks and methods; at most so many seeds."""
    stages = []
    for stage in PLAN:
        entries = tuple(
            one
            for one in stage.entries
            if (not networks or one.network in networks) and (not methods or one.method in methods)
        )
        if entries:
            stages.append(stage._replace(entries=entries, seeds=min(stage.seeds, seeds or stage.seeds)))
    return stages
