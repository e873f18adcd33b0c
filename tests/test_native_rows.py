"""One row at a time through the C core's own calls: the same as the general path, which defines it."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from assertions import exactly

import pycopi
from pycopi.activations import Identity, LeakyReLU, ReLU
from pycopi.credit import Problem
from pycopi.kernels import native
from pycopi.layers.row import RowPass
from pycopi.network import Network
from pycopi.rules.learning import Rates
from pycopi.state import start
from pycopi.streams import StreamClassifier, StreamRegressor
from pycopi.training.step import learn

if not native.available:
    pytest.skip("pycopi was built without its C core", allow_module_level=True)

SETS = native._core.instruction_sets()
SIZES = (37, 70, 19, 4)

NETWORKS = {
    "all decorrelated": {},
    "no bias": {"bias": False},
    "relu": {"activation": ReLU()},
    "linear": {"activation": Identity()},
    "slope": {"activation": LeakyReLU(0.3)},
}
SETTINGS = {
    "copi": {},
    "gradient": {"rule": "gradient", "gain": 0.5, "rate": 0.1},
    "whitening": {"decorrelation": pycopi.Decorrelation(rate=0.01, whitening=0.3)},
    "no bound": {"step_bound": None, "decorrelation": pycopi.Decorrelation(step_bound=None), "gain": 10.0},
    "small gain": {"gain": 0.5, "rate": 0.01},
    "small bound": {"step_bound": 1e-3, "decorrelation": pycopi.Decorrelation(rate=1.0, step_bound=1e-3)},
}


def network_of(which, layers):
    network = pycopi.mlp(SIZES, **{"bias": True, **NETWORKS[which]})
    return Network(
        tuple(replace(one, decorrelated=place in layers) for place, one in enumerate(network.layers))
    )


def rows_and_targets(count=40, dtype=np.float32):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, SIZES[0])).astype(dtype), np.eye(4, dtype=dtype)[rng.integers(4, size=count)]


def both(network, settings, dtype=np.float32, count=42):
    """Return parameters and outputs after rows, by the general path and by calls made ready."""
    state = start(network, settings, like=np.empty(0, dtype))
    layers, loss, gain = network.layers, settings.method.loss, settings.gain
    how = settings.for_layers(Rates(settings.rate, settings.decorrelation.rate), len(layers))
    parameters = tuple(own.map(np.copy) for own in state.parameters)
    assert RowPass.takes(layers, parameters, how)
    rows, general, quick = RowPass(layers, parameters, how), [], []
    for y, wanted in zip(*rows_and_targets(count, dtype), strict=True):
        trace = network.trace(state.parameters, y[None, :], how)
        problem = Problem(
            layers, state.parameters, y[None, :], wanted[None, :], trace, loss, gain=settings.gain
        )
        general.append(trace.outputs[0])
        state = learn(network, state, trace, problem, settings, how, None)
        outputs = rows.forward(y[None, :])
        quick.append(outputs[0].copy())
        rows.learn(gain * loss.error(outputs, wanted[None, :], layers[-1].activation))
    rows.settle()
    return (state.parameters, general), (parameters, quick)


def assert_alike(one, other, rtol):
    for own, others in zip(one[0], other[0], strict=True):
        for name, array in own.named().items():
            largest = float(np.abs(array).max())
            np.testing.assert_allclose(
                others.named()[name], array, rtol=rtol, atol=rtol * largest, err_msg=name
            )
    np.testing.assert_allclose(one[1], other[1], rtol=rtol, atol=rtol * float(np.abs(one[1]).max()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("layers", [(), (0,), (0, 1, 2)], ids=["plain", "first", "all"])
def test_a_row_learns_as_on_the_general_path(settings, layers, dtype):
    settings = pycopi.Settings(**settings)
    for which in NETWORKS:
        one, other = both(network_of(which, layers), settings, dtype)
        assert_alike(one, other, 2e-4 if dtype == np.float32 else 1e-11)


def test_a_change_that_is_late_is_made_once_where_nothing_is_learned_from_the_next_row():
    network, settings = network_of("relu", {0, 1, 2}), pycopi.Settings()
    how = settings.for_layers(Rates(settings.rate, settings.decorrelation.rate), len(network.layers))
    rows, _ = rows_and_targets(3)
    found = []
    for seen in (1, 3):
        parameters = start(network, settings, like=rows).parameters
        calls = RowPass(network.layers, parameters, how)
        for number in range(seen):
            outputs = calls.forward(rows[number : number + 1])
            if number == 0:
                first = outputs[0].copy()
                calls.learn(np.ones_like(outputs))
        calls.settle()
        found.append((parameters, [first]))
    assert_alike(*found, 1e-6)


def test_a_stream_answers_goes_on_and_grows_while_changes_are_late():
    """One is settled after each row, which is as if nothing was late."""
    rng = np.random.default_rng(0)
    late, settled = (StreamClassifier((20, 10), decorrelated_layers=None) for _ in range(2))
    for turn in range(60):
        x = {str(place): float(value) for place, value in enumerate(rng.normal(size=6 + turn // 20))}
        for model in (late, settled):
            model.learn_one(x, turn % (2 + turn // 30))
        if turn in (7, 33):
            late = pickle.loads(pickle.dumps(late))
        assert settled.parameters_
        if turn % 4 == 0:
            np.testing.assert_allclose(late._outputs(x), settled._outputs(x), rtol=1e-3, atol=1e-4)
    for own, other in zip(late.parameters_, settled.parameters_, strict=True):
        for name, array in own.named().items():
            np.testing.assert_allclose(other.named()[name], array, rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("name", SETS)
def test_every_instruction_set_learns_alike(name):
    before = native._core.instruction_set()
    native._core.set_instruction_set(name)
    try:
        assert_alike(*both(network_of("relu", (0, 1, 2)), pycopi.Settings()), 2e-4)
    finally:
        native._core.set_instruction_set(before)


@pytest.mark.parametrize(
    "settings",
    [{"rule": pycopi.COPI(variance_scaled=True)}, {"decorrelation": pycopi.Decorrelation(rule="local")}],
    ids=["variance-scaled", "local"],
)
def test_what_the_core_does_not_know_takes_the_general_path(settings):
    network, settings = network_of("relu", (0, 1, 2)), pycopi.Settings(**settings)
    how = settings.for_layers(Rates(1e-3, 1e-3), 3)
    assert not RowPass.takes(network.layers, network.init(), how)
    tanh = pycopi.mlp(SIZES, activation="tanh")
    plain = pycopi.Settings().for_layers(Rates(1e-3, 1e-3), 3)
    assert not RowPass.takes(tanh.layers, tanh.init(), plain)
    assert RowPass.takes(network.layers, network.init(), plain)


@pytest.mark.parametrize("learner", [StreamClassifier, StreamRegressor], ids=lambda one: one.__name__)
def test_a_stream_learns_alike_on_every_engine_even_where_they_take_turns(learner):
    rng = np.random.default_rng(0)
    models = [learner((20, 10), decorrelated_layers=None) for _ in range(3)]
    for turn in range(300):
        x, y = rng.normal(size=6), turn % 2
        for place, model in enumerate(models):
            portable = place == 1 or (place == 2 and turn % 50 < 10)
            with pycopi.use_engine("portable" if portable else "native"):
                model.learn_one(x, y)
    for model in models[1:]:
        for own, other in zip(models[0].parameters_, model.parameters_, strict=True):
            for name, array in own.named().items():
                np.testing.assert_allclose(other.named()[name], array, rtol=1e-3, atol=1e-4, err_msg=name)


def arguments(**changed):
    f = np.float32
    given = {
        "weight": np.ones((2, 3), f), "decorrelator": np.eye(3, dtype=f), "bias": np.zeros(2, f),
        "weight_left": np.zeros(2, f), "weight_right": np.zeros(3, f), "weight_scale": np.ones(3, f),
        "decorrelator_left": np.zeros(3, f), "decorrelator_right": np.zeros(3, f),
        "decorrelator_scale": np.ones(3, f),
        "inputs": np.ones(3, f), "decorrelated": np.ones(3, f), "returned": np.ones(3, f),
        "preactivations": np.ones(2, f), "outputs": np.ones(2, f), "slope": 0.1,
    }  # fmt: skip
    return [*{**given, **changed}.values()]


LATE = "expected left, right and scale of late updates of each matrix, without below, or none of them"
WANTED = "expected decorrelated, and returned to learn from, with decorrelator, and without it none"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"decorrelator": None}, WANTED),
        ({"decorrelated": None}, WANTED),
        ({"weight_left": None}, LATE),
        ({"weight_scale": None}, LATE),
        ({"decorrelator_left": None}, LATE),
        ({"decorrelator_right": None}, LATE),
        (
            {"inputs": np.ones(4, np.float32)},
            "inputs has size 4 along axis 0; expected 3 to fit the arguments before it",
        ),
    ],
    ids=["no matrix", "no result", "no left", "no scale", "no matrix's", "half", "short"],
)
def test_refused_arguments(changed, message):
    with pytest.raises(ValueError, match=exactly(message)):
        native._core.row_forward(*arguments(**changed))


def test_learning_refuses_late_updates_of_a_layer_with_another_below():
    given = arguments()[:-2]
    steps = [0.1, 1.0, 1e-3, np.inf, 1e-3, np.inf, 0.0]
    delta, below = np.ones(2, np.float32), np.ones(3, np.float32)
    native._core.row_learn(*given, delta, None, *steps)
    with pytest.raises(ValueError, match=exactly(LATE)):
        native._core.row_learn(*given, delta, below, *steps)
    given[11] = None
    with pytest.raises(ValueError, match=exactly(WANTED)):
        native._core.row_learn(*given, delta, None, *steps)
