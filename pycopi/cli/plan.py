"""What a run is to do: one frozen description, of values that JSON has, whose fields are the flags of train."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from pycopi.activations import ACTIVATIONS
from pycopi.cli.flags import (
    BACKEND,
    COURSE,
    DECORRELATION,
    DEVICE,
    LEARNING,
    MACHINE,
    NETWORK,
    SAVING,
    VARIANTS,
    Flag,
    Kind,
    choice,
    each,
    flag,
    number,
    read_hidden,
    shown,
    whole,
)
from pycopi.credit import CREDIT
from pycopi.losses import LOSSES
from pycopi.presets import FILES, PRESETS, VARIANCE_SCALED_EPSILON, Preset, preset_for
from pycopi.rules.decorrelation import RULES
from pycopi.rules.inference import COPI
from pycopi.rules.inference import RULES as WEIGHT_RULES

PLACES = {
    **{name: name for name in ("hidden", "activation", "bias", "batch_size", "epochs", "keep_decorrelated")},
    "standardize": "standardized",
    "scale_targets": "scaled_targets",
    **{name: f"settings.{name}" for name in ("rule", "rate", "gain", "credit", "loss", "step_bound")},
    "decorrelation_rate": "settings.decorrelation.rate",
    "decorrelation_rule": "settings.decorrelation.rule",
    "whitening": "settings.decorrelation.whitening",
    "decorrelation_fraction": "settings.decorrelation.fraction",
    "decorrelation_every": "settings.decorrelation.every",
    "decorrelation_bound": "settings.decorrelation.step_bound",
    "decorrelation_epochs": "weight_schedule.start",
    "warm_up": "weight_schedule.warm_up",
    "rate_decay": "weight_schedule.decay",
    "freeze_decorrelation_after": "decorrelation_schedule.freeze_after",
}
"""Where a preset has the fields of a plan that say how a network is trained."""

OF_SUBSPACE = (
    *("hidden", "activation", "bias", "standardize", "scale_targets", "credit", "loss", "rate"),
    *("batch_size", "epochs"),
)
"""Fields that vary the preset of subspace decorrelation; the other `PLACES` mean nothing to it."""

FREE_ON_RESUME = ("epochs", "backend", "device")
"""Fields that may differ when a run goes on: how far, and on what machine."""

AUTO = "auto"
"""The value of a field that waits for the data."""

_ANY = object()


def _flag(panel: str, kind: Kind | None, text: str, usual: Any = _ANY, *, default: str = "") -> Any:
    """Return a field with its flag: ``usual`` is its value where a plan of an older version has none.

    ``default`` is said in the help; where it is empty, the presets say it.
    """
    metadata = {"flag": Flag(panel, "", kind, text, default, negatable=kind is None)}
    return field(metadata=metadata) if usual is _ANY else field(default=usual, metadata=metadata)


def _choice(panel: str, text: str, names: Mapping[str, Any] | tuple[str, ...]) -> Any:
    """Return a field that takes one of some names, the first by default."""
    first, *others = names
    words = f"{text}: {', '.join([f'{first} (default)', *others])}."
    return _flag(panel, choice(first, *others), words, first, default="-")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything besides the data themselves that decides what a run does.

    The fields have the names of the flags. ``data`` is the name of the data, the stem of a file.
    """

    data: str
    hidden: tuple[int, ...] = _flag(
        NETWORK,
        Kind("SIZES", "sizes of layers such as 128,64 or 500x6 (six of 500), or none", read_hidden),
        "Hidden layers: 128,64 or 500x6 (six of 500) or none.",
    )
    activation: str = _choice(
        NETWORK,
        "Activation of the hidden layers",
        ("leaky_relu", *(name for name in ACTIVATIONS if name not in ("leaky_relu", "affine"))),
    )
    task: Literal["classes", "regression"] | None = _flag(
        NETWORK,
        choice("classes", "regression"),
        "What the targets of a file are: classes or regression.",
        None,
        default="classes if they are text, booleans, integers, or whole floats of few values",
    )
    target: str | None = _flag(
        NETWORK, Kind("NAME"), "Column of a CSV file that is to be predicted.", None, default="the last"
    )
    test_share: float | None = _flag(
        NETWORK,
        number(0, 1),
        "Share of the rows of a file without test rows that is kept for testing, drawn by the seed.",
        None,
        default="none",
    )
    bias: bool = _flag(NETWORK, None, "Give each layer a bias.", False)
    standardize: bool = _flag(
        NETWORK,
        None,
        "Centre the inputs, divide them by their spread and clip them, inside the network.",
        False,
    )
    scale_targets: bool = _flag(
        NETWORK, None, "Learn real-valued targets divided by their spread, and predict in their units.", False
    )
    credit: str = _choice(LEARNING, "How the output error reaches the layers below", CREDIT)
    rule: Literal["copi", "gradient", "adam"] = _choice(LEARNING, "How weights learn", (*WEIGHT_RULES, "adam"))
    loss: str = _flag(
        LEARNING,
        choice(*LOSSES),
        f"What the output error is the derivative of: {', '.join(LOSSES)}.",
        "squared_error",
        default="squared_error; files of classes: cross_entropy",
    )
    rate: float = _flag(LEARNING, number(), "Step size of the weights, dimensionless.")
    gain: float = _flag(
        LEARNING, number(), "Factor of the output error, dimensionless; gain times rate is the gradient step."
    )
    batch_size: int | Literal["auto"] = _flag(
        LEARNING,
        whole(),
        "Samples in a step.",
        default="20; mnist, cifar10: 50; files: 64, or a fifth of the samples, but at least 16",
    )
    decorrelation_rate: float = _flag(
        DECORRELATION,
        number(),
        "Step size of the decorrelators, dimensionless; 0 leaves them out, and the default rate becomes "
        "a thousandth, the default gain a hundredfold.",
    )
    decorrelation_rule: Literal["covariance", "local"] = _choice(
        DECORRELATION, "How they learn, as in the paper or locally", RULES
    )
    whitening: float = _flag(
        DECORRELATION,
        number(0, 1),
        "From 0, which only decorrelates, to 1, which only brings the powers to 1. Above 0 the default "
        "rate becomes a thousandth, the gain a hundredfold, the decorrelation rate a hundredth.",
        0.0,
    )
    epochs: int = _flag(COURSE, whole(), "Epochs of the whole run, in passes over the data.")
    decorrelation_epochs: int = _flag(
        COURSE, whole(0), "How many of them, at the start, train the decorrelators alone."
    )
    warm_up: int = _flag(COURSE, whole(0), "Epochs over which the rate of the weights rises.", 0)
    rate_decay: float = _flag(
        COURSE, number(0, 1), "Factor by which each epoch multiplies the rate of the weights for the next.", 1.0
    )
    patience: int | None = _flag(
        COURSE,
        whole(),
        "End the run after so many epochs without a lower test loss; this selects by the test set.",
        None,
        default="off",
    )
    preset: Literal["paper", "fast", "subspace"] = _choice(
        SAVING,
        "Settings of the paper, those that do the least work of the same kind, or gradient steps decorrelated "
        "in few directions, which learn most in a given time",
        ("paper", "fast", "subspace"),
    )
    decorrelation_fraction: float | tuple[float, ...] = _flag(
        SAVING,
        each("SHARES", float, "numbers above 0 and at most 1"),
        "Share of each batch that the decorrelators learn from: 0.2, or 1,0.2 for different layers.",
        1.0,
    )
    decorrelation_every: int = _flag(
        SAVING, whole(), "Steps from one update of the decorrelators to the next.", 1
    )
    decorrelation_bound: float | None = _flag(
        SAVING, number(), "Largest effective step of the decorrelators, rate times the largest power.", None
    )
    step_bound: float | None = _flag(
        SAVING,
        number(),
        "Largest effective step of the weights, gain times rate times the largest power of the inputs.",
        None,
    )
    freeze_decorrelation_after: int | tuple[int | None, ...] | None = _flag(
        SAVING,
        each("EPOCHS", lambda text: None if text == "never" else int(text), "whole numbers of epochs or never"),
        "Epochs after which the decorrelators stay as they are; 3,never freezes that of the first layer alone.",
        None,
        default="never",
    )
    keep_decorrelated: bool = _flag(
        SAVING,
        None,
        "Decorrelate the data once while the first layer is frozen; takes as much memory as the data.",
        False,
    )
    variance_scaled: bool = _flag(
        VARIANTS, None, "Divide COPI steps by the power of the input; the default rate becomes a tenth.", False
    )
    epsilon: float = _flag(
        VARIANTS, number(), "Added to that power, in squared units of the inputs.", VARIANCE_SCALED_EPSILON
    )
    backend: str = field(default="numpy", metadata={"flag": BACKEND})
    device: str | None = field(default=None, metadata={"flag": DEVICE})
    dtype: str = _choice(MACHINE, "Kind of number", ("float32", "float64"))
    seed: int = _flag(MACHINE, whole(0), "Seed of the first weights and of the shuffling.", 0)

    @property
    def recipe(self) -> Preset:
        """The network and how it is trained; a decorrelation rate of 0 leaves the decorrelators out."""
        if self.preset == "subspace":
            own = {PLACES[name]: getattr(self, name) for name in OF_SUBSPACE if getattr(self, name) != AUTO}
            found: Preset = _put(preset_for(self.data).subspace(), own)
            return found
        values = {place: getattr(self, name) for name, place in PLACES.items() if getattr(self, name) != AUTO}
        if self.variance_scaled and self.rule == "copi":
            values["settings.rule"] = COPI(variance_scaled=True, epsilon=self.epsilon)
        values["decorrelated"] = self.decorrelation_rate > 0
        fractions = values.pop("settings.decorrelation.fraction")
        recipe: Preset = _put(preset_for(self.data), values)
        hows = tuple(
            replace(recipe.settings.decorrelations[0], fraction=one)
            for one in (fractions if isinstance(fractions, tuple) else (fractions,))
        )
        settings = replace(recipe.settings, decorrelation=hows if len(hows) > 1 else hows[0])
        return replace(recipe, settings=settings)

    def for_data(self, *, classes: bool, outputs: int, samples: int) -> "Plan":
        """Return the plan with a loss and a batch size where these wait for the data.

        The loss is the one for two classes or more, or for the rest.
        """
        preset = FILES if classes and outputs > 1 else FILES.for_regression()
        found: dict[str, Any] = {"loss": str(preset.settings.loss), "batch_size": preset.batch_for(samples)}
        return replace(self, **{name: value for name, value in found.items() if getattr(self, name) == AUTO})

    def as_json(self) -> dict[str, Any]:
        """Return the fields as values that JSON has."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    def resumed(self, given: Mapping[str, Any], folder: Path) -> "Plan":
        """Return the plan to go on with the run in a folder; a flag that contradicts it raises."""
        free = [name for name in FREE_ON_RESUME if name != "epochs" or self.preset != "subspace"]
        for name, value in given.items():
            own = getattr(self, name)
            if name not in free and value != own:
                msg = (
                    f"{flag(name)} is {shown(value)} but the run in {folder} has {shown(own)}; "
                    f"leave the flag out, or start anew with --overwrite"
                )
                raise ValueError(msg)
        return replace(self, **{name: given[name] for name in FREE_ON_RESUME if name in given})


def new_plan(data: str, given: Mapping[str, Any]) -> Plan:
    """Return the plan of a new run: the preset of the data, as the flags vary it, overridden by them."""
    usual = _subspace_fields(data, given) if given.get("preset") == "subspace" else _own_fields(data, given)
    plan = Plan(**{"data": data_name(data), **usual, **given})
    _ = plan.recipe  # its settings and schedules check what they are made of
    return plan


def _own_fields(data: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the preset of the data decides, or the one that does the least work."""
    preset = preset_for(data).variant(
        rule=given.get("rule", "copi"),
        whitening=given.get("whitening", 0.0),
        decorrelated=given.get("decorrelation_rate", 1.0) > 0,
        variance_scaled=given.get("variance_scaled", False),
    )
    if given.get("preset") == "fast":
        preset = preset.fast(*(given[name] for name in ("decorrelation_every",) if name in given))
    return _fields_of(preset)


