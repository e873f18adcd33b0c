"""Networks: descriptions, parameters, forward, predict, fold."""

import numpy as np
import pytest
from assertions import assert_close, assert_same, exactly, tolerance
from hypothesis import given
from hypothesis import strategies as st
from networks import move, scrambled
from strategies import DTYPES, SEEDS, sizes

import pycopi


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_seed_gives_the_same_numbers_everywhere(xp, dtype):
    network = pycopi.mlp([5, 4, 3], bias=True)
    like = xp.asarray(np.empty(0, dtype))
    for own, wanted in zip(
        network.init(7, like=like),
        network.init(7, like=np.empty(0, dtype)),
        strict=True,
    ):
        for array, numbers in zip(own.named().values(), wanted.named().values(), strict=True):
            assert_close(array, numbers.astype(np.float64), xp, like, rtol=0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_parameters_begin_at_cache_lines_and_a_fit_keeps_them_there(rng, dtype):
    network = pycopi.mlp([5, 4, 3], bias=True)
    fresh = network.init(0, like=np.empty(0, dtype))
    elsewhere = tuple(
        own.map(lambda array: np.append(array.ravel()[:1], array)[1:].reshape(array.shape)) for own in fresh
    )
    inputs, classes = rng.normal(size=(6, 5)).astype(dtype), np.arange(6) % 3
    trained = pycopi.fit(network, elsewhere, inputs, classes, epochs=1).parameters
    for own in (*fresh, *trained):
        assert all(array.ctypes.data % 64 == 0 for array in own if array is not None and array.ndim == 2)


def test_fresh_parameters_are_xavier_normal_and_the_identity():
    network = pycopi.mlp([300, 200, 10])
    first, second = network.init(0)
    assert first.weight.dtype == np.float32
    assert abs(first.weight.std() - np.sqrt(2 / 500)) < 1e-3
    assert abs(second.weight.std() - np.sqrt(2 / 210)) < 5e-3
    assert_same(first.decorrelator, np.eye(300, dtype=np.float32))
    assert first.bias is None


def test_what_a_method_keeps_changes_no_number_of_the_parameters():
    network = pycopi.mlp([6, 5, 4])
    plain = network.init(3)
    fed = pycopi.start(network, pycopi.Settings(credit="feedback_alignment"), 3)
    for own, other in zip(plain, fed.parameters, strict=True):
        assert_same(own.weight, other.weight)
    assert fed.credit[0].shape == plain[1].weight.shape
    assert np.abs(fed.credit[0] - plain[1].weight).max() > 0.1
    assert np.abs(network.init(4)[0].weight - plain[0].weight).max() > 0.1


def test_forward_is_the_plain_formula(xp):
    network = pycopi.mlp([4, 3, 2], activation="tanh", bias=True)
    parameters = scrambled(network, 1)
    y = np.random.default_rng(2).normal(size=(5, 4))
    like = xp.asarray(y)
    trace = xp.call(network.forward, move(parameters, xp), like)
    for own, x, a, activation in zip(
        parameters, trace.decorrelated, trace.preactivations, (np.tanh, lambda a: a), strict=True
    ):
        assert_close(x, y @ own.decorrelator.T, xp, like, rtol=1e-14)
        assert_close(a, y @ own.decorrelator.T @ own.weight.T + own.bias, xp, like, rtol=1e-14)
        y = activation(y @ own.decorrelator.T @ own.weight.T + own.bias)
    assert_close(trace.outputs, y, xp, like, rtol=1e-14)


@given(
    shape=st.lists(sizes(1, 6), min_size=2, max_size=4), rows=sizes(0, 9), batch=sizes(1, 4), seed=SEEDS,
    dtype=DTYPES, bias=st.booleans(), decorrelated=st.booleans(),
)  # fmt: skip
def test_fold_equals_predict(eager, shape, rows, batch, seed, dtype, bias, decorrelated):
    network = pycopi.mlp(shape, bias=bias, decorrelated=decorrelated)
    parameters = scrambled(network, seed, dtype)
    y = np.random.default_rng(seed).normal(size=(rows, shape[0])).astype(dtype)
    like, moved = eager.asarray(y), move(parameters, eager)
    folded, merged = network.fold(moved)
    wanted = network.trace(parameters, y).outputs.astype(np.float64)
    rtol = tolerance(dtype, 10 * sum(shape))
    assert_close(network.predict(moved, like, batch_size=batch), wanted, eager, like, rtol=rtol)
    assert_close(folded.predict(merged, like), wanted, eager, like, rtol=rtol)
    assert all(own.decorrelator is None for own in merged)
    assert folded == pycopi.mlp(shape, bias=bias, decorrelated=False)


def test_predict_takes_a_memory_map_for_any_library(eager, tmp_path):
    y = np.random.default_rng(0).normal(size=(7, 4))
    np.save(tmp_path / "y.npy", y)
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
    network = pycopi.mlp([4, 3])
    parameters = scrambled(network, 0)
    outputs = network.predict(move(parameters, eager), mapped, batch_size=3)
    assert_close(outputs, network.predict(parameters, y), eager, eager.asarray(y), rtol=1e-14)


def test_networks_are_hashable_descriptions():
    assert hash(pycopi.mlp([3, 2])) == hash(pycopi.mlp([3, 2]))
    assert pycopi.mlp([3, 2]) != pycopi.mlp([3, 2], bias=True)
    network = pycopi.mlp([3, 4, 2], activation="relu")
    assert (network.inputs, network.outputs) == (3, 2)
    assert [type(layer.activation).__name__ for layer in network.layers] == ["ReLU", "Identity"]


NETWORK = pycopi.mlp([3, 4, 2])
GOOD = NETWORK.init(0)
X = np.zeros((5, 3), np.float32)

REFUSED = {
    "sizes": (
        lambda: pycopi.mlp([3]),
        ValueError,
        "sizes is (3,); expected at least two: the inputs and the outputs",
    ),
    "size": (lambda: pycopi.mlp([3, 0]), ValueError, "outputs is 0; expected a whole number of at least 1"),
    "no layers": (
        lambda: pycopi.Network(()),
        ValueError,
        "layers is (); expected a tuple of at least one layer",
    ),
    "neighbours": (
        lambda: pycopi.Network((pycopi.Dense(3, 4), pycopi.Dense(5, 2))),
        ValueError,
        "layer 1 has 4 outputs but layer 2 takes 5 inputs; expected the same number",
    ),
    "features": (
        lambda: NETWORK.forward(GOOD, X[:, :2]),
        ValueError,
        (
            "inputs has shape (5, 2) but the network takes 3 features; expected (any, 3), or a network "
            "made for 2 inputs"
        ),
    ),
    "dtype": (
        lambda: NETWORK.predict(GOOD, X.astype(np.float64)),
        TypeError,
        (
            "inputs has dtype float64 but parameters have float32; expected the same: convert with "
            ".astype('float32')"
        ),
    ),
    "nan": (
        lambda: NETWORK.predict(GOOD, X + np.float32("nan"), batch_size=2),
        ValueError,
        (
            "inputs has nan at row 0 (6 such values in the block read); "
            "expected finite numbers: remove or fill them first"
        ),
    ),
    "batch size": (
        lambda: NETWORK.predict(GOOD, X, batch_size=0),
        ValueError,
        "batch_size is 0; expected a whole number of at least 1",
    ),
    "layers of parameters": (
        lambda: NETWORK.fold(GOOD[:1]),
        ValueError,
        "parameters are of 1 layers but the network has 2; expected a tuple such as network.init() returns",
    ),
    "kind of parameters": (
        lambda: NETWORK.fold((GOOD[0], tuple(GOOD[1]))),
        TypeError,
        "parameters of layer 2 are a tuple; expected DenseParameters",
    ),
    "shape of parameters": (
        lambda: NETWORK.fold((GOOD[0], GOOD[1]._replace(weight=GOOD[1].weight[:1]))),
        ValueError,
        f"weight of layer 2 has shape (1, 4) but the layer is {NETWORK.layers[1]}; expected (2, 4)",
    ),
    "missing parameter": (
        lambda: NETWORK.fold((GOOD[0]._replace(decorrelator=None), GOOD[1])),
        ValueError,
        (
            f"decorrelator of layer 1 is None, unlike the layer's description {NETWORK.layers[0]}; "
            f"use the parameters that network.init() made for it"
        ),
    ),
    "superfluous parameter": (
        lambda: NETWORK.fold((GOOD[0]._replace(bias=np.zeros(4, np.float32)), GOOD[1])),
        ValueError,
        (
            f"bias of layer 1 is an array, unlike the layer's description {NETWORK.layers[0]}; "
            f"use the parameters that network.init() made for it"
        ),
    ),
    "like": (
        lambda: NETWORK.init(0, like=np.arange(3)),
        TypeError,
        "like has dtype int64; expected a real floating dtype such as float32",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_bad_arguments_are_named(case):
    call, kind, message = case
    with pytest.raises(kind, match=exactly(message)):
        call()
