"""What a run is to do: one frozen description, of values that JSON has, from flags and presets."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pycopi._array import Array, namespace
from pycopi.activations import Affine, Identity
from pycopi.cli.flags import flag
from pycopi.cli.presets import PRESETS, VARIANCE_SCALED_EPSILON, adapted, preset_for
from pycopi.network import Network, mlp
from pycopi.rules.decorrelation import Decorrelation
from pycopi.rules.inference import COPI
from pycopi.settings import Settings
from pycopi.training.schedules import Schedule

FREE_ON_RESUME = ("epochs", "backend", "device")
"""Fields that may differ when a run goes on: how far, and on what machine."""


class Schedules(NamedTuple):
    """Factors of the two step sizes by epoch."""

    weights: Schedule
    decorrelation: Schedule


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything besides the data themselves that decides what a run does.

    The fields have the names of the flags. ``data`` is the name of the data, the stem of a file.
    """

    data: str
    hidden: tuple[int, ...]
    batch_size: int
    rate: float
    decorrelation_rate: float
    gain: float
    epochs: int
    decorrelation_epochs: int
    activation: str = "leaky_relu"
    task: Literal["classes", "regression"] | None = None
    bias: bool = False
    standardize: bool = False
    scale_targets: bool = False
    credit: str = "backpropagation"
    rule: Literal["copi", "gradient", "adam"] = "copi"
    loss: Literal["squared_error", "cross_entropy", "auto"] = "squared_error"
    variance_scaled: bool = False
    epsilon: float = VARIANCE_SCALED_EPSILON
    decorrelation_rule: Literal["covariance", "local"] = "covariance"
    whitening: float = 0.0
    decorrelation_fraction: float | tuple[float, ...] = 1.0
    decorrelation_every: int = 1
    decorrelation_bound: float | None = None
    step_bound: float | None = None
    warm_up: int = 0
    rate_decay: float = 1.0
    freeze_decorrelation_after: int | tuple[int | None, ...] | None = None
    keep_decorrelated: bool = False
    patience: int | None = None
    backend: str = "numpy"
    device: str | None = None
    dtype: str = "float32"
    seed: int = 0
    preset: Literal["paper", "fast"] = "paper"

    @property
    def settings(self) -> Settings:
        """How the network learns."""
        given = self.decorrelation_fraction
        how = Decorrelation(
            rate=self.decorrelation_rate,
            rule=self.decorrelation_rule,
            whitening=self.whitening,
            every=self.decorrelation_every,
            step_bound=self.decorrelation_bound,
        )
        hows = tuple(replace(how, fraction=one) for one in (given if isinstance(given, tuple) else (given,)))
        scaled = self.variance_scaled and self.rule == "copi"
        return Settings(
            rule=COPI(variance_scaled=True, epsilon=self.epsilon) if scaled else self.rule,
            rate=self.rate,
            gain=self.gain,
            credit=self.credit,
            loss="squared_error" if self.loss == "auto" else self.loss,
            step_bound=self.step_bound,
            decorrelation=hows[0] if len(hows) == 1 else hows,
        )

    @property
    def schedules(self) -> Schedules:
        """When weights and decorrelating matrices learn."""
        return Schedules(
            Schedule(start=self.decorrelation_epochs, warm_up=self.warm_up, decay=self.rate_decay),
            Schedule(freeze_after=self.freeze_decorrelation_after),
        )

    def for_targets(self, *, classes: bool, outputs: int) -> "Plan":
        """Return the plan with a loss: cross-entropy for two classes or more, where the plan leaves it open."""
        if self.loss != "auto":
            return self
        return replace(self, loss="cross_entropy" if classes and outputs > 1 else "squared_error")

    def network(self, inputs: int, outputs: int, targets: Array) -> Network:
        """Return the network for data; a decorrelation rate of 0 leaves the decorrelators out."""
        real = namespace(targets).isdtype(targets.dtype, "real floating")
        return mlp(
            [inputs, *self.hidden, outputs],
            activation=self.activation,
            output_activation=Affine.of(targets) if real and self.scale_targets else Identity(),
            bias=self.bias,
            decorrelated=self.decorrelation_rate > 0,
            standardized=self.standardize,
        )

    def as_json(self) -> dict[str, Any]:
        """Return the fields as values that JSON has."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    def resumed(self, given: Mapping[str, Any], folder: Path) -> "Plan":
        """Return the plan to go on with the run in a folder; a flag that contradicts it raises."""
        for name, value in given.items():
            own = getattr(self, name)
            if name not in FREE_ON_RESUME and value != own:
                msg = (
                    f"{flag(name)} is {_text(value)} but the run in {folder} has {_text(own)}; "
                    f"leave the flag out, or start anew with --overwrite"
                )
                raise ValueError(msg)
        return replace(self, **{name: given[name] for name in FREE_ON_RESUME if name in given})


def new_plan(data: str, given: Mapping[str, Any]) -> Plan:
    """Return the plan of a new run: the presets of the data set, overridden by the flags given."""
    preset = preset_for(data)
    chosen = {**preset, **adapted(preset, given), **given}
    chosen.setdefault("decorrelation_epochs", 1 if chosen["decorrelation_rate"] > 0 else 0)
    plan = Plan(data=data_name(data), **chosen)
    _ = plan.settings, plan.schedules  # both check what they are made of
    return plan


def stored_plan(values: Mapping[str, Any]) -> Plan:
    """Return the plan that `Plan.as_json` described, perhaps of an older version with fewer fields.

    Raises TypeError for anything else.
    """
    odd = set(values) - {field.name for field in fields(Plan)}
    if odd:
        msg = f"its settings are not those of this version: {', '.join(sorted(odd))}"
        raise TypeError(msg)
    fields_of: dict[str, Any] = {name: _unlisted(value) for name, value in values.items()}
    return Plan(**fields_of)


def _unlisted(value: Any) -> Any:
    """Return a value of JSON as a plan has it."""
    return tuple(value) if isinstance(value, list) else value


def data_name(data: str) -> str:
    """Return the name of a data set: its own, or the stem of the file."""
    return data if data in PRESETS else Path(data).stem


def _text(value: object) -> str:
    """Return a field's value as a user would type it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join("never" if one is None else str(one) for one in value) or "none"
    return str(value)
