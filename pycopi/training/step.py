"""One training step: trace, output error, perturbations, updates."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from pycopi._array import Array, detached, is_readable, may_overwrite, number
from pycopi._checks import check_finite, check_samples, is_finite
from pycopi._trees import first_array
from pycopi.credit import Problem
from pycopi.layers import Trace
from pycopi.losses import accuracy, check_loss, check_targets, encode_targets, mean_loss
from pycopi.network import Network, Parameters
from pycopi.optimizers import Optimizer
from pycopi.rules.learning import Learning
from pycopi.settings import Rates, Settings, checked_rates
from pycopi.state import State, as_state, check_kept, check_state
from pycopi.training.diagnosis import causes
from pycopi.training.divergence import DivergenceError

Learner = TypeVar("Learner", Parameters, State)
"""Parameters, or a state, of which a step makes another of the same kind."""


class Metrics(NamedTuple):
    """How a batch was answered before the step: mean loss and share of right answers, 0-d arrays.

    The share means nothing for real-valued targets.
    """

    loss: Array
    accuracy: Array


def train_step(
    network: Network,
    state: Learner,
    inputs: Array,
    targets: Array,
    settings: Settings,
    rates: Rates | None = None,
    *,
    copy: bool | None = True,
) -> tuple[Learner, Metrics]:
    """Return the state after one step on a batch, and how the batch was answered before it.

    Parameters
    ----------
    network : Network
        The description; static under ``jax.jit``.
    state : State, or tuple of DenseParameters
        What learns: a state, as `start` makes it, or the parameters alone where optimizer and credit need no
        more, as with plain steps and backpropagation.
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
        True (the default) never changes ``state``; None may overwrite its arrays, so do not use them
        afterwards; False must, and refuses a state of which one is read-only.

    Returns
    -------
    state : State, or tuple of DenseParameters
        What was given, one step later, in the dtype of before.
    metrics : Metrics
        ``loss``: mean over the batch; ``accuracy``: share of samples whose largest output is where
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
    paper's gain, learning from inputs that are still correlated diverges without a bound, and is slow with
    one. A batch that is smaller than the others should take its share of a step, as in `fit`: ``Rates(rate,
    rate, share=b / B)``. The rates of the paper are for batches of 50, so that single samples take a share
    of 1/50. All perturbations are computed before any parameter changes; the output's is ``gain * (t -
    f(a)) f'(a)`` for squared error. Pure: the same arguments give the same result, and it may be compiled
    as ``jax.jit(pycopi.train_step, static_argnames=("network", "settings"))``, for a state without its
    history, whose records JAX would make arrays of: ``state._replace(history=())``.

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
    learner, rates = checked_learner(network, state, settings, rates, copy)
    check_batch(network, learner.parameters, inputs, targets)
    batch = detached(inputs), detached(targets)
    try:
        learned, metrics = step(network, learner, *batch, settings, rates, copy=copy, guarded=True)
    except (AttributeError, LookupError, TypeError, ValueError):
        check_kept(network, learner, settings)  # before each step this would cost too much
        raise
    return as_given(learned, state, 1), metrics


def checked_learner(
    network: Network, given: Any, settings: Settings, rates: Rates | None, copy: bool | None
) -> tuple[State, Rates]:
    """Return the state that steps begin with, without its history, and their rates, checked."""
    network.check_parameters(given.parameters if isinstance(given, State) else given)
    state = as_state(network, given, settings)
    check_state(state)
    check_method(network, state, settings)
    learner = State(*state[:3]).map(detached)
    if copy is False:  # all arrays can be changed, or none is
        for name, array in learner.named().items():
            may_overwrite(name, array, copy)
    return learner, checked_rates(rates, settings)


def as_given(learned: State, given: Any, steps: int) -> Any:
    """Return what some steps made of a state or of parameters, as it was given."""
    if not isinstance(given, State):
        return learned.parameters
    return State(*learned[:3], given.step + steps, *given[4:])


def check_batch(network: Network, parameters: Parameters, inputs: Array, targets: Array) -> None:
    """Check that a batch fits a network and checked parameters, and that its values can be learned from."""
    network.check_inputs(parameters, inputs)
    check_samples("inputs", inputs.shape[0])
    check_finite(inputs=inputs)
    check_targets(targets, inputs.shape[0], network.outputs, inputs)


