"""Several training steps in one call, which JAX compiles as one loop."""

from collections.abc import Iterable, Iterator
from typing import Any

from pycopi._array import Array, detached, is_jax, is_traced, namespace
from pycopi._checks import check_samples, check_shape, is_finite
from pycopi._control import jit, scan
from pycopi._trees import first_array
from pycopi.network import Network, Parameters
from pycopi.settings import Rates, Settings
from pycopi.state import State
from pycopi.training.divergence import DivergenceError
from pycopi.training.step import Learner, Metrics, as_given, check_batch, checked_learner, step

_MOST = 25  # steps in a block: enough that starting it costs little, and little memory


def train_steps(
    network: Network,
    state: Learner,
    inputs: Array,
    targets: Array,
    settings: Settings,
    rates: Rates | None = None,
    *,
    copy: bool | None = True,
) -> tuple[Learner, Metrics]:
    """Return the state after a block of steps, and how each batch was answered before its step.

    Parameters
    ----------
    network, state : Network, State or tuple of DenseParameters
        As for `train_step`.
    inputs : array, shape (S, B, n), dtype of the parameters
        S batches, one after the other.
    targets : array, shape (S, B) or (S, B, m)
        Class numbers (integers), one-hot rows, or real numbers in the dtype of the parameters.
    settings, rates, copy : Settings, Rates or None, bool or None
        As for `train_step`; the rates are those of every step in the block.

    Returns
    -------
    state : State, or tuple of DenseParameters
        What was given, after the last step.
    metrics : Metrics
        ``loss`` and ``accuracy`` of each batch, shape (S,).

    Raises
    ------
    TypeError, ValueError
        As `train_step` does; nothing has been changed then.
    DivergenceError
        If the loss of a batch in the block is not finite.

    Notes
    -----
    The same as `train_step` on each batch in turn, to rounding. JAX arrays run through one compiled
    ``lax.scan``, which is compiled once for each shape; other libraries take the steps one by one.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> network = pycopi.mlp([2, 8, 2])
    >>> x, y = np.tile(np.eye(2, dtype=np.float32), (50, 1, 1)), np.tile(np.array([0, 1]), (50, 1))
    >>> settings = pycopi.Settings(gain=100.0)
    >>> parameters, metrics = pycopi.train_steps(network, network.init(seed=0), x, y, settings)
    >>> metrics.accuracy.shape, float(metrics.accuracy[-1])
    ((50,), 1.0)
    """
    learner, rates = checked_learner(network, state, settings, rates, copy)
    _check_block(network, learner.parameters, inputs, targets)
    block = detached(inputs), detached(targets)
    steps = inputs.shape[0]
    if is_traced(inputs) or is_traced(first_array(learner.parameters)):
        learned, metrics = _scan(network, learner, block, settings, rates)
        return as_given(learned, state, steps), metrics
    if is_jax(inputs):
        donated = "state" if copy is None else ""
        compiled = jit(_scan, inputs, static=("network", "settings"), donate=donated)
        learned, metrics = compiled(network, learner, block, settings, rates)
        if not is_finite(metrics.loss):
            what, last = "the loss of a batch in this block is not finite", learned.parameters
            raise DivergenceError(what, len(last), last)
        return as_given(learned, state, steps), metrics
    found = []
    for index in range(steps):
        batch = block[0][index, ...], block[1][index, ...]
        learner, metrics = step(network, learner, *batch, settings, rates, copy=copy, guarded=True)
        found.append(metrics)
        copy = None if copy is True else copy  # the arrays are ours by now
    xp = namespace(found[0].loss)
    return as_given(learner, state, steps), Metrics(*(xp.stack(values) for values in zip(*found, strict=True)))


def step_through(
    network: Network, state: State, batches: tuple[Any, ...], settings: Settings, rates: tuple[Rates, ...]
) -> tuple[State, Metrics]:
    """Return what steps on JAX batches of one shape make, to be compiled; unchecked.

    ``rates`` are those of each step, which differ in the weights alone, or those of all of them.
    """
    xp = namespace(batches[0][0])
    block = tuple(xp.stack(arrays) for arrays in zip(*batches, strict=True))
    if len(rates) > 1:
        block = (*block, xp.asarray([one.weights for one in rates], dtype=block[0].dtype))
    return _scan(network, state, block, settings, rates[0])


def block_size(like: Array, look: int, every: int) -> int:
    """Return how many steps `pycopi.fit` takes at once: a divisor of the steps between two looks.

    It is 1 where nothing is gained by more, or where the decorrelation pauses in some of the steps.
    """
    if not is_jax(like) or every != 1:
        return 1
    return max(size for size in range(1, min(look, _MOST) + 1) if look % size == 0)


def in_blocks(batches: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """Return batches in blocks of ``size`` of one shape; what does not fill a block comes one by one."""
    block: list[Any] = []
    for batch in batches:
        if block and any(a.shape != b.shape for a, b in zip(block[0], batch, strict=True)):
            yield from ((one,) for one in block)
            block = []
        block.append(batch)
        if len(block) == size:
            yield tuple(block)
            block = []
    yield from ((one,) for one in block)


def _scan(
    network: Network, state: State, block: Any, settings: Settings, rates: Rates
) -> tuple[State, Metrics]:
    def take(current: State, batch: Any) -> tuple[State, Metrics]:
        inputs, targets, *weights = batch
        own = rates._replace(weights=weights[0]) if weights else rates
        return step(network, current, inputs, targets, settings, own)

    learned: tuple[State, Metrics] = scan(take, state, block)
    return learned


def _check_block(network: Network, parameters: Parameters, inputs: Array, targets: Array) -> None:
    """Check a block as `train_step` checks a batch: all of it is one long batch."""
    check_shape("inputs", inputs, (None, None, network.inputs), f"the network takes {network.inputs} features")
    steps, samples = inputs.shape[:2]
    check_samples("inputs", steps * samples)
    if tuple(targets.shape[:2]) != (steps, samples):
        msg = f"targets have shape {tuple(targets.shape)} but inputs hold {steps} batches of {samples} samples"
        msg += f"; expected ({steps}, {samples}), or ({steps}, {samples}, {network.outputs})"
        raise ValueError(msg)
    rows = namespace(inputs).reshape(inputs, (steps * samples, network.inputs))
    wanted = namespace(targets).reshape(targets, (steps * samples, *targets.shape[2:]))
    check_batch(network, parameters, rows, wanted)
