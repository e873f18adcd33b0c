"""Angles of updates to the gradient, and of credit to backpropagation's."""

import exact
import numpy as np
import pytest
import reference
from analysed import ALIGNED, CLASSES, NETWORK, PARAMETERS, Y, uncorrelated
from networks import scrambled

import pycopi
from pycopi import analysis
from pycopi.data import load_dataset

SETTINGS = {
    "copi": exact.settings(gain=3.0),
    "weak": exact.settings(gain=0.1),
    "gradient": exact.settings(rule="gradient", gain=7.0),
    "scaled": exact.settings(gain=2.0, rule=pycopi.COPI(variance_scaled=True, epsilon=0.1)),
    "aligned": ALIGNED,
    "bounded": exact.settings(gain=3.0, step_bound=0.5),
    "entropy": exact.settings(gain=2.0, loss="cross_entropy"),
}


def steps_of(network, state, y, classes, settings):
    """Return the change of each W by one training step, at rate 1."""
    stepped, _ = pycopi.train_step(network, state, y, classes, settings, pycopi.Rates(weights=1.0))
    return [new.weight - old.weight for new, old in zip(stepped.parameters, state.parameters, strict=True)]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
def test_update_alignment_is_the_angle_of_the_step_to_the_gradient(eager, name, bias):
    """The gradient rule with backpropagation is held to finite differences elsewhere."""
    network = pycopi.mlp([5, 6, 4, 3], activation="tanh", bias=bias)
    chosen = SETTINGS[name]
    state = pycopi.start(network, chosen, parameters=scrambled(network, 5))
    descent = exact.settings(rule="gradient", gain=1.0, loss=chosen.loss)
    wanted = np.zeros(3)
    for rows in (slice(0, 6), slice(6, 11)):
        batch = Y[rows], CLASSES[rows]
        pairs = zip(
            steps_of(network, state, *batch, chosen),
            steps_of(network, state, *batch, descent),
            strict=True,
        )
        wanted += np.array([reference.degrees(*pair) for pair in pairs]) * len(batch[1]) / 11
    found = analysis.update_alignment(
        network, state.map(eager.asarray), eager.asarray(Y), CLASSES, chosen, batch_size=6
    )
    assert found == pytest.approx(wanted, abs=2e-6)
    assert (max(found) < 1e-6) == (name == "gradient")


def test_update_alignment_of_adam_is_that_of_its_step():
    network = pycopi.mlp([5, 6, 3], bias=True)
    settings = exact.settings(rule="adam", rate=0.1, gain=1.0)
    state = pycopi.start(network, settings, like=Y)
    for _ in range(3):
        state, _ = pycopi.train_step(network, state, Y, CLASSES, settings)
    descent = exact.settings(rule="gradient", gain=1.0)
    pairs = zip(
        steps_of(network, state, Y, CLASSES, settings),
        steps_of(network, state, Y, CLASSES, descent),
        strict=True,
    )
    wanted = [reference.degrees(*pair) for pair in pairs]
    found = analysis.update_alignment(network, state, Y, CLASSES, settings)
    assert found == pytest.approx(wanted, abs=2e-6)
    assert min(found) > 5


def test_update_alignment_in_few_directions_knows_hidden_layers_as_a_step_does():
    network, small = pycopi.mlp([5, 6, 3], bias=True, decorrelated=False), 1e-6 * Y
    optimizer = pycopi.Decorrelated(inputs=pycopi.SubspaceDecorrelation(rank=2), perturbations=None)
    settings = exact.settings(rule="gradient", gain=1.0, optimizer=optimizer)
    state = pycopi.start(network, settings, like=Y)
    wanted = steps_of(network, state, small, CLASSES, settings)
    descent = exact.settings(rule="gradient", gain=1.0)
    unknown = pycopi.start(network, descent, parameters=state.parameters)
    plain = steps_of(network, unknown, small, CLASSES, descent)
    found = analysis.update_alignment(network, state, small, CLASSES, settings, batch_size=len(CLASSES))
    angles = [reference.degrees(*pair) for pair in zip(wanted, plain, strict=True)]
    assert found == pytest.approx(angles, abs=1e-4)
    assert angles[0] > 1


