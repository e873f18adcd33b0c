"""A training step on a single sample: each matrix is read twice and written once.

The same equations as for a batch. The forward pass takes ``x = R y`` and ``x R``, which the update of R needs,
from one read of R; the rule ``local`` needs R x, and one read more. The backward pass updates each matrix in
the sweep that pulls a perturbation through it: a row is pulled before it is changed, so that all perturbations
come from the old matrices.
"""

from pycopi import kernels
from pycopi._array import Array
from pycopi.credit import Trace
from pycopi.layers import DenseParameters, Signals, step_size, weight_change
from pycopi.network import Network, Parameters
from pycopi.rules.decorrelation import decorrelation
from pycopi.rules.power import mean_square
from pycopi.rules.weights import infer_bias
from pycopi.settings import Rates, Settings

Moved = tuple[Array | None, ...]
"""For each layer ``x R``, or with the rule ``local`` ``x R.T``, shape (1, n); None where R stays as it is."""


def trace(
    network: Network, parameters: Parameters, inputs: Array, settings: Settings, rates: Rates
) -> tuple[Trace, Moved]:
    """Return the trace of one sample, inputs (1, n), and what the update of each decorrelating matrix needs."""
    decorrelated, preactivations, moved = [], [], []
    outputs = inputs
    for index, (layer, own) in enumerate(zip(network.layers, parameters, strict=True)):
        learns = rates.for_layer(index).decorrelation is not None
        x, along = _decorrelate(
            own, layer.standardise(own, outputs)[0, :], settings.decorrelation.rule if learns else None
        )
        a = kernels.update_then_project(own.weight, None, x, back=False)[1][None, :]
        a = a if own.bias is None else a + own.bias[None, :]
        outputs = layer.activation(a)
        decorrelated.append(x[None, :])
        preactivations.append(a)
        moved.append(None if along is None else along[None, :])
    return Trace(tuple(decorrelated), tuple(preactivations), outputs), tuple(moved)


def _decorrelate(own: DenseParameters, sample: Array, rule: str | None) -> tuple[Array, Array | None]:
    """Return x = R y, and x R or R x, whichever the update by this rule needs."""
    matrix = own.decorrelator
    if matrix is None:
        return sample, None
    _, x, returned = kernels.update_then_project(matrix, None, sample, back=rule == "covariance")
    if rule == "local":
        returned = kernels.update_then_project(matrix, None, x, back=False)[1]
    return x, returned


def learn(
    network: Network,
    parameters: Parameters,
    trace: Trace,
    moved: Moved,
    error: Array | None,
    settings: Settings,
    rates: Rates,
    copy: bool | None,
) -> Parameters:
    """Return the parameters after the sample of this trace; an error that is None leaves W and b."""
    learned: list[DenseParameters] = []
    delta = error
    for index in range(len(parameters) - 1, -1, -1):
        x, a = trace.decorrelated[index], trace.preactivations[index]
        signals = Signals(x, a, delta, x, moved[index])
        pulls = index > 0 and delta is not None
        own, asked = _learn_layer(parameters[index], signals, pulls, settings, rates.for_layer(index), copy)
        learned.append(own)
        if asked is not None:
            below = network.layers[index - 1]
            delta = asked[None, :] * below.activation.derivative(trace.preactivations[index - 1])
    return tuple(reversed(learned))


def _learn_layer(
    own: DenseParameters, signals: Signals, pulls: bool, settings: Settings, rates: Rates, copy: bool | None
) -> tuple[DenseParameters, Array | None]:
    """Return a layer's parameters after the step, and where it ``pulls``, what is asked of its inputs, (n,)."""
    x, delta = signals.decorrelated, signals.perturbations
    power = mean_square(x)
    feedback = own.feedback if settings.credit == "feedback_alignment" else None
    vector = delta[0, :] if pulls and delta is not None else None
    asked = None
    if feedback is not None and vector is not None:
        asked = kernels.pull_then_update(feedback, vector, None)[1]
        vector = None
    if delta is not None:
        rate = step_size(own, x, power, settings, rates)
        step = weight_change(own, signals, power, settings, rate)
        weight, vector = kernels.pull_then_update(own.weight, vector, step, copy=copy)
        bias = own.bias if own.bias is None else infer_bias(own.bias, delta, rate, copy)
        own = own._replace(weight=weight, bias=bias)
    if own.decorrelator is not None:
        change = None
        if signals.pulled is not None:
            change = decorrelation(
                x, signals.pulled, power, rates.decorrelation, settings.decorrelation, rates.share
            )
        if change is not None or vector is not None:
            matrix, vector = kernels.pull_then_update(own.decorrelator, vector, change, copy=copy)
            own = own._replace(decorrelator=matrix)
    return own, vector if asked is None else asked
