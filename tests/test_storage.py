"""Model files: the round trip between all backends, and every way in which a file can be wrong."""

import json
import os
import struct

import numpy as np
import pytest
from assertions import assert_close, assert_same, within
from hypothesis import given
from hypothesis import strategies as st
from test_network import move, scrambled

import pycopi
from pycopi.activations import LeakyReLU, Sigmoid

NETWORK = pycopi.mlp([4, 5, 3], activation=LeakyReLU(0.25), output_activation="sigmoid", bias=True)


@pytest.fixture(params=["numpy", "array-api-strict", "torch", "jax"])
def other(request):
    """The other side of each pair of backends."""
    from backends import BACKENDS
    from conftest import _provide

    return _provide(next(b for b in BACKENDS if b.library == request.param))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_round_trip_on_every_pair_of_backends(eager, other, tmp_path, dtype):
    parameters = scrambled(NETWORK, 0, dtype, feedback=True, moments=True)
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


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.safetensors"
    pycopi.save(path, NETWORK, NETWORK.init(0))
    return path


def test_a_truncated_file_is_refused_at_every_length(model):
    whole = model.read_bytes()
    for length in [*range(0, 64), *range(64, len(whole), 37), len(whole) - 1]:
        model.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"m\.safetensors: not a whole safetensors file"):
            pycopi.load(model)


@given(place=st.integers(0, 10**9), value=st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_harmless(tmp_path_factory, place, value):
    path = tmp_path_factory.mktemp("flip") / "m"
    pycopi.save(path, NETWORK, NETWORK.init(0), details={"a": 1})
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= value
    path.write_bytes(content)
    try:
        saved = pycopi.load(path)
    except ValueError as error:
        assert str(path) in str(error)  # noqa: PT017  (a good outcome, not the only one)
    else:
        saved.network.check_parameters(saved.parameters)


def rewrite(path, change):
    """Write a model file anew with a changed description."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    description = json.loads(header["__metadata__"]["pycopi"])
    change(description, header)
    if "pycopi" in header["__metadata__"]:
        header["__metadata__"]["pycopi"] = json.dumps(description)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


DAMAGED = {
    "newer": (
        lambda d, h: d.update(format=99, version="9.0"),
        "written by pycopi 9.0 in file format 99, but this is",
    ),
    "another kind": (
        lambda d, h: h["__metadata__"].pop("pycopi"),
        "a safetensors file, but not one that pycopi wrote",
    ),
    "no format": (lambda d, h: d.pop("format"), "the description in this file is damaged"),
    "no layers": (lambda d, h: d.pop("network"), "the model in this file is damaged ('network')"),
    "another layer": (
        lambda d, h: d["network"][0].update(kind="convolution"),
        "the model in this file is damaged (there is no layer of kind 'convolution')",
    ),
    "activation": (lambda d, h: d["network"][0]["activation"].update(name="swish"), "damaged ('swish')"),
    "field": (lambda d, h: d["network"][0].update(surprise=1), "unexpected keyword argument 'surprise'"),
    "size": (lambda d, h: d["network"][0].update(inputs=5), "weight of layer 1 has shape (5, 4)"),
    "missing tensor": (lambda d, h: h.update({"x": h.pop("layers.1.weight")}), "missing 1 required"),
    "details": (lambda d, h: d.update(details=3), "damaged"),
}


@pytest.mark.parametrize("case", DAMAGED.values(), ids=DAMAGED)
def test_wrong_files_say_what_is_wrong(model, case):
    change, message = case
    rewrite(model, change)
    with pytest.raises(ValueError, match=f"^{within(f'{model}: ')}.*{within(message)}"):
        pycopi.load(model)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent: there is no such file; expected a model"):
        pycopi.load(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere does not exist; create it first"):
        pycopi.save(tmp_path / "nowhere" / "m", NETWORK, NETWORK.init(0))


def test_a_failed_save_keeps_the_old_file(model):
    before = model.read_bytes()
    with pytest.raises(TypeError, match="not JSON serializable"):
        pycopi.save(model, NETWORK, NETWORK.init(1), details={"what": object()})
    with pytest.raises(ValueError, match="Out of range float values"):
        pycopi.save(model, NETWORK, NETWORK.init(1), details={"what": float("nan")})
    assert model.read_bytes() == before
    assert os.listdir(model.parent) == [model.name]


def test_an_interrupted_write_keeps_the_old_file(model, monkeypatch):
    import safetensors.numpy

    def interrupted(tensors, path, metadata):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(safetensors.numpy, "save_file", interrupted)
    before = model.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        pycopi.save(model, NETWORK, NETWORK.init(1))
    assert model.read_bytes() == before
    assert os.listdir(model.parent) == [model.name]


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


def test_an_activation_without_a_name_cannot_be_saved(tmp_path):
    class Cube(Sigmoid):
        pass

    network = pycopi.mlp([3, 2], output_activation=Cube())
    with pytest.raises(ValueError, match="has no name to save it by; expected one of identity, leaky_relu"):
        pycopi.save(tmp_path / "m", network, network.init(0))