def test_copi_with_decorrelated_inputs_is_the_gradient_rule():
    network = pycopi.mlp([5, 3], decorrelated=False)
    y, parameters = uncorrelated(11, 5, 1), scrambled(network, 1)
    chosen = exact.settings(gain=1.0)
    aligned = analysis.update_alignment(network, parameters, y, CLASSES, chosen)
    assert aligned == pytest.approx([0.0], abs=1e-10)
    assert analysis.update_alignment(network, parameters, Y, CLASSES, chosen)[0] > 1.0


def test_credit_angles_are_the_plain_formula(eager):
    state = pycopi.start(NETWORK, ALIGNED, parameters=PARAMETERS)
    trace = NETWORK.trace(PARAMETERS, Y)
    error = np.eye(3)[CLASSES] - trace.outputs
    signals = []
    for matrices in (
        [None, *state.credit],
        [own.weight @ own.decorrelator for own in PARAMETERS],
    ):
        second = (error @ matrices[2]) * (1 - np.tanh(trace.preactivations[1]) ** 2)
        first = (second @ matrices[1]) * (1 - np.tanh(trace.preactivations[0]) ** 2)
        signals.append((first, second, error))
    pairs = list(zip(*signals, strict=True))
    samples = [np.mean([reference.degrees(*rows) for rows in zip(*pair, strict=True)]) for pair in pairs]
    whole = [reference.degrees(*pair) for pair in pairs]
    moved = state.map(eager.asarray)
    data = eager.asarray(Y), eager.asarray(CLASSES)
    found = analysis.credit_angles(NETWORK, moved, *data, ALIGNED)
    assert found.samples == pytest.approx(samples, abs=2e-6)
    assert found.batches == pytest.approx(whole, abs=2e-6)
    split = analysis.credit_angles(NETWORK, moved, *data, ALIGNED, batch_size=4)
    assert split.samples == pytest.approx(samples, abs=2e-6)
    assert found.samples[0] > 10
    assert found.samples[2] == 0


def test_what_has_no_direction_has_no_angle():
    network = pycopi.mlp([5, 3], decorrelated=False)
    parameters = tuple(own.map(np.zeros_like) for own in scrambled(network, 1))
    state = pycopi.start(network, ALIGNED, parameters=parameters)
    zero = np.zeros((11, 3))
    assert np.isnan(analysis.update_alignment(network, parameters, Y, zero, exact.settings())[0])
    angles = analysis.credit_angles(network, state, Y, zero, ALIGNED)
    assert np.isnan([*angles.samples, *angles.batches]).all()
    half = np.concatenate([zero[:6], np.ones((5, 3))])
    assert analysis.credit_angles(network, state, Y, half, ALIGNED).samples == (0.0,)


@pytest.mark.parametrize("name", ["feedback_alignment", "direct_feedback_alignment", "sign_symmetric"])
def test_training_with_feedback_aligns_the_network_with_it(name):
    digits = load_dataset("digits")
    network = pycopi.mlp([64, 32, 10])
    chosen = exact.settings(rate=1e-2, gain=30.0, credit=name, decorrelation=exact.decorrelation(rate=1e-2))
    start = pycopi.start(network, chosen)
    data = digits.x_train, digits.y_train
    state = pycopi.fit(network, start, *data, epochs=6, batch_size=20, settings=chosen)
    before = analysis.credit_angles(network, start, *data, chosen).samples[0]
    after = analysis.credit_angles(network, state, *data, chosen).samples[0]
    if name == "sign_symmetric":
        assert max(before, after) < 50  # aligned from the start
    else:
        assert after < min(before - 15, 75)


def test_the_noise_of_node_perturbation_points_downhill_on_the_whole():
    """Single estimates are nearly at a right angle to their mean; those of a large batch are less so."""
    digits = load_dataset("digits")
    network, chosen = (
        pycopi.mlp([64, 32, 10]),
        exact.settings(rule="gradient", credit="node_perturbation", gain=1.0),
    )
    state, data = pycopi.start(network, chosen), (digits.x_train[:1000], digits.y_train[:1000])
    assert 75 < analysis.credit_angles(network, state, *data, chosen).samples[0] < 90
    few, many = (analysis.update_alignment(network, state, *data, chosen, batch_size=n)[0] for n in (10, 1000))
    assert many < few - 10
