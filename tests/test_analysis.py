"""The analyses: against plain formulas on every backend, in any batches, and within little memory."""

import tracemalloc

import numpy as np
import pytest
import reference
from assertions import assert_close, assert_same, exactly, tolerance
from backends import NUMPY
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import DTYPES, SEEDS, batches, sizes
from test_network import move, scrambled

import pycopi
from pycopi import analysis
from pycopi.analysis import correlation
from pycopi.data import load_dataset

NETWORK = pycopi.mlp([5, 6, 4, 3], activation="tanh")
PARAMETERS = scrambled(NETWORK, 3)
Y = np.random.default_rng(4).normal(size=(11, 5)) + 0.3
CLASSES = np.arange(11) % 3


def uncorrelated(rows, features, seed):
    """Return samples with exactly decorrelated features, of different power."""
    generator = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(generator.normal(size=(rows, features)))
    return basis * generator.uniform(0.5, 2.0, size=features)


def plain(network, parameters, last=None):
    """Return a network without decorrelating matrices, of the first layers of another."""
    network, parameters = network.fold(parameters)
    return pycopi.Network(network.layers[:last]), parameters[:last]


# Receptive fields


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


# Compression


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


@pytest.fixture(scope="module")
def trained():
    """A network trained on the digits, its parameters, and the data."""
    digits = load_dataset("digits")
    network = pycopi.mlp([64, 64, 64, 10])
    chosen = pycopi.Settings(rate=1e-2, gain=100.0, decorrelation=pycopi.Decorrelation(rate=1e-2))
    state = pycopi.fit(
        network, network.init(0), digits.x_train, digits.y_train, epochs=8, batch_size=20, settings=chosen
    )
    return network, state.parameters, digits


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


# Correlation


@settings(max_examples=10)  # every shape is compiled anew on some libraries
@given(features=batches())
def test_correlation_matrix_is_the_plain_formula(eager, features):
    like = eager.asarray(features)
    matrix = analysis.correlation_matrix(like)
    wanted = reference.correlation(features.astype(np.float64))
    rtol = tolerance(features.dtype, 4 * features.size)
    assert_close(matrix, wanted, eager, like, rtol=rtol)
    mean = analysis.off_diagonal_correlation(like)
    assert analysis.mean_off_diagonal(matrix) == pytest.approx(mean, abs=rtol)


def test_correlation_of_many_samples_and_features(monkeypatch):
    features = np.random.default_rng(0).normal(size=(23, 17)) + 1.0
    features[:, 3] = 0.0
    whole, mean = analysis.correlation_matrix(features), analysis.off_diagonal_correlation(features)
    monkeypatch.setattr(correlation, "_SAMPLES", 5)
    monkeypatch.setattr(correlation, "_FEATURES", 4)
    assert_close(analysis.correlation_matrix(features), whole, NUMPY, features, rtol=1e-15)
    assert analysis.off_diagonal_correlation(features) == pytest.approx(mean, rel=1e-13)


def test_correlation_of_extreme_values_is_finite():
    features = np.array([[1e200, 1e-200], [1e200, 2e-200]])
    wanted = np.array([[1.0, 3 / np.sqrt(10)], [3 / np.sqrt(10), 1.0]])
    assert_close(analysis.correlation_matrix(features), wanted, NUMPY, features, rtol=1e-15)


def test_correlations_of_layers_before_and_after(xp):
    trace = NETWORK.trace(PARAMETERS, Y)
    sent = [Y, *map(np.tanh, trace.preactivations)]
    like = xp.asarray(Y)
    layers = xp.call(
        lambda parameters, y: analysis.layer_correlations(NETWORK, parameters, y, batch_size=4),
        move(PARAMETERS, xp),
        like,
    )
    for layer, y, x in zip(layers, sent, trace.decorrelated, strict=False):
        assert_close(layer.before, reference.correlation(y), xp, like, rtol=1e-14)
        assert_close(layer.after, reference.correlation(x), xp, like, rtol=1e-14)
    assert len(layers) == 3