def check_method(network: Network, state: State, settings: Settings) -> None:
    """Check that the settings can learn in a network: its last activation, its dtype, and its layers."""
    _, _, loss, optimizer = settings.method
    check_loss(loss, network.layers[-1].activation)
    optimizer.check(first_array(state.parameters))
    for layer in network.layers:
        layer.check_optimizer(optimizer)


def step(
    network: Network,
    state: State,
    inputs: Array,
    targets: Array,
    settings: Settings,
    rates: Rates,
    *,
    copy: bool | None = None,
    guarded: bool = False,
) -> tuple[State, Metrics]:
    """Return what `train_step` does, without its checks and its counting of steps.

    ``guarded`` raises DivergenceError if the loss is not finite; what is traced is not looked at.
    """
    parameters = state.parameters
    learning = settings.for_layers(rates, len(parameters))
    trace = network.trace(parameters, inputs, learning)
    outputs = trace.outputs
    wanted = encode_targets(targets, outputs)
    loss = settings.method.loss
    metrics = Metrics(mean_loss(loss, outputs, wanted), accuracy(outputs, wanted))
    if guarded and is_readable(metrics.loss) and not math.isfinite(number(metrics.loss)):
        finite = (is_finite(a) for a in trace.preactivations)
        layer = next((index for index, good in enumerate(finite, 1) if not good), len(parameters))
        what = f"the loss of this batch is {number(metrics.loss)}, so these parameters have diverged before"
        found = causes(network, parameters, (inputs, targets), settings, rates)
        raise DivergenceError(what, layer, parameters, found)
    problem = None
    if rates.weights is not None:
        problem = Problem(network.layers, parameters, inputs, wanted, trace, loss, gain=settings.gain)
    return learn(network, state, trace, problem, settings, learning, copy), metrics


def learn(
    network: Network,
    state: State,
    trace: Trace,
    problem: Problem | None,
    settings: Settings,
    learning: Sequence[Learning],
    copy: bool | None,
) -> State:
    """Return the state after a batch of which this is the trace; a problem that is None leaves W and b.

    One row is pulled back in the sweeps that change the matrices, where the credit goes layer by layer.
    """
    layers, parameters = network.layers, state.parameters
    _, credit, _, optimizer = settings.method
    perturbations: Sequence[Array | None] = (None,) * len(parameters)
    records: Sequence[Any] = trace.records
    kept, memory = state.credit, list(state.optimizer or ({},) * len(parameters))
    if problem is not None:
        if problem.error.shape[0] == 1 and credit.layer_by_layer and optimizer.sweeps:
            return state._replace(parameters=_swept(problem, learning, optimizer, copy))
        perturbations, kept = credit.assigned(problem, kept)
        records = problem.records
    learned = list(parameters)
    for index, how in enumerate(learning):  # upwards: the matrices that credit read last are still in the cache
        changes = layers[index].changes(parameters[index], records[index], perturbations[index], how)
        rate = None if problem is None else how.rates.weights * how.rates.share
        within = index > 0 or layers[index].standardized
        learned[index], memory[index] = optimizer.apply(
            parameters[index], memory[index], changes, rate, copy, within=within
        )
    remembered = tuple(memory) if state.optimizer else ()
    if problem is not None:
        remembered = optimizer.between(remembered, copy)
    return State(tuple(learned), remembered, kept, *state[3:])


def _swept(
    problem: Problem, learning: Sequence[Learning], optimizer: Optimizer, copy: bool | None
) -> Parameters:
    """Return the parameters after one row, which is pulled back in the sweeps that change the matrices."""
    layers, records, learned = problem.layers, problem.records, list(problem.parameters)
    delta = problem.error
    for index in range(len(learned) - 1, 0, -1):
        own, record = learned[index], records[index]
        changes = layers[index].changes(own, record, delta, learning[index])
        learned[index], wanted = layers[index].pull_and_apply(own, record, delta, changes, copy)
        delta = problem.perturb(index - 1, wanted)
    changes = layers[0].changes(learned[0], records[0], delta, learning[0])
    learned[0], _ = optimizer.apply(learned[0], {}, changes, None, copy)
    return tuple(learned)
