"""How it is learned: the methods of the paper as presets."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pycopi.experiments.tasks import Task
from pycopi.optimizers import Adam
from pycopi.rules.decorrelation import Decorrelation
from pycopi.settings import Settings
from pycopi.training.schedules import Schedule


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method of the paper.

    ``cost`` is about how long an epoch takes, in units of one of COPI; it only weighs the progress shown.
    """

    name: str
    title: str
    source: str
    rule: Literal["copi", "gradient", "adam"] = "copi"
    credit: Literal["backpropagation", "feedback_alignment"] = "backpropagation"
    decorrelation_rule: Literal["covariance", "local"] | None = "covariance"
    adam: Adam = field(default_factory=Adam)
    cost: float = 1.0

    @property
    def decorrelated(self) -> bool:
        """Whether the inputs of the layers are decorrelated."""
        return self.decorrelation_rule is not None

    @property
    def weight_schedule(self) -> Schedule:
        """When the weights learn: with decorrelation, from the second epoch on, as in the paper."""
        return Schedule(start=1 if self.decorrelated else 0)

    def settings(self, task: Task, *, rate: float | None = None, gain: float | None = None) -> Settings:
        """Return how to learn a task; ``rate`` and ``gain`` stand in for the paper's."""
        usual = (task.adam_rate, 1.0) if self.rule == "adam" else (task.rate, task.gain)
        return Settings(
            rule=self.rule,
            rate=usual[0] if rate is None else rate,
            gain=usual[1] if gain is None else gain,
            credit=self.credit,
            optimizer=self.adam if self.rule == "adam" else "plain",
            decorrelation=Decorrelation(
                rate=task.decorrelation_rate, rule=self.decorrelation_rule or "covariance"
            ),
        )

    def describe(self, settings: Settings) -> dict[str, Any]:
        """Return the settings that decide what a run does, as values that JSON has."""
        decorrelation = asdict(settings.decorrelations[0])
        return {
            "rule": settings.rule,
            "credit": settings.credit,
            "rate": settings.rate,
            "gain": settings.gain,
            "adam": asdict(self.adam) if self.rule == "adam" else None,
            "decorrelation_rule": decorrelation["rule"] if self.decorrelated else None,
            "decorrelation_rate": decorrelation["rate"] if self.decorrelated else None,
            "decorrelation_epochs": self.weight_schedule.start,
        }


_PAPER = "Ahmad, Schrader and van Gerven, TMLR 2023 (arXiv 2203.13203)"

METHODS = {
    method.name: method
    for method in (
        Method(
            name="copi-bp",
            title="COPI, backpropagated perturbations",
            source=f"{_PAPER}: rates 1e-3, gain 1000, batch 50, the first epoch decorrelates alone",
        ),
        Method(
            name="copi-fa",
            title="COPI, feedback alignment",
            source=f"{_PAPER}: as copi-bp, with a fixed random matrix in place of W R on the way back",
            credit="feedback_alignment",
        ),
        Method(
            name="bp-decor",
            title="backpropagation + decorrelation",
            source=f"{_PAPER}: the gradient step on decorrelated inputs, of the same size gain * rate = 1",
            rule="gradient",
        ),
        Method(
            name="copi-local",
            title="COPI, local decorrelation rule",
            source=f"{_PAPER}: as copi-bp, with R C in place of C R, which needs what a synapse has at hand",
            decorrelation_rule="local",
        ),
        Method(
            name="bp-adam",
            title="backpropagation, Adam",
            source=f"{_PAPER}, the baseline as described: rate 1e-4, betas 0.9 and 0.999, epsilon 1e-8; Adam "
            "as Kingma and Ba, arXiv 1412.6980",
            rule="adam",
            decorrelation_rule=None,
            cost=0.3,
        ),
        Method(
            name="bp-adam-published",
            title="backpropagation, published “Adam”",
            source=f"{_PAPER}, the baseline as it was run: moments divided by 1 - beta in every step, so that "
            "steps are 0.316 of Adam's",
            rule="adam",
            decorrelation_rule=None,
            adam=Adam(correction="constant"),
            cost=0.3,
        ),
    )
}
"""The methods by name, in the order in which they are run and shown."""
