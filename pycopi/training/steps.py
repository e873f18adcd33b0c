"""Several training steps in one call, which JAX compiles as one loop."""

from collections.abc import Iterable, Iterator
from typing import Any

from pycopi._array import Array, detached, is_jax, is_traced, jit, may_overwrite, namespace, scan
from pycopi._checks import check_samples, check_shape
from pycopi.network import Network, Parameters
from pycopi.settings import Rates, Settings, checked_rates
from pycopi.training.divergence import DivergenceError
from pycopi.training.step import Metrics, check_batch, check_method, step

_MOST = 25  # steps in a block: enough that starting it costs little, and little memory


def train_steps(
    network: Network,
    parameters: Parameters,
    inputs: Array,
    targets: Array,
    settings: Settings,
    rates: Rates | None = None,
    *,
    copy: bool | None = True,
) -> tuple[Parameters, Metrics]:
    """Return the parameters after a block of steps, and how each batch was answered before its step.

    Parameters
    ----------
    network : Network
        The description; static under ``jax.jit``.
    parameters : tuple of DenseParameters
        Its parameters.
    inputs : array, shape (S, B, n), dtype of the parameters
        S batches, one after the other.
    targets : array, shape (S, B) or (S, B, m)
        Class numbers (integers), one-hot rows, or real numbers in the dtype of the parameters.
    settings : Settings
        How to learn; static under ``jax.jit``.
    rates : Rates or None
        Step sizes of every step in the block; see `train_step`.
    copy : bool or None
        True (the default) never changes ``parameters``; None may overwrite them, so do not use them
        afterwards; False must, and refuses parameters of which one is read-only.

    Returns
    -------
    parameters : tuple of DenseParameters
        The parameters after the last step, in the dtype of the old ones.
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
    _check_block(network, parameters, inputs, targets)
    check_method(network, parameters, settings)
    rates = checked_rates(rates, settings)
    if copy is False:  # all of them can be changed, or none is
        for name, array in [pair for own in parameters for pair in own.named().items()]:
            may_overwrite(name, array, copy)
    parameters = tuple(own.map(detached) for own in parameters)
    block = detached(inputs), detached(targets)
    if is_traced(inputs) or is_traced(parameters[0].weight):
        return _scan(network, parameters, block, settings, rates)
    if is_jax(inputs):
        donated = "parameters" if copy is None else ""
        compiled = jit(_scan, inputs, static=("network", "settings"), donate=donated)
        learned, metrics = compiled(network, parameters, block, settings, rates)
        _check_losses(metrics, learned)
        return learned, metrics
    found = []
    for index in range(inputs.shape[0]):
        batch = block[0][index, ...], block[1][index, ...]
        parameters, metrics = step(network, parameters, *batch, settings, rates, copy=copy, guarded=True)
        found.append(metrics)
        copy = None if copy is True else copy  # the parameters are ours by now
    xp = namespace(found[0].loss)
    return parameters, Metrics(*(xp.stack(values) for values in zip(*found, strict=True)))


def _check_losses(metrics: Metrics, learned: Parameters) -> None:
    """Raise DivergenceError if a loss of a block is not finite."""
    finite = namespace(metrics.loss).isfinite(metrics.loss)
    if not bool(namespace(finite).all(finite)):
        what = "the loss of a batch in this block is not finite"
        raise DivergenceError(what, len(learned), learned)


def step_through(
    network: Network, parameters: Parameters, batches: tuple[Any, ...], settings: Settings, rates: Rates
) -> tuple[Parameters, Metrics]:
    """Return what steps on JAX batches of one shape make, to be compiled; unchecked."""
    xp = namespace(batches[0][0])
    block = tuple(xp.stack(arrays) for arrays in zip(*batches, strict=True))
    return _scan(network, parameters, block, settings, rates)


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
    network: Network, parameters: Parameters, block: Any, settings: Settings, rates: Rates
) -> tuple[Parameters, Metrics]:
    def take(current: Parameters, batch: Any) -> tuple[Parameters, Metrics]:
        inputs, targets = batch
        return step(network, current, inputs, targets, settings, rates)

    learned: tuple[Parameters, Metrics] = scan(take, parameters, block)
    return learned


def _check_block(network: Network, parameters: Parameters, inputs: Array, targets: Array) -> None:
    """Check a block as `train_step` checks a batch: all of it is one long batch."""
    network.check_parameters(parameters)
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
