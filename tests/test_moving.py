"""Data in host memory go with parameters of any library; whatever else differs from them is refused."""

import numpy as np
import pytest
from assertions import within
from fitting import CLASSES, NETWORK, START, X, assert_same_run, batches_of, flat, run

import pycopi
from pycopi._moving import take
from pycopi.training.batches import open_validation


def of_torch(array):
    return pytest.importorskip("torch").asarray(np.array(array))


def of_jax(array):
    jax = pytest.importorskip("jax")
    return jax.device_put(
        jax.numpy.asarray(array), jax.devices("cpu")[0]
    )  # host memory, where there is a GPU too


def of_dask(array):
    return pytest.importorskip("dask.array").from_array(array, chunks=(40, *array.shape[1:]))


LIBRARIES = {"torch": of_torch, "jax": of_jax, "dask": of_dask}


@pytest.mark.parametrize("move", LIBRARIES.values(), ids=LIBRARIES)
def test_numpy_parameters_take_host_memory_of_any_library(move):
    wanted = run(validation=(X, CLASSES))
    x, y = move(X), move(CLASSES)
    assert_same_run(run(x, y, validation=(x, y)), wanted)
    assert_same_run(run(x, CLASSES, validation=[(x, CLASSES)]), wanted)
    batches = [[move(a), move(b)] for a, b in batches_of(16)]
    assert_same_run(run(batches, None), run(batches_of(16), None))
    assert pycopi.evaluate(NETWORK, START, x, y) == pycopi.evaluate(NETWORK, START, X, CLASSES)
    outputs = NETWORK.predict(START, x, batch_size=32)
    assert isinstance(outputs, np.ndarray)
    assert np.array_equal(outputs, NETWORK.predict(START, X, batch_size=32))
    correlations = pycopi.analysis.layer_correlations(NETWORK, START, x)
    assert isinstance(correlations[0].before, np.ndarray)
    opened = open_validation(NETWORK, START, (x, y))
    assert all(isinstance(array, np.ndarray) for batch in opened.epoch(0) for array in batch)


def test_a_data_loader_is_a_source_of_batches():
    data = pytest.importorskip("torch.utils.data")
    tensors = data.TensorDataset(of_torch(X), of_torch(CLASSES))
    loader = data.DataLoader(tensors, batch_size=16)
    assert_same_run(run(loader, None, validation=loader), run(batches_of(16), None, validation=batches_of(16)))
    wide = data.DataLoader(data.TensorDataset(of_torch(X).double(), of_torch(CLASSES)), batch_size=16)
    message = (
        "inputs of batch 1 has dtype float64 but parameters have float32; expected the same: convert with "
    )
    with pytest.raises(TypeError, match=within(message + ".to(torch.float32)")):
        run(wide, None)
    narrow = [(a.to(of_torch(X).dtype), b) for a, b in wide]
    assert_same_run(run(narrow, None), run(loader, None))
    with pytest.raises(
        TypeError, match=within("inputs are a TensorDataset without targets; expected arrays, or an")
    ):
        run(tensors, None)


@pytest.mark.parametrize(("theirs", "ours"), [(of_torch, of_jax), (of_jax, of_torch)])
def test_host_memory_goes_between_other_libraries(theirs, ours):
    parameters = NETWORK.init(0, like=ours(X))
    state = run(theirs(X), theirs(CLASSES), parameters, epochs=2)
    for array, wanted in zip(
        flat(state.parameters), flat(run(parameters=parameters, epochs=2).parameters), strict=True
    ):
        assert np.array_equal(np.asarray(array), np.asarray(wanted))
    assert type(NETWORK.predict(parameters, theirs(X))) is type(ours(X))


def test_host_memory_goes_to_another_device_of_its_library():
    torch = pytest.importorskip("torch")
    like = torch.empty(1, device="meta")
    assert take(of_torch(X), slice(0, 4), like).device == like.device
    assert take(X, np.array([3, 1]), like).shape == (2, 6)


def test_what_is_not_in_host_memory_is_refused():
    strict = pytest.importorskip("array_api_strict")
    for call in (
        lambda: run(strict.asarray(X), CLASSES),
        lambda: NETWORK.predict(START, strict.asarray(X)),
        lambda: pycopi.evaluate(NETWORK, START, X, strict.asarray(CLASSES)),
    ):
        with pytest.raises(
            TypeError, match=within("is a array_api_strict array but parameters is a numpy array")
        ):
            call()
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=within("inputs is a torch array but parameters is a numpy array")):
        run(torch.empty((120, 6), device="meta"), CLASSES)
    with pytest.raises(TypeError, match=within("inputs has dtype bfloat16 but parameters have float32")):
        run(of_torch(X).to(torch.bfloat16), CLASSES)


def test_bfloat16_goes_between_libraries_that_have_it():
    """By way of float32, which holds each of its values exactly."""
    theirs, ours = of_torch(X).bfloat16(), of_jax(X).astype("bfloat16")
    parameters = NETWORK.init(0, like=ours)
    moved, wanted = (NETWORK.predict(parameters, inputs) for inputs in (theirs, ours))
    assert moved.dtype == ours.dtype
    assert np.array_equal(np.asarray(moved.astype("float32")), np.asarray(wanted.astype("float32")))


@pytest.mark.parametrize("move", [of_torch, of_jax], ids=["torch", "jax"])
def test_a_single_step_moves_nothing(move):
    with pytest.raises(TypeError, match=within(" array but parameters is a numpy array")):
        pycopi.train_step(NETWORK, START, move(X), CLASSES, pycopi.Settings())
