"""One training step: trace, output error, perturbations, updates."""

import math
from typing import NamedTuple

from pycopi._array import Array, detached, is_readable, may_overwrite, namespace, number, wide_floats
from pycopi._checks import check_finite, check_samples, is_finite
from pycopi.credit import CREDIT, Credit, Trace
from pycopi.layers import Signals
from pycopi.losses import LOSSES, Loss, check_loss, check_targets, encode_targets
from pycopi.network import Network, Parameters
from pycopi.rules.adam import check_range
from pycopi.settings import Rates, Settings, checked_rates
from pycopi.training import online
from pycopi.training.diagnosis import causes
from pycopi.training.divergence import DivergenceError


class Metrics(NamedTuple):
    """How a batch was answered before the step: mean loss and share of right answers, 0-d arrays.

    The share means nothing for real-valued targets.
    """

    loss: Array
    accuracy: Array


def train_step(
    network: Network,
    parameters: Parameters,
    inputs: Array,
    targets: Array,
    settings: Settings,
    rates: Rates | None = None,
    *,
    copy: bool | None = True,
) -> tuple[Parameters, Metrics]:
    """Return the parameters after one step on a batch, and how the batch was answered before it.

    Parameters
    ----------
    network : Network
        The description; static under ``jax.jit``.
    parameters : tuple of DenseParameters
        Its parameters.
    inputs : array, shape (B, n), dtype of the parameters
        A batch of samples, a row each.
    targets : array, shape (B,) or (B, m)
        Class numbers (integers), one-hot rows, or real numbers in the dtype of the parameters.
    settings : Settings
        How to learn; static under ``jax.jit``.
    rates : Rates or None
        Step sizes that stand in for those of the settings; a field that is None leaves its part as it is.
        None takes both from the settings.
    copy : bool or None
        True (the default) never changes ``parameters``; None may overwrite them, so do not use them
        afterwards; False must, and refuses parameters of which one is read-only.

    Returns
    -------
    parameters : tuple of DenseParameters
        The updated parameters, in the dtype of the old ones.
    metrics : Metrics
        ``loss``: mean over the batch; ``accuracy``: share of samples whose largest output stands where
        their largest target does, which means something for classes only.

    Raises
    ------
    TypeError
        If library or dtype do not fit together.
    ValueError
        If shapes or devices do not fit together, a value is NaN or infinite, or a class number is out of
        range. Under ``jax.jit``, values are not looked at.
    DivergenceError
        If the loss of the batch is not finite, because steps before this one diverged; nothing has been changed
        then. Not under ``jax.jit``.

    Notes
    -----
    A loop should begin with an epoch that only decorrelates, ``Rates(None, rate)``, as `fit` does: at the
    paper's gain, learning from inputs that are still correlated diverges. A batch that is smaller than the
    others should take its share of a step, as in `fit`: ``Rates(rate, rate, share=b / B)``. The rates of the
    paper are for batches of 50, so that single samples take a share of 1/50. All perturbations are computed
    before any parameter changes; the output's is ``gain * (t - f(a)) f'(a)`` for squared error. Pure: the same
    arguments give the same result, and it may be compiled as ``jax.jit(pycopi.train_step,
    static_argnames=("network", "settings"))``.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> network = pycopi.mlp([2, 8, 2])
    >>> parameters = network.init(seed=0)
    >>> x, y = np.eye(2, dtype=np.float32), np.array([0, 1])
    >>> for _ in range(50):
    ...     parameters, metrics = pycopi.train_step(network, parameters, x, y, pycopi.Settings(gain=100.0))
    >>> float(metrics.accuracy)
    1.0
    """
    check_batch(network, parameters, inputs, targets)
    check_method(network, parameters, settings)
    rates = checked_rates(rates, settings)
    if copy is False:  # all of them can be changed, or none is
        for name, array in [pair for own in parameters for pair in own.named().items()]:
            may_overwrite(name, array, copy)
    parameters = tuple(own.map(detached) for own in parameters)
    batch = detached(inputs), detached(targets)
    return step(network, parameters, *batch, settings, rates, copy=copy, guarded=True)


def check_batch(network: Network, parameters: Parameters, inputs: Array, targets: Array) -> None:
    """Check that a batch fits a network and its parameters, and that its values can be learned from."""
    network.check_parameters(parameters)
    network.check_inputs(parameters, inputs)
    check_samples("inputs", inputs.shape[0])
    check_finite(inputs=inputs)
    check_targets(targets, inputs.shape[0], network.outputs, inputs)


