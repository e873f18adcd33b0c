"""Losses: what the outputs should be, how far they are from it, and which way to move them."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pycopi._array import Array, astype, namespace, one_hot, wide_floats
from pycopi._checks import as_choice, common_namespace
from pycopi._targets import check_target_form, check_target_values
from pycopi.activations import Activation, Affine, Identity, Sigmoid


@runtime_checkable
class Loss(Protocol):
    """What a loss offers; any hashable object that has these three methods will do.

    Outputs, preactivations and targets are rows of real numbers (B, m): class numbers come as one-hot rows.
    """

    def value(self, outputs: Array, targets: Array) -> Array:
        """Return the loss of each sample, shape (B,), in at least 32 bits."""

    def error(self, preactivations: Array, targets: Array, activation: Activation) -> Array:
        """Return minus the derivative of the loss by the preactivations of each sample, shape (B, m)."""

    def check(self, activation: Activation) -> None:
        """Raise ValueError if the loss cannot follow this activation of the output layer."""


@dataclass(frozen=True)
class SquaredError:
    """Half the squared distance, L = 1/2 sum (t - f(a))^2: the paper's loss, on one-hot targets."""

    def value(self, outputs: Array, targets: Array) -> Array:
        """Return half the squared distance of each sample."""
        xp = namespace(outputs)
        return 0.5 * xp.sum(xp.square(wide_floats(targets) - wide_floats(outputs)), axis=1)

    def error(self, preactivations: Array, targets: Array, activation: Activation) -> Array:
        """Return (t - f(a)) f'(a); for `Affine` outputs the error is in the units of a."""
        if isinstance(activation, (Identity, Affine)):
            return activation.invert(targets) - preactivations
        return (targets - activation(preactivations)) * activation.derivative(preactivations)

    def check(self, activation: Activation) -> None:
        """Accept every activation."""


class _OfLogits:
    """What losses share that take preactivations as logits."""

    def check(self, activation: Activation) -> None:
        """Accept the identity alone."""
        if not isinstance(activation, Identity):
            name = next(name for name, loss in LOSSES.items() if isinstance(self, type(loss)))
            msg = (
                f"the loss {name!r} takes preactivations as logits but the output layer has the "
                f"activation {activation}; expected the activation 'identity' there"
            )
            raise ValueError(msg)


@dataclass(frozen=True)
class CrossEntropy(_OfLogits):
    """Softmax cross-entropy, L = - sum t log softmax(a), for outputs whose activation is the identity."""

    def value(self, outputs: Array, targets: Array) -> Array:
        """Return the cross-entropy of each sample."""
        return -namespace(outputs).sum(wide_floats(targets) * log_softmax(wide_floats(outputs)), axis=1)

    def error(self, preactivations: Array, targets: Array, activation: Activation) -> Array:
        """Return t - softmax(a), for targets that sum to 1."""
        xp = namespace(preactivations)
        logits = wide_floats(preactivations)
        raised = xp.exp(logits - xp.max(logits, axis=1, keepdims=True))
        error = wide_floats(targets) - raised / xp.sum(raised, axis=1, keepdims=True)
        return astype(error, preactivations.dtype)


def log_softmax(logits: Array) -> Array:
    """Return the logarithms of probabilities that sum to 1 in each row."""
    xp = namespace(logits)
    shifted = logits - xp.max(logits, axis=1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))


@dataclass(frozen=True)
class BinaryCrossEntropy(_OfLogits):
    """Cross-entropy of each output by itself, for targets of 0 and 1: several labels a sample, or none.

    L = - sum t log s(a) + (1 - t) log(1 - s(a)), s being the logistic function, for outputs whose activation is
    the identity.
    """

    def value(self, outputs: Array, targets: Array) -> Array:
        """Return the sum of the cross-entropies of each sample."""
        xp = namespace(outputs)
        logits = wide_floats(outputs)
        rest = xp.log1p(xp.exp(-xp.abs(logits)))
        return xp.sum(xp.maximum(logits, xp.zeros_like(logits)) - logits * wide_floats(targets) + rest, axis=1)

    def error(self, preactivations: Array, targets: Array, activation: Activation) -> Array:
        """Return t - s(a)."""
        return targets - Sigmoid()(preactivations)


LOSSES: dict[str, Loss] = {
    "squared_error": SquaredError(),
    "cross_entropy": CrossEntropy(),
    "binary_cross_entropy": BinaryCrossEntropy(),
}
"""The losses by the names that `pycopi.Settings` uses."""


def check_loss(loss: str | Loss, activation: Activation) -> Loss:
    """Return a loss, by name or itself, which must be able to follow the activation of the output layer."""
    found: Loss = as_choice("loss", loss, LOSSES, Loss)
    found.check(activation)
    return found


def encode_targets(targets: Array, like: Array) -> Array:
    """Return targets as rows of real numbers, in the shape (B, m) and dtype of ``like``.

    Class numbers (B,) become one-hot rows; whole numbers and booleans in rows (one-hot) change dtype;
    real numbers (B,) for a single output become a column. See `check_targets` for what is expected.
    """
    xp = namespace(targets)
    if targets.ndim == 1:
        if xp.isdtype(targets.dtype, "integral"):
            return one_hot(targets, like.shape[1], like.dtype)
        targets = targets[:, None]
    return astype(targets, like.dtype)


def check_targets(targets: Array, samples: int, outputs: int, like: Array) -> None:
    """Check targets for samples and outputs; ``like`` has the library, device and dtype of the network."""
    common_namespace(parameters=like, targets=targets)
    check_target_form("targets", targets, samples, outputs, like)
    check_target_values("targets", targets, outputs)


def mean_loss(loss: Loss, outputs: Array, wanted: Array) -> Array:
    """Return the mean loss of a batch, a 0-d array of at least 32 bits."""
    return namespace(outputs).mean(wide_floats(loss.value(outputs, wanted)))


def accuracy(outputs: Array, wanted: Array) -> Array:
    """Return the share of rows whose largest output is where the largest target does, a 0-d array."""
    xp = namespace(outputs)
    right = xp.argmax(outputs, axis=1) == xp.argmax(wanted, axis=1)
    return xp.mean(wide_floats(xp.astype(right, outputs.dtype)))
