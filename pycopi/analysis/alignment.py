"""How far learning points away from the gradient, and one way of assigning credit from another, in degrees."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pycopi._array import Array, namespace
from pycopi._trees import map_arrays
from pycopi.analysis.angles import Mean, angle, row_angles
from pycopi.analysis.passes import answers, check_rows, passes
from pycopi.credit import Backpropagation, Perturbations, Problem
from pycopi.losses import check_loss
from pycopi.network import Network, Parameters
from pycopi.optimizers import added, as_array
from pycopi.rules.inference import Gradient
from pycopi.rules.learning import Learning
from pycopi.settings import Rates, Settings
from pycopi.state import State, as_state

STEP = 50
"""Samples in a step, as in the paper."""

_ONLY_WEIGHTS = Rates(weights=1.0)  # the direction of a step does not depend on its size
_DESCENT = Learning(Gradient(), None, _ONLY_WEIGHTS)


class CreditAngles(NamedTuple):
    """Angles in degrees, one a layer: ``samples`` is the mean over samples, ``batches`` that over batches."""

    samples: tuple[float, ...]
    batches: tuple[float, ...]


def update_alignment(
    network: Network,
    state: State | Parameters,
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
    state : State, or tuple of DenseParameters
        What learns, as for `pycopi.train_step`; it is not changed.
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
    The update is what the rule proposes, ``z.T x / B - W diag(E[x^2])`` for COPI, divided by
    ``E[x^2] + epsilon`` where variance-scaled, and ``delta.T x / B`` for the gradient rule, with perturbations
    delta by the credit at ``settings.gain``; then what the optimizer makes of it. Its size, and so the rate,
    plays no part, and neither does a decay of weights. Steepest descent of the loss by W, at the inputs
    x = R y of the layer, is ``delta.T x / B`` with backpropagated delta at gain 1. The gradient rule with
    backpropagation is at 0 degrees; COPI is there too where x is decorrelated exactly.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> network = pycopi.mlp([2, 2])
    >>> y, classes = np.eye(2, dtype=np.float32), np.array([0, 1])
    >>> angles = pycopi.analysis.update_alignment(network, network.init(0), y, classes, pycopi.Settings())
    >>> [round(degrees, 3) for degrees in angles]
    [0.0]
    """
    means = [Mean() for _ in network.layers]
    for problem, memories, assigned, propagated in _assigned(
        network, state, inputs, targets, settings, batch_size
    ):
        learnings = settings.for_layers(_ONLY_WEIGHTS, len(network.layers))
        for index, (layer, own) in enumerate(zip(network.layers, problem.parameters, strict=True)):
            record, memory = problem.records[index], memories[index]
            proposed = layer.changes(own, record, assigned[index], learnings[index])
            steepest = layer.changes(own, record, propagated[index], _DESCENT)
            for name in layer.learned[:1]:
                change = {name: added(getattr(own, name), proposed[name])}
                nothing = map_arrays(lambda array: namespace(array).zeros_like(array), own)
                within = index > 0 or layer.standardized
                step, _ = settings.method.optimizer.apply(nothing, memory, change, 1.0, True, within=within)
                descent = as_array(getattr(own, name), steepest[name])
                means[index].add(angle(getattr(step, name), descent), record.preactivations.shape[0])
    return tuple(mean.value for mean in means)


def credit_angles(
    network: Network,
    state: State | Parameters,
    inputs: Array,
    targets: Array,
    settings: Settings,
    *,
    batch_size: int = STEP,
) -> CreditAngles:
    """Return the angle between the perturbations of each layer by the settings' credit and by backpropagation.

    Parameters
    ----------
    network, state, inputs, targets : Network, State or tuple, array (N, n), array (N,) or (N, m)
        As for `update_alignment`.
    settings : Settings
        How the network learns; its credit and its loss count.
    batch_size : int
        Samples in one batch, at least 1.

    Returns
    -------
    CreditAngles
        ``samples``: for each layer the mean over samples of the angle between the sample's perturbations;
        ``batches``: the mean over batches of the angle between the matrices (B, m) of a whole batch, each as
        one vector. In degrees from 0 to 180, below 90 where the credit helps; 0 where a perturbation is the
        error itself, as that of the last layer in all ways of feedback. Samples and batches of which one is
        zero are left out; NaN where all are.

    Raises
    ------
    TypeError, ValueError
        If data or parameters do not fit the network, there is no state where the credit needs one, or a value
        is NaN or infinite.

    Notes
    -----
    The alignment angle of Lillicrap, Cownden, Tweed and Akerman, *Random synaptic feedback weights support
    error backpropagation for deep learning*, Nature Communications 2016, with both signals through all layers
    above. A factor of the error, such as the gain, plays no part.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> network, settings = pycopi.mlp([2, 3, 2]), pycopi.Settings(credit="feedback_alignment")
    >>> state = pycopi.start(network, settings)
    >>> same = state._replace(credit=(state.parameters[1].weight,))
    >>> y, classes = np.eye(2, dtype=np.float32), np.array([0, 1])
    >>> angles = pycopi.analysis.credit_angles(network, same, y, classes, settings)
    >>> max(angles.samples) < 0.01
    True
    """
    samples = [Mean() for _ in network.layers]
    batches = [Mean() for _ in network.layers]
    for _, _, assigned, propagated in _assigned(network, state, inputs, targets, settings, batch_size):
        for index, (one, other) in enumerate(zip(assigned, propagated, strict=True)):
            samples[index].add_rows(row_angles(one, other))
            batches[index].add(angle(one, other), one.shape[0])
    return CreditAngles(tuple(mean.value for mean in samples), tuple(mean.value for mean in batches))


def _assigned(
    network: Network,
    given: State | Parameters,
    inputs: Array,
    targets: Array,
    settings: Settings,
    batch_size: int,
) -> Iterator[tuple[Problem, Sequence[Any], Perturbations, Perturbations]]:
    """Yield of each batch the problem, the optimizer's memory, and what credit and backpropagation assign."""
    check_rows(inputs, targets)
    state = as_state(network, given, settings)
    parameters, memories, kept = state[:3]
    loss = check_loss(settings.method.loss, network.layers[-1].activation)
    for one in passes(network, parameters, inputs, batch_size):
        wanted = answers(targets, one.rows, one.trace.outputs)
        batch = one.inputs, wanted, one.trace, loss
        problem = Problem(network.layers, parameters, *batch, gain=settings.gain)
        assigned, kept = settings.method.credit.assigned(problem, kept)
        propagated, _ = Backpropagation().assign(Problem(network.layers, parameters, *batch), ())
        yield problem, memories or ({},) * len(parameters), assigned, propagated
