"""Model files: the round trip between all backends, and how they are written."""

import os
import subprocess
import sys

import numpy as np
import pytest
from assertions import assert_close, assert_same
from networks import move, scrambled
from stored import NETWORK, in_the_old_form, old_file, rewrite

import pycopi


@pytest.fixture(params=["numpy", "array-api-strict", "torch", "jax"])
def other(request):
    """The other side of each pair of backends."""
    from backends import BACKENDS
    from conftest import _provide

    return _provide(next(b for b in BACKENDS if b.name == request.param))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_round_trip_on_every_pair_of_backends(eager, other, tmp_path, dtype):
    parameters = scrambled(NETWORK, 0, dtype)
    details = {"note": "κ", "history": [{"loss": 0.5}]}
    pycopi.save(tmp_path / "m.safetensors", NETWORK, move(parameters, eager), details=details)
    like = other.asarray(np.zeros(1, dtype))
    saved = pycopi.load(tmp_path / "m.safetensors", like=like)
    assert saved.network == NETWORK
    assert saved.details == details
    for own, wanted in zip(saved.parameters, parameters, strict=True):
        for array, values in zip(own.named().values(), wanted.named().values(), strict=True):
            assert_close(array, values.astype(np.float64), other, like, rtol=0.0)
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_without_like_the_arrays_are_numpy_in_the_dtype_of_the_file(tmp_path):
    folded, parameters = pycopi.mlp([3, 2]).fold(pycopi.mlp([3, 2]).init(0))
    pycopi.save(tmp_path / "m", folded, parameters)
    saved = pycopi.load(tmp_path / "m")
    assert saved.network == folded
    assert saved.details == {}
    assert_same(saved.parameters[0].weight, parameters[0].weight)
    stepped, _ = pycopi.train_step(
        saved.network, saved.parameters, np.ones((1, 3), np.float32), np.array([1]),
        pycopi.Settings(), copy=False,
    )  # fmt: skip
    assert stepped[0].weight is saved.parameters[0].weight  # what was loaded can be trained in place


def test_layouts_are_saved_by_value(tmp_path):
    network = pycopi.mlp([3, 2])
    parameters = network.init(0)
    fortran = (parameters[0]._replace(weight=np.asfortranarray(parameters[0].weight)),)
    pycopi.save(tmp_path / "m", network, fortran)
    assert_same(pycopi.load(tmp_path / "m").parameters[0].weight, parameters[0].weight)


def test_a_file_of_an_earlier_version_without_a_checksum_is_loaded(model):
    rewrite(model, lambda description, header: None)
    assert b"checksum" not in model.read_bytes()
    assert_same(pycopi.load(model).parameters[1].weight, NETWORK.init(0)[1].weight)


def test_other_programs_read_the_arrays(model):
    from safetensors.numpy import load_file

    arrays = load_file(model)
    assert sorted(arrays) == [
        f"layers.{index}.{name}" for index in (0, 1) for name in ("bias", "decorrelator", "weight")
    ]
    assert_same(arrays["layers.1.weight"], NETWORK.init(0)[1].weight)


def test_whoever_reads_while_a_model_is_saved_reads_the_old_one_whole(model):
    before = model.read_bytes()
    with model.open("rb", buffering=0) as reading:
        assert reading.read(100) == before[:100]
        pycopi.save(model, NETWORK, NETWORK.init(1))
        assert before[100:] == reading.read()
    assert model.read_bytes() != before


def test_files_get_the_usual_permissions(model):
    mask = os.umask(0)
    os.umask(mask)
    assert model.stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("library", ["torch", "jax.numpy"])
def test_bfloat16_is_saved_and_comes_back_bit_for_bit(tmp_path, library):
    xp = pytest.importorskip(library)
    like = xp.zeros(1, dtype=xp.bfloat16)
    parameters = move_like(scrambled(NETWORK, 0, np.float32), like)
    pycopi.save(tmp_path / "m", NETWORK, parameters)
    assert tmp_path.joinpath("m").read_bytes().count(b'"BF16"') == sum(len(own.named()) for own in parameters)
    back = pycopi.load(tmp_path / "m", like=like).parameters
    plain = pycopi.load(tmp_path / "m").parameters
    for own, wanted, floats in zip(back, parameters, plain, strict=True):
        for name, array in own.named().items():
            assert array.dtype == like.dtype
            assert bool((array == getattr(wanted, name)).all())
            values = getattr(floats, name)
            assert_same(values, np.asarray(array.float() if library == "torch" else array.astype(np.float32)))
            assert values.dtype == np.float32


def move_like(parameters, like):
    from pycopi._array import from_numpy

    return tuple(own.map(lambda a: from_numpy(a, like, dtype=like.dtype)) for own in parameters)


def test_a_model_that_another_program_has_cast_to_bfloat16_loads(model):
    """As with a file of an earlier version, whose arrays safetensors and PyTorch have rewritten."""
    torch = pytest.importorskip("torch")
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    rewrite(model, lambda description, header: None)
    with safe_open(model, framework="numpy") as file:
        texts = file.metadata()
    arrays = {name: array.to(torch.bfloat16) for name, array in load_file(model).items()}
    save_file(arrays, model, metadata=texts)
    weight = pycopi.load(model).parameters[0].weight
    assert_same(weight, arrays["layers.0.weight"].float().numpy())
    assert (
        pycopi.load(model, like=torch.zeros(1, dtype=torch.float64)).parameters[0].weight.dtype == torch.float64
    )


def test_a_transposed_bfloat16_array_is_saved_by_value(tmp_path):
    torch = pytest.importorskip("torch")
    network = pycopi.mlp([3, 2], decorrelated=False)
    weight = torch.arange(6, dtype=torch.bfloat16).reshape(3, 2).T.requires_grad_()
    pycopi.save(tmp_path / "m", network, (pycopi.DenseParameters(weight),))
    assert_same(pycopi.load(tmp_path / "m").parameters[0].weight, np.float32([[0, 2, 4], [1, 3, 5]]))


def test_a_file_with_bfloat16_needs_no_torch_to_be_read(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "m"
    pycopi.save(path, NETWORK, NETWORK.init(0, like=torch.zeros(1, dtype=torch.bfloat16)))
    code = (
        f"import sys, pycopi; pycopi.load({str(path)!r})\n"
        "print({'torch', 'jax', 'ml_dtypes'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


def test_files_of_earlier_versions_load_and_their_runs_go_on_bit_for_bit(tmp_path):
    network = pycopi.mlp([4, 5, 6, 3], activation="identity", bias=True)
    settings = pycopi.Settings(rule="adam", rate=1e-2, gain=1.0, credit="feedback_alignment")
    generator = np.random.default_rng(0)
    x, y = generator.random((20, 4), np.float32), np.arange(20) % 3
    how = {"settings": settings, "batch_size": 5, "progress": False}
    whole = pycopi.fit(network, pycopi.start(network, settings), x, y, epochs=4, **how)
    half = pycopi.fit(network, pycopi.start(network, settings), x, y, epochs=2, **how)
    old_file(tmp_path / "model.safetensors", network, in_the_old_form(half), half.history)
    saved = pycopi.load(tmp_path / "model.safetensors")
    assert saved.network == network
    assert_same(saved.parameters[0].weight, half.parameters[0].weight)
    with pycopi.Checkpoint(tmp_path) as checkpoint:
        state = checkpoint.load().state
    assert state.step == half.step == 8
    rest = pycopi.fit(network, state, x, y, epochs=4, **how)
    assert set(rest.named()) == set(whole.named())
    for place, array in whole.named().items():
        assert_same(rest.named()[place], array)
