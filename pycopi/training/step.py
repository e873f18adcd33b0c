"""One training step: trace, output error, perturbations, updates."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from pycopi._array import Array, detached, is_readable, may_overwrite, namespace, number, wide_floats
from pycopi._checks import check_finite, check_samples, is_finite
from pycopi.credit import CREDIT, Problem
from pycopi.layers import Trace
from pycopi.losses import LOSSES, Loss, check_loss, check_targets, encode_targets
from pycopi.network import Network, Parameters
from pycopi.rules.learning import Learning
from pycopi.settings import Rates, Settings, checked_rates
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
    if CREDIT[settings.credit].needs_feedback and any(own.feedback is None for own in parameters):
        msg = f"credit is {settings.credit!r} but the parameters have no feedback matrices"
        msg += "; make them with network.init(seed, feedback=True)"
        raise ValueError(msg)
    if settings.optimizer.needs_moments and any(own.moments is None for own in parameters):
        msg = f"rule is {settings.rule!r} but the parameters have no moments"
        msg += "; make them with network.init(seed, moments=True)"
        raise ValueError(msg)
    settings.optimizer.check_range(parameters[0].weight)


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
    learning = settings.for_layers(rates, len(parameters))
    trace = network.trace(parameters, inputs, learning)
    wanted = encode_targets(targets, trace.outputs)
    loss = LOSSES[settings.loss]
    metrics = Metrics(mean_loss(loss, trace.outputs, wanted), accuracy(trace.outputs, wanted))
    if guarded:
        check_loss_is_finite(network, parameters, (inputs, targets), trace, metrics, settings, rates)
    error = None
    if rates.weights is not None:
        error = settings.gain * loss.error(
            trace.records[-1].preactivations, wanted, network.layers[-1].activation
        )
    return learn(network, parameters, trace, error, settings, learning, copy), metrics


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


def learn(
    network: Network,
    parameters: Parameters,
    trace: Trace,
    error: Array | None,
    settings: Settings,
    learning: Sequence[Learning],
    copy: bool | None,
) -> Parameters:
    """Return the parameters after a batch of which this is the trace; an error that is None leaves W and b.

    One row is pulled back in the sweeps that change the matrices, where the credit goes layer by layer.
    """
    credit, optimizer = CREDIT[settings.credit], settings.optimizer
    perturbations: list[Array | None] = [None] * len(parameters)
    perturbations[-1] = error
    records: Sequence[Any] = trace.records
    sweeps = error is not None and error.shape[0] == 1 and credit.layer_by_layer and optimizer.sweeps
    if error is not None and not sweeps:
        problem = Problem(network.layers, parameters, trace, error)
        perturbations, records = list(credit.assign(problem)), problem.records
    learned = list(parameters)
    order = range(len(parameters))  # upwards: the matrices that credit read last are still in the cache
    for index in reversed(order) if sweeps else order:
        layer, own, how = network.layers[index], parameters[index], learning[index]
        changes = layer.changes(own, records[index], perturbations[index], how)
        if sweeps and index > 0:
            delta, record = perturbations[index], records[index]
            learned[index], wanted = layer.pull_and_apply(own, record, delta, changes, copy)
            perturbations[index - 1] = network.layers[index - 1].perturb(records[index - 1], wanted)
        else:
            rate = None if error is None else how.rates.weights * how.rates.share
            learned[index] = optimizer.apply(own, changes, copy, rate)
    return tuple(learned)


def mean_loss(loss: Loss, outputs: Array, wanted: Array) -> Array:
    """Return the mean loss of a batch, a 0-d array of at least 32 bits."""
    return namespace(outputs).mean(wide_floats(loss.value(outputs, wanted)))


def accuracy(outputs: Array, wanted: Array) -> Array:
    """Return the share of rows whose largest output stands where the largest target does, a 0-d array."""
    xp = namespace(outputs)
    right = xp.argmax(outputs, axis=1) == xp.argmax(wanted, axis=1)
    return xp.mean(wide_floats(xp.astype(right, outputs.dtype)))