def test_training_lowers_the_correlation_of_every_layer(trained):
    network, parameters, digits = trained
    for layer in analysis.layer_correlations(network, parameters, digits.x_train):
        before, after = map(analysis.mean_off_diagonal, layer)
        assert after < 0.75 * before


# ZCA


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zca_is_the_plain_formula(eager, dtype, centred):
    y = (Y @ np.diag([3.0, 1.0, 0.5, 1.0, 0.0])).astype(dtype)
    like = eager.asarray(y)
    if eager.library == "array-api-strict":  # its fixture offers no extension
        message = "array_api_strict has no linalg.eigh, which computes eigenvalues; convert the array to NumPy"
        with pytest.raises(NotImplementedError, match=exactly(message)):
            analysis.zca(like)
        return
    whitening = analysis.zca(like, epsilon=0.01, centred=centred, batch_size=4)
    wanted = reference.zca(y.astype(np.float64), 0.01, centred=centred)
    rtol = tolerance(dtype, 200)
    assert_close(whitening.matrix, wanted, eager, like, rtol=rtol)
    rows = y - y.mean(axis=0) if centred else y
    assert_close(whitening.apply(like), rows.astype(np.float64) @ wanted, eager, like, rtol=rtol)
    assert (whitening.mean is not None) == centred


@given(seed=SEEDS, features=sizes(1, 6))
def test_zca_whitens(seed, features):
    y = np.random.default_rng(seed).normal(size=(40, features)) + 1.0
    x = analysis.zca(y, epsilon=0.0, centred=True).apply(y)
    assert_close(x.T @ x / 40, np.eye(features), NUMPY, y, rtol=1e-11)
    assert_close(x.mean(axis=0), np.zeros(features), NUMPY, y, rtol=1e-12)


def test_zca_without_epsilon_drops_directions_without_power():
    y = Y.copy()
    y[:, 4] = y[:, 3]
    x = analysis.zca(y, epsilon=0.0).apply(y)
    values = np.linalg.eigvalsh(x.T @ x / len(y))
    assert_close(values, np.array([0.0, 1.0, 1.0, 1.0, 1.0]), NUMPY, y, rtol=1e-10)


def test_whitening_leaves_its_inputs_alone():
    before = Y.copy()
    analysis.zca(Y, centred=True).apply(Y)
    assert_same(Y, before)


# Alignment

