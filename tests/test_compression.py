"""Receptive fields and networks in fewer layers: against plain formulas on every backend, in any batches."""

import numpy as np
import pytest
import reference
from analysed import CLASSES, NETWORK, PARAMETERS, Y, uncorrelated
from assertions import assert_close, assert_same, tolerance
from backends import NUMPY
from hypothesis import given
from hypothesis import strategies as st
from networks import move, scrambled
from strategies import DTYPES, SEEDS, batches, sizes

import pycopi
from pycopi import analysis


def plain(network, parameters, last=None):
    """Return a network without decorrelating matrices, of the first layers of another."""
    network, parameters = network.fold(parameters)
    return pycopi.Network(network.layers[:last]), parameters[:last]


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_receptive_fields_are_the_plain_formula(xp, layer):
    trace = NETWORK.trace(PARAMETERS, Y)
    wanted = reference.inferred_map(trace.preactivations[layer - 1], trace.decorrelated[0], 0.9)
    like = xp.asarray(Y)
    fields = xp.call(
        lambda parameters, y: analysis.receptive_fields(
            NETWORK, parameters, y, layer=layer, epsilon=0.9, batch_size=4
        ),
        move(PARAMETERS, xp),
        like,
    )
    assert_close(fields, wanted, xp, like, rtol=1e-14)


@given(y=batches(), hidden=sizes(1, 5), batch=sizes(1, 12), seed=SEEDS)
def test_receptive_fields_of_any_data_in_any_batches(y, hidden, batch, seed):
    network = pycopi.mlp([y.shape[1], hidden])
    parameters = scrambled(network, seed, y.dtype)
    trace = network.trace(tuple(own.map(np.float64) for own in parameters), y.astype(np.float64))
    wanted = reference.inferred_map(trace.preactivations[0], trace.decorrelated[0], 1e-2)
    fields = analysis.receptive_fields(network, parameters, y, layer=1, epsilon=1e-2, batch_size=batch)
    rtol = tolerance(y.dtype, 40 * y.size)
    assert_close(fields, wanted, NUMPY, y, rtol=rtol, scale=max(1.0, np.abs(wanted).max()))


def test_fields_of_a_first_layer_with_decorrelated_inputs_are_its_weights():
    y = uncorrelated(9, 5, 0)
    network, parameters = plain(NETWORK, PARAMETERS)
    fields = analysis.receptive_fields(network, parameters, y, layer=1)
    assert_close(fields, parameters[0].weight, NUMPY, y, rtol=1e-14)


def test_inputs_that_are_always_zero_have_no_field():
    y = Y.copy()
    y[:, 2] = 0.0
    network, parameters = plain(NETWORK, PARAMETERS)
    fields = analysis.receptive_fields(network, parameters, y, layer=3, epsilon=0.0)
    assert_same(fields[:, 2], np.zeros(3))
    assert np.all(fields[:, [0, 1, 3, 4]] != 0)


# compression


@pytest.mark.parametrize(("first", "last"), [(1, 3), (1, 2), (2, 3), (2, 2)])
def test_compress_is_the_plain_formula(xp, first, last):
    trace = NETWORK.trace(PARAMETERS, Y)
    wanted = reference.inferred_map(trace.preactivations[last - 1], trace.decorrelated[first - 1], 1e-3)
    like, moved = xp.asarray(Y), move(PARAMETERS, xp)
    network, _ = analysis.compress(NETWORK, PARAMETERS, Y, first=first, last=last)
    merged = xp.call(
        lambda parameters, y: (
            analysis.compress(
                NETWORK, parameters, y, first=first, last=last, epsilon=1e-3, batch_size=3
            ).parameters
        ),
        moved,
        like,
    )
    new = merged[first - 1]
    assert_close(new.weight, wanted, xp, like, rtol=1e-13)
    assert_close(new.decorrelator, PARAMETERS[first - 1].decorrelator, xp, like, rtol=0.0)
    assert new.bias is None
    network.check_parameters(merged)
    others = [*range(first - 1), *range(last, 3)]
    assert [network.layers[i if i < first else i - last + first] for i in others] == [
        NETWORK.layers[i] for i in others
    ]
    layer = network.layers[first - 1]
    assert layer.activation == NETWORK.layers[last - 1].activation
    assert len(network.layers) == len(merged) == 3 - (last - first)


