"""How far learning points away from the gradient, and one way of assigning credit from another, in degrees."""

from collections.abc import Iterator
from typing import NamedTuple

from pycopi._array import Array, namespace
from pycopi.analysis.angles import Mean, angle, row_angles
from pycopi.analysis.passes import answers, check_rows, passes
from pycopi.credit import CREDIT, Backpropagation, FeedbackAlignment, Problem
from pycopi.layers import Trace
from pycopi.losses import Loss, check_loss
from pycopi.network import Network, Parameters
from pycopi.rules.learning import Learning
from pycopi.settings import Rates, Settings

STEP = 50
"""Samples in a step, as in the paper."""

_ONLY_WEIGHTS = Rates(weights=1.0)  # the direction of a step does not depend on its size


class FeedbackAngles(NamedTuple):
    """Angles in degrees, one a layer: ``samples`` is the mean over samples, ``batches`` that over batches."""

    samples: tuple[float, ...]
    batches: tuple[float, ...]


def update_alignment(
    network: Network,
    parameters: Parameters,
    inputs: Array,
    targets: Array,
    settings: Settings,
    *,
    batch_size: int = STEP,
) -> tuple[float, ...]:
    """Return the angle between each layer's update of W and the direction of steepest descent.

    Parameters
    ----------
    network : Network
        The description.
    parameters : tuple of DenseParameters
        Its parameters; they are not changed.
    inputs : array, shape (N, n), dtype of the parameters
        Samples, a row each. NumPy arrays and memory maps may go with parameters of any library.
    targets : array, shape (N,) or (N, m)
        Class numbers, one-hot rows, or real numbers in the dtype of the parameters.
    settings : Settings
        How the network learns.
    batch_size : int
        Samples in one step, at least 1: the angle is one of whole steps, and depends on it.

    Returns
    -------
    tuple of float
        An angle a layer, in degrees from 0 (the step is a gradient step) to 180, the mean over the batches;
        NaN where a gradient or an update is zero throughout.

    Raises
    ------
    TypeError, ValueError
        If data, settings or parameters do not fit the network, or a value is NaN or infinite.

    Notes
    -----
    The update is ``z.T x / B - W diag(E[x^2])`` for COPI, divided by ``E[x^2] + epsilon`` where
    variance-scaled, ``delta.T x / B`` for the gradient rule, and for Adam the step that its moments make of
    that, with perturbations delta by ``settings.credit`` at ``settings.gain``; its size, and so the rate,
    plays no part. Steepest descent of the
    loss by W, at the inputs x = R y of the layer, is ``delta.T x / B`` with backpropagated delta at gain 1. The
    gradient rule with backpropagation is at 0 degrees; COPI is there too where x is decorrelated exactly.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> network = pycopi.mlp([2, 2])
    >>> y, classes = np.eye(2, dtype=np.float32), np.array([0, 1])
    >>> angles = pycopi.analysis.update_alignment(network, network.init(0), y, classes, pycopi.Settings())
    >>> [round(degrees, 3) for degrees in angles]
    [0.0]
    """
    loss = check_loss(settings.loss, network.layers[-1].activation)
    credit, optimizer = CREDIT[settings.credit], settings.optimizer
    if credit.needs_feedback:
        _check_feedback(network, parameters)
    if optimizer.needs_moments:
        _check_moments(network, parameters)
    learning = Learning(settings.weight_rule, None, _ONLY_WEIGHTS)
    means = [Mean() for _ in network.layers]
    for trace, error in _errors(network, parameters, inputs, targets, loss, batch_size):
        perturbations = credit.assign(Problem(network.layers, parameters, trace, settings.gain * error))
        steepest = Backpropagation().assign(Problem(network.layers, parameters, trace, error))
        for index, (layer, own, mean) in enumerate(zip(network.layers, parameters, means, strict=True)):
            record, x = trace.records[index], trace.records[index].decorrelated
            change = layer.changes(own, record, perturbations[index], learning)["weight"]
            step = optimizer.direction(own, "weight", change)
            descent = namespace(x).matmul(namespace(x).matrix_transpose(steepest[index]), x)
            mean.add(angle(step, descent), x.shape[0])
    return tuple(mean.value for mean in means)


