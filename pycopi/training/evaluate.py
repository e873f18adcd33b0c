"""How well a network answers."""

from typing import Any, NamedTuple

import numpy as np

from pycopi._array import number
from pycopi.losses import Loss, accuracy, check_loss, encode_targets, mean_loss
from pycopi.network import Network, Parameters
from pycopi.training.batches import Batches, open_batches


class Evaluation(NamedTuple):
    """Mean loss, share of right answers in [0, 1] (None for real-valued targets), number of samples."""

    loss: float
    accuracy: float | None
    samples: int


def evaluate(
    network: Network,
    parameters: Parameters,
    inputs: Any,
    targets: Any = None,
    *,
    loss: str | Loss = "squared_error",
    batch_size: int = 1024,
) -> Evaluation:
    """Return loss and accuracy of a network on data.

    Parameters
    ----------
    network : Network
        The description.
    parameters : tuple of DenseParameters
        Its parameters.
    inputs, targets : arrays, or an iterable of batches and None
        As for `pycopi.fit`.
    loss : {"squared_error", "cross_entropy", "binary_cross_entropy"} or Loss
        The loss to report.
    batch_size : int
        Samples at a time, where the data are arrays.

    Returns
    -------
    Evaluation
        ``loss``, ``accuracy`` and ``samples``.

    Raises
    ------
    TypeError, ValueError
        If the data do not fit the network, or are not finite, or ``loss`` is unknown.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> network = pycopi.mlp([2, 2])
    >>> x, y = np.eye(2, dtype=np.float32), np.array([0, 1])
    >>> pycopi.evaluate(network, network.init(seed=0), x, y).samples
    2
    """
    batches = open_batches(network, parameters, inputs, targets, batch_size=batch_size, seed=None)
    return evaluate_batches(batches, parameters, loss)


@np.errstate(over="ignore", invalid="ignore")  # a diverged network says so by its loss
def evaluate_batches(batches: Batches, parameters: Parameters, loss: str | Loss) -> Evaluation:
    """Return what `evaluate` does, for batches that are already open."""
    measure = check_loss(loss, batches.network.layers[-1].activation)
    network, folded = batches.network.fold(parameters)
    total_loss, right, samples = 0.0, 0.0, 0
    for inputs, targets in batches.epoch(0):
        outputs = network.trace(folded, inputs).outputs
        wanted = encode_targets(targets, outputs)
        count = inputs.shape[0]
        total_loss += count * number(mean_loss(measure, outputs, wanted))
        right += count * number(accuracy(outputs, wanted))
        samples += count
    share = round(right) / samples if batches.classes else None
    return Evaluation(total_loss / samples, share, samples)