def _subspace_fields(data: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the preset of subspace decorrelation decides; a flag that it ignores raises."""
    for name in given:
        if name not in OF_SUBSPACE and (name in PLACES or name in ("variance_scaled", "epsilon")):
            msg = f"{flag(name)} has no part in --preset subspace; leave one of both out"
            raise ValueError(msg)
    return {**_fields_of(preset_for(data).subspace()), "decorrelation_rate": 0.0}


def stored_plan(values: Mapping[str, Any]) -> Plan:
    """Return the plan that `Plan.as_json` described, perhaps of an older version with fewer fields.

    Raises TypeError for anything else.
    """
    odd = set(values) - {field.name for field in fields(Plan)}
    if odd:
        msg = f"its settings are not those of this version: {', '.join(sorted(odd))}"
        raise TypeError(msg)
    own: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return Plan(**own)


def data_name(data: str) -> str:
    """Return the name of a data set: its own, or the stem of the file."""
    return data if data in PRESETS else Path(data).stem


def _fields_of(preset: Preset) -> dict[str, Any]:
    """Return the fields of a plan that a preset decides; for a file, loss and batch size wait for its data."""
    values = {name: attrgetter(place)(preset) for name, place in PLACES.items()}
    if isinstance(values["rule"], COPI):
        values["rule"] = "copi"
    return {**values, "loss": AUTO, "batch_size": AUTO} if preset.data == FILES.data else values


def _put(thing: Any, values: Mapping[str, Any]) -> Any:
    """Return a frozen object with values at places in it, such as ``settings.rate``."""
    own = {place: value for place, value in values.items() if "." not in place}
    for part in {place.partition(".")[0] for place in values if "." in place}:
        inner = {place.partition(".")[2]: v for place, v in values.items() if place.startswith(f"{part}.")}
        own[part] = _put(getattr(thing, part), inner)
    return replace(thing, **own)


def default_of(name: str) -> str:
    """Return the default of a field as a short text, for the help of its flag."""
    groups: dict[str, list[str]] = {}
    usual = {one.name: one.default for one in fields(Plan)}[name]
    for data, preset in PRESETS.items():
        groups.setdefault(_in_short(_fields_of(preset).get(name, usual)), []).append(data)
    first, *others = groups
    return "; ".join([first, *(f"{', '.join(groups[value])}: {value}" for value in others)])


def _in_short(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{value[0]}x{len(value)}" if len(value) > 1 else str(value[0])
    if value is None:
        return "none"
    return f"{value:g}" if type(value) is float else shown(value)


def _flag_of(name: str, known: Flag) -> Flag:
    """Return the flag of a field, with its name and its default."""
    said = known.default or default_of(name)
    return known._replace(name=name, default="" if said == "-" else said)


FLAGS = tuple(
    one.metadata["flag"] if one.name in ("backend", "device") else _flag_of(one.name, one.metadata["flag"])
    for one in fields(Plan)
    if one.metadata
)
"""The flags of a run, one for each field but ``data``."""