def feedback_alignment_angle(
    network: Network,
    parameters: Parameters,
    inputs: Array,
    targets: Array,
    *,
    loss: str = "squared_error",
    batch_size: int = STEP,
) -> FeedbackAngles:
    """Return the angle between the feedback-aligned and the backpropagated perturbations of each layer.

    Parameters
    ----------
    network : Network
        The description.
    parameters : tuple of DenseParameters
        Its parameters, with feedback matrices; they are not changed.
    inputs : array, shape (N, n), dtype of the parameters
        Samples, a row each. NumPy arrays and memory maps may go with parameters of any library.
    targets : array, shape (N,) or (N, m)
        Class numbers, one-hot rows, or real numbers in the dtype of the parameters.
    loss : {"squared_error", "cross_entropy"}
        What the error of the outputs is the derivative of.
    batch_size : int
        Samples in one batch, at least 1.

    Returns
    -------
    FeedbackAngles
        ``samples``: for each layer the mean over samples of the angle between the sample's perturbations;
        ``batches``: the mean over batches of the angle between the matrices (B, m) of a whole batch, each as
        one vector. In degrees from 0 to 180, below 90 where feedback helps; 0 for the last layer, whose
        perturbation is the error itself. Samples and batches of which one is zero are left out; NaN where all
        are.

    Raises
    ------
    TypeError, ValueError
        If data or parameters do not fit the network, there are no feedback matrices, or a value is NaN or
        infinite.

    Notes
    -----
    The alignment angle of Lillicrap, Cownden, Tweed and Akerman, *Random synaptic feedback weights support
    error backpropagation for deep learning*, Nature Communications 2016, with both signals through all layers
    above. A factor of the error, such as the gain, plays no part.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> network = pycopi.mlp([2, 3, 2])
    >>> parameters = network.init(0, feedback=True)
    >>> same = tuple(own._replace(feedback=own.weight) for own in parameters)
    >>> y, classes = np.eye(2, dtype=np.float32), np.array([0, 1])
    >>> pycopi.analysis.feedback_alignment_angle(network, same, y, classes).samples
    (0.0, 0.0)
    """
    measure = check_loss(loss, network.layers[-1].activation)
    _check_feedback(network, parameters)
    samples = [Mean() for _ in network.layers]
    batches = [Mean() for _ in network.layers]
    for trace, error in _errors(network, parameters, inputs, targets, measure, batch_size):
        aligned = FeedbackAlignment().assign(Problem(network.layers, parameters, trace, error))
        propagated = Backpropagation().assign(Problem(network.layers, parameters, trace, error))
        for index, (one, other) in enumerate(zip(aligned, propagated, strict=True)):
            samples[index].add_rows(row_angles(one, other))
            batches[index].add(angle(one, other), error.shape[0])
    return FeedbackAngles(tuple(mean.value for mean in samples), tuple(mean.value for mean in batches))


def _errors(
    network: Network, parameters: Parameters, inputs: Array, targets: Array, loss: Loss, batch_size: int
) -> Iterator[tuple[Trace, Array]]:
    """Yield the trace of each batch, and the error of its outputs at gain 1."""
    check_rows(inputs, targets)
    activation = network.layers[-1].activation
    for one in passes(network, parameters, inputs, batch_size):
        wanted = answers(targets, one.rows, one.trace.outputs)
        yield one.trace, loss.error(one.trace.preactivations[-1], wanted, activation)


def _check_feedback(network: Network, parameters: Parameters) -> None:
    network.check_parameters(parameters)
    if any(own.feedback is None for own in parameters):
        msg = "the parameters have no feedback matrices; make them with network.init(seed, feedback=True)"
        raise ValueError(msg)


def _check_moments(network: Network, parameters: Parameters) -> None:
    network.check_parameters(parameters)
    if any(own.moments is None for own in parameters):
        msg = "the parameters have no moments of Adam; make them with network.init(seed, moments=True)"
        raise ValueError(msg)