def check_method(network: Network, parameters: Parameters, settings: Settings) -> None:
    """Check that network and parameters have what the settings need."""
    if not isinstance(settings, Settings):
        msg = f"settings are a {type(settings).__name__}; expected a pycopi.Settings"
        raise TypeError(msg)
    check_loss(settings.loss, network.layers[-1].activation)
    if settings.credit == "feedback_alignment" and any(own.feedback is None for own in parameters):
        msg = "credit is 'feedback_alignment' but the parameters have no feedback matrices"
        msg += "; make them with network.init(seed, feedback=True)"
        raise ValueError(msg)
    if settings.rule == "adam" and any(own.moments is None for own in parameters):
        msg = "rule is 'adam' but the parameters have no moments"
        msg += "; make them with network.init(seed, moments=True)"
        raise ValueError(msg)
    if settings.rule == "adam":
        check_range(parameters[0].weight)


def step(
    network: Network,
    parameters: Parameters,
    inputs: Array,
    targets: Array,
    settings: Settings,
    rates: Rates,
    *,
    copy: bool | None = None,
    guarded: bool = False,
) -> tuple[Parameters, Metrics]:
    """Return what `train_step` does, without its checks; ``guarded`` does not learn from a loss of NaN."""
    single = inputs.shape[0] == 1 and settings.rule != "adam"
    if single:
        trace, moved = online.trace(network, parameters, inputs, settings, rates)
    else:
        trace = network.trace(parameters, inputs)
    wanted = encode_targets(targets, trace.outputs)
    loss = LOSSES[settings.loss]
    metrics = Metrics(mean_loss(loss, trace.outputs, wanted), accuracy(trace.outputs, wanted))
    if guarded:
        check_loss_is_finite(network, parameters, (inputs, targets), trace, metrics, settings, rates)
    error = None
    if rates.weights is not None:
        error = settings.gain * loss.error(trace.preactivations[-1], wanted, network.layers[-1].activation)
    if single:
        learned = online.learn(network, parameters, trace, moved, error, settings, rates, copy)
    else:
        learned = _learn(network, parameters, trace, error, settings, rates, copy)
    return learned, metrics


def check_loss_is_finite(
    network: Network,
    parameters: Parameters,
    batch: tuple[Array, Array],
    trace: Trace,
    metrics: Metrics,
    settings: Settings,
    rates: Rates,
) -> None:
    """Raise DivergenceError if the loss of a batch is not finite; what is traced is not looked at."""
    if not is_readable(metrics.loss) or math.isfinite(number(metrics.loss)):
        return
    finite = (is_finite(a) for a in trace.preactivations)
    layer = next((index for index, good in enumerate(finite, 1) if not good), len(parameters))
    what = f"the loss of this batch is {number(metrics.loss)}, so these parameters have diverged before"
    raise DivergenceError(what, layer, parameters, causes(network, parameters, batch, settings, rates))


def _learn(
    network: Network,
    parameters: Parameters,
    trace: Trace,
    error: Array | None,
    settings: Settings,
    rates: Rates,
    copy: bool | None,
) -> Parameters:
    """Return the parameters after a batch of which this is the trace; an error that is None leaves W and b."""
    sampled = tuple(_sample(x, settings, index) for index, x in enumerate(trace.decorrelated))
    credit = Credit((None,) * len(parameters), (None,) * len(parameters))
    if error is not None:
        along = [x if _pulls(settings, rates.for_layer(index)) else None for index, x in enumerate(sampled)]
        credit = CREDIT[settings.credit](network.layers, parameters, trace, error, along)
    signals = map(
        Signals, trace.decorrelated, trace.preactivations, credit.perturbations, sampled, credit.pulled
    )
    return tuple(
        layer.learn(own, signal, settings, rates.for_layer(index), copy)
        for index, (layer, own, signal) in enumerate(zip(network.layers, parameters, signals, strict=True))
    )


def _sample(decorrelated: Array, settings: Settings, layer: int) -> Array:
    """Return the rows of a layer's decorrelated inputs that its matrix learns from."""
    samples = decorrelated.shape[0]
    rows = settings.decorrelation.rows(layer, samples)
    return decorrelated if rows == samples else decorrelated[:rows, :]


def _pulls(settings: Settings, rates: Rates) -> bool:
    """Return whether the decorrelation of a layer needs x R."""
    return rates.decorrelation is not None and settings.decorrelation.rule == "covariance"


def mean_loss(loss: Loss, outputs: Array, wanted: Array) -> Array:
    """Return the mean loss of a batch, a 0-d array of at least 32 bits."""
    return namespace(outputs).mean(wide_floats(loss.value(outputs, wanted)))


def accuracy(outputs: Array, wanted: Array) -> Array:
    """Return the share of rows whose largest output stands where the largest target does, a 0-d array."""
    xp = namespace(outputs)
    right = xp.argmax(outputs, axis=1) == xp.argmax(wanted, axis=1)
    return xp.mean(wide_floats(xp.astype(right, outputs.dtype)))