@pytest.mark.parametrize("decorrelated", [True, pycopi.SubspaceDecorrelation(rank=2)])
def test_what_a_compressed_layer_does_to_its_inputs_stays(decorrelated):
    """Its scaling, and its R, which a single input cannot be correlated in."""
    network = pycopi.mlp([1, 3, 2], activation="identity", decorrelated=decorrelated, standardized=True)
    y = np.random.default_rng(0).normal(100.0, 5.0, size=(40, 1))
    parameters = network.init(0, data=y, like=y)
    short, merged = analysis.compress(network, parameters, y, first=1, last=2)
    assert_close(short.predict(merged, y), network.predict(parameters, y), NUMPY, y, rtol=1e-12)


@given(
    shape=st.lists(sizes(1, 5), min_size=2, max_size=5), data=st.data(), seed=SEEDS, dtype=DTYPES,
    bias=st.booleans(), end=st.sampled_from(["identity", "tanh"]),
)  # fmt: skip
def test_a_linear_span_is_replaced_exactly(shape, data, seed, dtype, bias, end):
    """The inputs of the span are exactly decorrelated, and what follows it keeps its activation."""
    whole = pycopi.mlp(shape, activation="identity", output_activation=end, bias=bias, decorrelated=False)
    parameters = scrambled(whole, seed, dtype)
    y = uncorrelated(8, shape[0], seed).astype(dtype)
    last = data.draw(st.integers(1, len(shape) - 1))
    network, merged = analysis.compress(whole, parameters, y, first=1, last=last)
    wanted = whole.trace(parameters, y).outputs.astype(np.float64)
    rtol = tolerance(dtype, 200 * sum(shape))
    assert_close(network.predict(merged, y), wanted, NUMPY, y, rtol=rtol)
    assert network.layers[0].bias == bias


def test_a_compressed_network_is_saved_trained_and_compressed_again(tmp_path):
    network, merged = analysis.compress(NETWORK, PARAMETERS, Y, first=1, last=2)
    pycopi.save(tmp_path / "short.safetensors", network, merged)
    saved = pycopi.load(tmp_path / "short.safetensors")
    assert saved.network == network
    assert_same(saved.network.predict(saved.parameters, Y), network.predict(merged, Y))
    assert pycopi.evaluate(network, merged, Y, CLASSES).samples == 11
    before = merged[0].decorrelator.copy()
    pycopi.train_step(network, merged, Y, CLASSES, pycopi.Settings(gain=1.0))
    assert_same(merged[0].decorrelator, before)
    shorter, _ = analysis.compress(network, merged, Y, first=1, last=2)
    assert [layer.outputs for layer in shorter.layers] == [3]


def test_one_linear_layer_still_classifies_the_digits(trained):
    network, parameters, digits = trained
    short, merged = analysis.compress(network, parameters, digits.x_train, first=1, last=3)
    assert len(short.layers) == 1
    accuracy = pycopi.evaluate(short, merged, digits.x_test, digits.y_test).accuracy
    assert 0.85 < accuracy < pycopi.evaluate(network, parameters, digits.x_test, digits.y_test).accuracy


def test_the_curve_is_what_compressed_networks_answer(trained, eager):
    network, parameters, digits = trained
    x, test, classes = digits.x_train, digits.x_test, digits.y_test
    accuracies = [pycopi.evaluate(network, parameters, test, classes).accuracy]
    for first in (2, 1):
        short, merged = analysis.compress(network, parameters, x, first=first, last=3)
        accuracies.append(pycopi.evaluate(short, merged, test, classes).accuracy)
    one_hot = np.eye(10, dtype=np.float32)[classes]
    moved = move(parameters, eager)
    for targets in (classes, eager.asarray(classes), eager.asarray(one_hot)):
        curve = analysis.compression_curve(
            network, moved, eager.asarray(x), eager.asarray(test), targets, batch_size=300
        )
        assert curve == pytest.approx(accuracies, abs=1.5 / 360)


def test_the_curve_of_a_network_with_biases_and_a_squashing_output():
    network = pycopi.mlp([5, 6, 3], output_activation="sigmoid", bias=True)
    parameters = scrambled(network, 8)
    curve = analysis.compression_curve(network, parameters, Y, Y, CLASSES)
    short, merged = analysis.compress(network, parameters, Y, first=1, last=2)
    assert curve[1] == pycopi.evaluate(short, merged, Y, CLASSES).accuracy
    assert str(short.layers[0].activation) == "Sigmoid()"