SETTINGS = {
    "copi": pycopi.Settings(gain=3.0),
    "weak": pycopi.Settings(gain=0.1),
    "gradient": pycopi.Settings(rule="gradient", gain=7.0),
    "scaled": pycopi.Settings(gain=2.0, rule=pycopi.COPI(variance_scaled=True, epsilon=0.1)),
    "aligned": pycopi.Settings(gain=2.0, credit="feedback_alignment"),
    "bounded": pycopi.Settings(gain=3.0, step_bound=0.5),
    "entropy": pycopi.Settings(gain=2.0, loss="cross_entropy"),
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
    descent = pycopi.Settings(rule="gradient", gain=1.0, loss=chosen.loss)
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
    settings = pycopi.Settings(rule="adam", rate=0.1, gain=1.0)
    state = pycopi.start(network, settings, like=Y)
    for _ in range(3):
        state, _ = pycopi.train_step(network, state, Y, CLASSES, settings)
    descent = pycopi.Settings(rule="gradient", gain=1.0)
    pairs = zip(
        steps_of(network, state, Y, CLASSES, settings),
        steps_of(network, state, Y, CLASSES, descent),
        strict=True,
    )
    wanted = [reference.degrees(*pair) for pair in pairs]
    found = analysis.update_alignment(network, state, Y, CLASSES, settings)
    assert found == pytest.approx(wanted, abs=2e-6)
    assert min(found) > 5


def test_copi_with_decorrelated_inputs_is_the_gradient_rule():
    network = pycopi.mlp([5, 3], decorrelated=False)
    y, parameters = uncorrelated(11, 5, 1), scrambled(network, 1)
    chosen = pycopi.Settings(gain=1.0)
    aligned = analysis.update_alignment(network, parameters, y, CLASSES, chosen)
    assert aligned == pytest.approx([0.0], abs=1e-10)
    assert analysis.update_alignment(network, parameters, Y, CLASSES, chosen)[0] > 1.0


ALIGNED = pycopi.Settings(gain=2.0, credit="feedback_alignment")


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
    assert np.isnan(analysis.update_alignment(network, parameters, Y, zero, pycopi.Settings())[0])
    angles = analysis.credit_angles(network, state, Y, zero, ALIGNED)
    assert np.isnan([*angles.samples, *angles.batches]).all()
    half = np.concatenate([zero[:6], np.ones((5, 3))])
    assert analysis.credit_angles(network, state, Y, half, ALIGNED).samples == (0.0,)


@pytest.mark.parametrize("name", ["feedback_alignment", "direct_feedback_alignment", "sign_symmetric"])
def test_training_with_feedback_aligns_the_network_with_it(name):
    digits = load_dataset("digits")
    network = pycopi.mlp([64, 32, 10])
    chosen = pycopi.Settings(rate=1e-2, gain=30.0, credit=name, decorrelation=pycopi.Decorrelation(rate=1e-2))
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
        pycopi.Settings(rule="gradient", credit="node_perturbation", gain=1.0),
    )
    state, data = pycopi.start(network, chosen), (digits.x_train[:1000], digits.y_train[:1000])
    assert 75 < analysis.credit_angles(network, state, *data, chosen).samples[0] < 90
    few, many = (analysis.update_alignment(network, state, *data, chosen, batch_size=n)[0] for n in (10, 1000))
    assert many < few - 10


# Memory

LARGE = pycopi.mlp([512, 100, 10])
ANALYSES = {
    "receptive_fields": lambda p, x, y: analysis.receptive_fields(LARGE, p, x, layer=2, batch_size=128),
    "compress": lambda p, x, y: analysis.compress(LARGE, p, x, first=1, last=2, batch_size=128),
    "compression_curve": lambda p, x, y: analysis.compression_curve(LARGE, p, x, x, y, batch_size=128),
    "layer_correlations": lambda p, x, y: analysis.layer_correlations(LARGE, p, x, batch_size=128),
    "correlation_matrix": lambda p, x, y: analysis.correlation_matrix(x),
    "zca": lambda p, x, y: analysis.zca(x, batch_size=128),
    "update_alignment": lambda p, x, y: analysis.update_alignment(LARGE, p, x, y, pycopi.Settings()),
    "credit_angles": lambda p, x, y: analysis.credit_angles(LARGE, p, x, y, pycopi.Settings()),
}


