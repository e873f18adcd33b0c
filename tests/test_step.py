"""Credit and the training step: against finite differences, plain formulas, and between backends."""

import exact
import numpy as np
import pytest
from assertions import assert_close, assert_same, exactly, within
from backends import BACKENDS, NUMPY
from networks import scrambled

import pycopi
from pycopi.activations import Tanh
from pycopi.credit import CREDIT
from pycopi.losses import LOSSES

RNG = np.random.default_rng(5)
Y = RNG.normal(size=(6, 4))
CLASSES = np.array([0, 1, 2, 0, 1, 2])
ONE_HOT = np.eye(3)[CLASSES]
STEP = 1e-6


def loss_of(network, parameters, loss):
    return LOSSES[loss].value(network.trace(parameters, Y).outputs, ONE_HOT).mean()


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
@pytest.mark.parametrize("decorrelated", [False, True])
def test_the_gradient_rule_descends_the_loss(loss, decorrelated):
    """One step of rate 1 and gain 1 is minus the gradient of the mean loss."""
    network = pycopi.mlp([4, 5, 3], activation="tanh", bias=True, decorrelated=decorrelated)
    parameters = scrambled(network, 0)
    settings = exact.settings(rule="gradient", rate=1.0, gain=1.0, loss=loss)
    stepped, metrics = pycopi.train_step(network, parameters, Y, CLASSES, settings, pycopi.Rates(weights=1.0))
    assert float(metrics.loss) == pytest.approx(loss_of(network, parameters, loss), rel=1e-12)
    for index, own in enumerate(parameters):
        for name in ("weight", "bias"):
            wanted = np.empty_like(getattr(own, name))
            for place in np.ndindex(wanted.shape):
                values = []
                for sign in (1, -1):
                    moved = getattr(own, name).copy()
                    moved[place] += sign * STEP
                    changed = (*parameters[:index], own._replace(**{name: moved}), *parameters[index + 1 :])
                    values.append(loss_of(network, changed, loss))
                wanted[place] = -(values[0] - values[1]) / (2 * STEP)
            change = getattr(stepped[index], name) - getattr(own, name)
            assert_close(change, wanted, NUMPY, Y, rtol=1e-8)


def test_rates_of_none_leave_their_part_alone():
    network = pycopi.mlp([4, 3], bias=True)
    parameters = scrambled(network, 4)
    for rates, changed, kept in [
        (pycopi.Rates(weights=0.1), ("weight", "bias"), ("decorrelator",)),
        (pycopi.Rates(decorrelation=0.1), ("decorrelator",), ("weight", "bias")),
    ]:
        stepped, _ = pycopi.train_step(network, parameters, Y, CLASSES, pycopi.Settings(), rates)
        for name in kept:
            assert_same(getattr(stepped[0], name), getattr(parameters[0], name))
        for name in changed:
            assert np.abs(getattr(stepped[0], name) - getattr(parameters[0], name)).max() > 1e-6


def hundred_steps(backend, dtype, rates):
    """Return the losses of a hundred steps on changing batches."""
    network = pycopi.mlp([16, 24, 24, 4])
    generator = np.random.default_rng(0)
    parameters = network.init(0, like=backend.asarray(np.empty(0, dtype)))
    losses = []
    for _ in range(100):
        classes = generator.integers(0, 4, size=20)
        y = (np.repeat(np.eye(4)[classes], 4, axis=1) + generator.uniform(size=(20, 16))).astype(dtype)
        arguments = parameters, backend.asarray(y), backend.asarray(classes)
        parameters, metrics = pycopi.train_step(
            network, *arguments, exact.settings(gain=50.0, rate=1e-2), rates, copy=None
        )
        losses.append(float(metrics.loss))
    return losses


@pytest.mark.parametrize("other", ["torch", "jax", "cupy"])  # the rest compute with NumPy, as it does
@pytest.mark.parametrize(
    ("dtype", "rates", "tolerance"),
    [
        (np.float32, pycopi.Rates(None, 1e-2), 1e-5),
        (np.float64, pycopi.Rates(None, 1e-2), 1e-14),
        (np.float32, pycopi.Rates(1e-2, 1e-2), 1e-3),
        (np.float64, pycopi.Rates(1e-2, 1e-2), 1e-11),
    ],
    ids=["decorrelating float32", "decorrelating float64", "learning float32", "learning float64"],
)
def test_a_hundred_steps_are_the_same_on_every_backend(other, dtype, rates, tolerance):
    """Learning amplifies rounding, decorrelating does not."""
    backend = next(backend for backend in BACKENDS if backend.name == other)
    backend.require()
    losses, wanted = (hundred_steps(one, dtype, rates) for one in (backend, NUMPY))
    assert losses == pytest.approx(wanted, rel=tolerance)


def test_jax_compiles_a_step_once_for_all_rates():
    jax = pytest.importorskip("jax")
    traces = []

    def counted(*arguments):
        traces.append(1)
        return pycopi.train_step(*arguments)

    step = jax.jit(counted, static_argnums=(0, 4))
    network, settings = pycopi.mlp([4, 3]), pycopi.Settings()
    like = jax.numpy.asarray(Y, dtype=jax.numpy.float32)
    parameters = network.init(0, like=like)
    for rate in (0.1, 0.2, 0.3):
        parameters, _ = step(
            network, parameters, like, jax.numpy.asarray(CLASSES), settings, pycopi.Rates(rate, rate)
        )
    assert len(traces) == 1


