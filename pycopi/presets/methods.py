"""The methods of the paper: what sets one apart from another, whatever the data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pycopi.optimizers import Adam

SOURCE = "Ahmad, Schrader and van Gerven, TMLR 2023 (arXiv 2203.13203)"
"""Where the paper's numbers come from."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method of the paper: how weights and decorrelating matrices learn, whatever the data.

    Parameters
    ----------
    name, title : str
        What it is called in files and in words.
    source : str
        Where its settings come from.
    rule : {"copi", "gradient", "adam"}
        How weights learn.
    credit : {"backpropagation", "feedback_alignment"}
        Where the perturbations of the lower layers come from.
    decorrelation_rule : {"covariance", "local"} or None
        How the decorrelating matrices learn; None leaves them out.
    adam : Adam
        How Adam makes its steps, where it is the rule.
    """

    name: str
    title: str
    source: str
    rule: Literal["copi", "gradient", "adam"] = "copi"
    credit: Literal["backpropagation", "feedback_alignment"] = "backpropagation"
    decorrelation_rule: Literal["covariance", "local"] | None = "covariance"
    adam: Adam = field(default_factory=Adam)


METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(
            name="copi-bp",
            title="COPI, backpropagated perturbations",
            source=f"{SOURCE}: rates 1e-3, gain 1000, batch 50, the first epoch decorrelates alone",
        ),
        Method(
            name="copi-fa",
            title="COPI, feedback alignment",
            source=f"{SOURCE}: as copi-bp, with a fixed random matrix in place of W R on the way back",
            credit="feedback_alignment",
        ),
        Method(
            name="bp-decor",
            title="backpropagation + decorrelation",
            source=f"{SOURCE}: the gradient step on decorrelated inputs, of the same size gain * rate = 1",
            rule="gradient",
        ),
        Method(
            name="copi-local",
            title="COPI, local decorrelation rule",
            source=f"{SOURCE}: as copi-bp, with R C in place of C R, which needs what a synapse has at hand",
            decorrelation_rule="local",
        ),
        Method(
            name="bp-adam",
            title="backpropagation, Adam",
            source=f"{SOURCE}, the baseline as described: rate 1e-4, betas 0.9 and 0.999, epsilon 1e-8; Adam "
            "as Kingma and Ba, arXiv 1412.6980",
            rule="adam",
            decorrelation_rule=None,
        ),
        Method(
            name="bp-adam-published",
            title="backpropagation, published “Adam”",
            source=f"{SOURCE}, the baseline as it was run: moments divided by 1 - beta in every step, so that "
            "steps are 0.316 of Adam's",
            rule="adam",
            decorrelation_rule=None,
            adam=Adam(correction="constant"),
        ),
    )
}
"""The methods of the paper by name, in the order in which they are run and shown."""