def peak_of(call):
    """Return the most memory, in bytes, that a call held beyond what was there before."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ANALYSES)
def test_memory_does_not_grow_with_the_data(name, monkeypatch):
    monkeypatch.setattr(correlation, "_SAMPLES", 128)
    parameters = LARGE.init(0)
    x = np.random.default_rng(0).random((8192, 512), np.float32)
    y = np.arange(8192) % 10
    few, many = (peak_of(lambda n=n: ANALYSES[name](parameters, x[:n], y[:n])) for n in (1024, 8192))
    assert many < few + 0.05 * x.nbytes
    assert many < x.nbytes


def test_peak_of_measures_a_copy():
    x = np.ones((100, 1000))
    assert peak_of(lambda: x + x) >= x.nbytes


# Errors

MISSING = (
    "{} keeps a state from step to step, and none was given; begin with pycopi.start(network, settings, seed), "
    "and give what it returns in place of parameters"
)
PLAIN = NETWORK.init(0, like=Y)
REFUSED = {
    "layer": (
        lambda: analysis.receptive_fields(NETWORK, PARAMETERS, Y, layer=4),
        ValueError,
        "layer is 4; expected a layer from 1 to 3 (layer 1 takes the inputs)",
    ),
    "layer of no kind": (
        lambda: analysis.receptive_fields(NETWORK, PARAMETERS, Y, layer="top"),
        ValueError,
        "layer is 'top'; expected a whole number of at least 1",
    ),
    "span": (
        lambda: analysis.compress(NETWORK, PARAMETERS, Y, first=3, last=2),
        ValueError,
        "first is 3; expected a layer from 1 to 2 (layer 1 takes the inputs)",
    ),
    "epsilon": (
        lambda: analysis.compress(NETWORK, PARAMETERS, Y, first=1, last=2, epsilon=-1.0),
        ValueError,
        "epsilon is -1.0; expected a finite number of at least 0",
    ),
    "no samples": (
        lambda: analysis.receptive_fields(NETWORK, PARAMETERS, Y[:0], layer=1),
        ValueError,
        "inputs has no rows; expected a batch of at least one sample",
    ),
    "features": (
        lambda: analysis.layer_correlations(NETWORK, PARAMETERS, Y[:, 1:]),
        ValueError,
        (
            "inputs has shape (11, 4) but the network takes 5 features; expected (any, 5), or a network "
            "made for 4 inputs"
        ),
    ),
    "batch size": (
        lambda: analysis.zca(Y, batch_size=0),
        ValueError,
        "batch_size is 0; expected a whole number of at least 1",
    ),
    "rows of targets": (
        lambda: analysis.compression_curve(NETWORK, PARAMETERS, Y, Y, CLASSES[:4]),
        ValueError,
        "targets have 4 rows but inputs have 11; expected the same number",
    ),
    "classes": (
        lambda: analysis.update_alignment(NETWORK, PARAMETERS, Y, CLASSES + 1, pycopi.Settings()),
        ValueError,
        (
            "targets have the class number 3 but the network has 3 outputs; expected "
            "whole numbers from 0 to 2; number the classes from 0: subtract 1"
        ),
    ),
    "feedback": (
        lambda: analysis.credit_angles(NETWORK, PLAIN, Y, CLASSES, ALIGNED),
        ValueError,
        MISSING.format("FeedbackAlignment()"),
    ),
    "feedback of an update": (
        lambda: analysis.update_alignment(NETWORK, PLAIN, Y, CLASSES, SETTINGS["aligned"]),
        ValueError,
        MISSING.format("FeedbackAlignment()"),
    ),
    "moments": (
        lambda: analysis.update_alignment(NETWORK, PARAMETERS, Y, CLASSES, pycopi.Settings(rule="adam")),
        ValueError,
        MISSING.format(pycopi.Adam()),
    ),
    "not square": (
        lambda: analysis.mean_off_diagonal(Y),
        ValueError,
        "correlation has shape (11, 5) but a correlation matrix is square; expected (11, 11)",
    ),
    "other features": (
        lambda: analysis.zca(Y).apply(Y[:, 1:]),
        ValueError,
        "inputs has shape (11, 4) but the whitening is of 5 features; expected (any, 5)",
    ),
    "nan": (
        lambda: analysis.receptive_fields(NETWORK, PARAMETERS, Y * np.nan, layer=1),
        ValueError,
        (
            "inputs has nan at row 0 (55 such values in the block read); "
            "expected finite numbers: remove or fill them first"
        ),
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_bad_arguments_are_named(case):
    call, kind, message = case
    with pytest.raises(kind, match=exactly(message)):
        call()


def test_memory_maps_go_with_parameters_of_any_library(eager, tmp_path):
    np.save(tmp_path / "y.npy", Y)
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
    moved = move(PARAMETERS, eager)
    fields = analysis.receptive_fields(NETWORK, moved, mapped, layer=2, batch_size=4)
    wanted = analysis.receptive_fields(NETWORK, PARAMETERS, Y, layer=2)
    assert_close(fields, wanted, eager, eager.asarray(Y), rtol=1e-14)