NETWORK = pycopi.mlp([4, 3])
GOOD = NETWORK.init(0, like=Y)

REFUSED = {
    "nan": ((Y * np.nan, CLASSES, pycopi.Settings()), "inputs has nan at row 0"),
    "class": (
        (Y, CLASSES + 1, pycopi.Settings()),
        "targets have the class number 3 but the network has 3 outputs",
    ),
    "rows": ((Y, CLASSES[:4], pycopi.Settings()), "targets have 4 rows but inputs have 6"),
    "nothing": ((Y[:0], CLASSES[:0], pycopi.Settings()), "inputs has no rows; expected a batch"),
    "infinite target": ((Y, np.where(ONE_HOT == 1, np.inf, 0.0), pycopi.Settings()), "targets has "),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_bad_batches_change_nothing(case):
    arguments, message = case
    parameters = scrambled(NETWORK, 0)
    kept = [a.copy() for a in parameters[0] if a is not None]
    with pytest.raises(ValueError, match=within(message)):
        pycopi.train_step(NETWORK, parameters, *arguments, copy=None)
    for array, old in zip([a for a in parameters[0] if a is not None], kept, strict=True):
        assert_same(array, old)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rule": "hebb"}, "rule is 'hebb'; expected one of copi, gradient, adam"),
        ({"credit": "magic"}, f"credit is 'magic'; expected one of {', '.join(CREDIT)}"),
        (
            {"loss": "hinge"},
            "loss is 'hinge'; expected one of squared_error, cross_entropy, binary_cross_entropy",
        ),
        ({"gain": float("nan")}, "gain is nan; expected a finite number of at least 0"),
        ({"rate": float("inf")}, "rate is inf; expected a finite number of at least 0"),
        (
            {"decorrelation": 0.1},
            "decorrelation is a float; expected a pycopi.Decorrelation, or a tuple of them",
        ),
        (
            {"decorrelation": ()},
            "decorrelation is a tuple; expected a pycopi.Decorrelation, or a tuple of them",
        ),
        (
            {"decorrelation": pycopi.SubspaceDecorrelation()},
            (
                "decorrelation is a SubspaceDecorrelation; expected a pycopi.Decorrelation, or a tuple of them"
                "; give it to the network, pycopi.mlp(sizes, decorrelated=...), "
                "or to rule='gradient' with optimizer=pycopi.Decorrelated(inputs=...)"
            ),
        ),
        ({"optimizer": "magic"}, "optimizer is 'magic'; expected one of plain, momentum, adam, decorrelated"),
        (
            {"optimizer": 0.1},
            "optimizer is a float; expected one of plain, momentum, adam, decorrelated, or your own Optimizer",
        ),
    ],
)
def test_settings_are_checked(fields, message):
    with pytest.raises((ValueError, TypeError), match=exactly(message)):
        pycopi.Settings(**fields)


def test_both_ways_to_decorrelate_in_few_directions_learn():
    """What the message about a SubspaceDecorrelation in the settings advises."""
    how = pycopi.SubspaceDecorrelation(rank=2)
    optimizer = pycopi.Decorrelated(inputs=how)
    ways = (
        (pycopi.mlp([4, 5, 3], decorrelated=how), pycopi.Settings(gain=1.0)),
        (pycopi.mlp([4, 5, 3], decorrelated=False), pycopi.Settings(rule="gradient", optimizer=optimizer)),
    )
    for network, settings in ways:
        state = pycopi.start(network, settings, like=Y)
        stepped, _ = pycopi.train_step(network, state, Y, ONE_HOT, settings)
        assert np.any(stepped.parameters[0].weight != state.parameters[0].weight)


def test_custom_activations_work():
    network = pycopi.mlp([4, 5, 3], activation=Tanh())
    stepped, _ = pycopi.train_step(network, network.init(0, like=Y), Y, ONE_HOT, pycopi.Settings(gain=1.0))
    assert np.isfinite(stepped[0].weight).all()


@pytest.mark.parametrize(
    ("found", "came"),
    [
        (lambda problem, kept: (problem.error, problem.error, kept), "a tuple of 3"),
        (lambda problem, kept: [problem.error, kept], "a list"),
        (lambda problem, kept: ((problem.error,), kept), "perturbations of 1"),
    ],
)
def test_a_credit_that_returns_something_else_is_named(found, came):
    class Odd(pycopi.Credit):
        def assign(self, problem, kept):
            return found(problem, kept)

    network = pycopi.mlp([3, 4, 2])
    settings = pycopi.Settings(credit=Odd())
    message = f"Odd.assign returned {came}; expected a tuple of two: the perturbations of all 2 layers, "
    message += "and what the credit keeps"
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.train_step(
            network, pycopi.start(network, settings), np.ones((5, 3), np.float32), np.zeros(5, int), settings
        )
