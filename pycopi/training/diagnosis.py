"""What can be seen in the data and the settings of a run that diverged, and what makes it finish."""

import math
from typing import NamedTuple

from pycopi._array import Array, namespace, number, widest_floats
from pycopi.activations import Identity
from pycopi.credit import NodePerturbation
from pycopi.network import Network, Parameters
from pycopi.rules.power import mean_square
from pycopi.rules.stability import BOUND, largest_power
from pycopi.settings import Rates, Settings

_LARGE, _SMALL = 3.0, 1e-3  # root mean squares beyond which inputs or targets are not of the order of 1


class Cause(NamedTuple):
    """One thing that was seen, and what to do about it: in Python, and as flags of the command."""

    seen: str
    python: str
    flag: str


def causes(
    network: Network, parameters: Parameters, batch: tuple[Array, Array], settings: Settings, rates: Rates
) -> tuple[Cause, ...]:
    """Return the causes that a batch, the last good parameters and the settings show, the likeliest first.

    Together their advice is what the run needs: inputs and targets of the order of 1, and steps within their
    bounds.
    """
    inputs, targets = batch
    found = [
        *_inputs_in_other_units(network, inputs),
        *_large_targets(network, targets),
        *_unbounded_steps(network, parameters, inputs, settings, rates),
    ]
    if isinstance(settings.method.credit, NodePerturbation):
        noise = "node perturbation finds a gradient in noise, which large steps amplify"
        found.append(_smaller(settings, noise))
    rest = "data and bounds look right, so the steps are too large for this network"
    return tuple(found or [_smaller(settings, rest)])


def _inputs_in_other_units(network: Network, inputs: Array) -> list[Cause]:
    size = _root_mean_square(inputs)
    if network.layers[0].standardized or _SMALL <= size <= _LARGE or size == 0.0:
        return []
    seen = f"the inputs have a root mean square of {size:.3g}, and rates are meant for inputs of about 1"
    python = (
        "inputs that the network standardises (pycopi.mlp(..., standardized=True), network.init(seed, data=x))"
    )
    return [Cause(seen, python, "--standardize")]


def _large_targets(network: Network, targets: Array) -> list[Cause]:
    xp = namespace(targets)
    activation = network.layers[-1].activation
    if not (xp.isdtype(targets.dtype, "real floating") and isinstance(activation, Identity)):
        return []
    size = _root_mean_square(targets)
    if size <= _LARGE:
        return []
    seen = f"the targets have a root mean square of {size:.3g}"
    python = "outputs in their units (pycopi.mlp(..., output_activation=pycopi.activations.Affine.of(targets)))"
    return [Cause(seen, python, "--scale-targets")]


def _unbounded_steps(
    network: Network, parameters: Parameters, inputs: Array, settings: Settings, rates: Rates
) -> list[Cause]:
    """Return the steps that overshoot, judged by the first layer: its inputs are known to be good."""
    x = network.layers[0].decorrelate(parameters[0], inputs)
    largest = number(largest_power(x, mean_square(x)))
    found = []
    size = (rates.for_layer(0).decorrelation or 0.0) * largest
    if network.layers[0].decorrelated and not size <= BOUND and settings.decorrelations[0].step_bound is None:
        found.append(_overshoot("R", size, f"Decorrelation(step_bound={BOUND})", "--decorrelation-bound"))
    size = settings.gain * (rates.weights or 0.0) * largest
    if not size <= BOUND and settings.step_bound is None and not settings.method.optimizer.rescales:
        found.append(_overshoot("the weights", size, f"Settings(step_bound={BOUND})", "--step-bound"))
    return found


def _overshoot(what: str, size: float, python: str, flag: str) -> Cause:
    shown = f"is {size:.3g} times the size that corrects its own error" if math.isfinite(size) else "overflows"
    return Cause(f"an unbounded step of {what} {shown}", python, f"{flag} {BOUND}")


def _smaller(settings: Settings, seen: str) -> Cause:
    name, value = ("gain", settings.gain / 10.0)
    if settings.method.optimizer.rescales:
        name, value = ("rate", min(1e-3, settings.rate / 10.0))
    return Cause(seen, f"a {name} of {value:g}", f"--{name} {value:g}")


def _root_mean_square(values: Array) -> float:
    wide = widest_floats(values)
    xp = namespace(wide)
    largest = number(xp.max(xp.abs(wide)))
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    return largest * math.sqrt(number(xp.mean(xp.square(wide / largest))))
