"""Activations and losses: values, derivatives against finite differences, on every backend."""

import numpy as np
import pytest
from assertions import assert_close, exactly, within
from backends import NUMPY

from pycopi.activations import (
    ACTIVATIONS,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Tanh,
    resolve,
)
from pycopi.losses import (
    LOSSES,
    BinaryCrossEntropy,
    CrossEntropy,
    SquaredError,
    check_loss,
    check_targets,
    encode_targets,
)

A = np.array([[-3.0, -0.5, 0.25], [40.0, 1.0, -40.0]])
STEP = 1e-6

VALUES = {
    Identity(): A,
    LeakyReLU(): np.where(A > 0, A, 0.1 * A),
    LeakyReLU(0.3): np.where(A > 0, A, 0.3 * A),
    ReLU(): np.maximum(A, 0),
    Tanh(): np.tanh(A),
    Sigmoid(): 1 / (1 + np.exp(-A)),
}


@pytest.mark.parametrize("activation", VALUES, ids=str)
def test_activations(xp, activation):
    a = xp.asarray(A)
    assert_close(xp.call(activation, a), VALUES[activation], xp, a, rtol=1e-15)
    slope = (activation(A + STEP) - activation(A - STEP)) / (2 * STEP)
    assert_close(xp.call(activation.derivative, a), slope, xp, a, rtol=1e-8)


def test_float32_stays_float32(xp):
    a = xp.asarray(A.astype(np.float32))
    for activation in VALUES:
        assert activation(a).dtype == activation.derivative(a).dtype == a.dtype


def test_activations_by_name():
    for name, kind in ACTIVATIONS.items():
        assert resolve(name) == kind()
    assert resolve(LeakyReLU(0.2)) == LeakyReLU(0.2)
    message = (
        "there is no activation 'swish'; expected one of identity, leaky_relu, relu, tanh, sigmoid, affine"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        resolve("swish")
    with pytest.raises(ValueError, match=r"slope is 2\.0; expected a number from 0 to 1"):
        LeakyReLU(2.0)


TARGETS = np.array([[0.0, 1.0, 0.0], [0.25, 0.0, 0.75]])


@pytest.mark.parametrize(
    ("loss", "activation"),
    [
        *((SquaredError(), activation) for activation in VALUES),
        *((loss, Identity()) for loss in (CrossEntropy(), BinaryCrossEntropy())),
    ],
    ids=str,
)
def test_the_error_is_minus_the_derivative(xp, loss, activation):
    a = A / 10
    wanted = np.empty_like(a)
    for index in np.ndindex(a.shape):
        shift = np.zeros_like(a)
        shift[index] = STEP
        high, low = (loss.value(activation(a + s), TARGETS).sum() for s in (shift, -shift))
        wanted[index] = -(high - low) / (2 * STEP)
    like = xp.asarray(a)

    def error(a, t):
        return loss.error(a, t, activation)

    assert_close(xp.call(error, like, xp.asarray(TARGETS)), wanted, xp, like, rtol=1e-7)


def test_losses_have_their_textbook_values(xp):
    a, t = xp.asarray(A), xp.asarray(TARGETS)
    half = 0.5 * ((TARGETS - A) ** 2).sum(axis=1)
    assert_close(xp.call(LOSSES["squared_error"].value, a, t), half, xp, a, rtol=1e-14)
    shifted = A - A.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    entropy = -(TARGETS * log_softmax).sum(axis=1)
    assert_close(xp.call(LOSSES["cross_entropy"].value, a, t), entropy, xp, a, rtol=1e-14)
    each = -TARGETS * np.log(1 / (1 + np.exp(-A))) - (1 - TARGETS) * np.log(1 / (1 + np.exp(A)))
    assert_close(xp.call(LOSSES["binary_cross_entropy"].value, a, t), each.sum(axis=1), xp, a, rtol=1e-14)


def test_far_logits_have_a_finite_cross_entropy():
    """Whose probability of the other class is 0 in floats, as that of the first of these is."""
    a, t = np.array([[-1000.0, 1000.0]]), np.array([[1.0, 1.0]])
    assert BinaryCrossEntropy().value(a, t).tolist() == [1000.0]
    assert BinaryCrossEntropy().error(a, t, Identity()).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy"])
def test_cross_entropies_take_logits_only(name):
    message = (
        f"the loss {name!r} takes preactivations as logits but the output layer has the "
        "activation Tanh(); expected the activation 'identity' there"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        check_loss(name, Tanh())


@pytest.mark.parametrize(
    "targets",
    [
        np.array([2, 0, 1]),
        np.array([2, 0, 1], np.uint8),
        np.array([2, 0, 1], np.int32),
        np.eye(3)[[2, 0, 1]],
        np.eye(3, dtype=np.int64)[[2, 0, 1]],
        np.eye(3, dtype=bool)[[2, 0, 1]],
    ],
    ids=["int64", "uint8", "int32", "one-hot", "whole one-hot", "boolean one-hot"],
)
def test_targets_become_rows(xp, targets):
    like = xp.asarray(np.zeros((3, 3)))
    rows = xp.call(encode_targets, xp.asarray(targets), like)
    assert_close(rows, np.eye(3)[[2, 0, 1]], xp, like, rtol=0.0)
    check_targets(xp.asarray(targets), 3, 3, like)


def test_a_real_target_becomes_a_column():
    like = np.zeros((3, 1))
    assert_close(encode_targets(np.arange(3.0), like), np.arange(3.0)[:, None], NUMPY, like, rtol=0.0)


@pytest.mark.parametrize(
    ("targets", "kind", "message"),
    [
        (np.array([0, 1]), ValueError, "targets have 2 rows but inputs have 3; expected the same number"),
        (
            np.zeros((3, 2)),
            ValueError,
            (
                "targets has dtype float64 and shape (3, 2) but the network has 4 outputs; expected (3, 4), "
                "or class numbers, integers of shape (3,)"
            ),
        ),
        (
            np.zeros(3),
            ValueError,
            (
                "targets has dtype float64 and shape (3,) but the network has 4 outputs; expected class "
                "numbers, integers of shape (3,): convert with .astype('int64'), or real numbers of shape "
                "(3, 4)"
            ),
        ),
        (
            np.zeros((3, 4), np.float32),
            TypeError,
            (
                "targets has dtype float32 but parameters have float64; expected the same: "
                "convert with .astype('float64')"
            ),
        ),
    ],
)
def test_targets_that_do_not_fit(targets, kind, message):
    with pytest.raises(kind, match=exactly(message)):
        check_targets(targets, 3, 4, np.zeros(1))


@pytest.mark.parametrize(("wrong", "number"), [([0, -1, 2], -1), ([0, 1, 4], 4)])
def test_class_numbers_out_of_range(eager, wrong, number):
    message = (
        f"targets have the class number {number} but the network has 4 outputs; expected whole numbers "
        f"from 0 to 3; number the classes, as with "
    )
    with pytest.raises(ValueError, match=within(message)):
        check_targets(eager.asarray(np.array(wrong)), 3, 4, eager.asarray(np.zeros(1)))
