"""Model files: the round trip between all backends, and every way in which a file can be wrong."""

import dataclasses
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from assertions import assert_close, assert_same, exactly, within
from hypothesis import given
from hypothesis import strategies as st
from test_network import move, scrambled

import pycopi
from pycopi._tensors import to_tensor, write_tensors
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


def assert_noticed_or_harmless(path, content, saved):
    """Raise unless a file with this content is refused by its name, or gives what was saved."""
    path.write_bytes(content)
    try:
        found = pycopi.load(path)
    except ValueError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017  (a good outcome, not the only one)
        return
    assert (found.network, found.details) == (saved.network, saved.details)
    for own, wanted in zip(found.parameters, saved.parameters, strict=True):
        for array, values in zip(own, wanted, strict=True):
            assert (array is None) == (values is None)
            if values is not None:
                assert_same(array, values)


@pytest.mark.parametrize("bits", ["float32", "bfloat16"])
def test_a_flipped_bit_in_any_byte_is_noticed_or_harmless(tmp_path, rng, bits):
    path = tmp_path / "m"
    parameters = NETWORK.init(0)
    if bits == "bfloat16":
        torch = pytest.importorskip("torch")
        parameters = NETWORK.init(0, like=torch.zeros(1, dtype=torch.bfloat16))
    pycopi.save(path, NETWORK, parameters, details={"a": 1, "κ": [0.5, None]})
    saved, content = pycopi.load(path), path.read_bytes()
    for place, bit in enumerate(rng.integers(0, 8, len(content))):
        changed = bytearray(content)
        changed[place] ^= 1 << int(bit)
        assert_noticed_or_harmless(path, changed, saved)


@given(flips=st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 255)), min_size=1, max_size=4))
def test_random_damage_is_noticed_or_harmless(tmp_path_factory, flips):
    path = tmp_path_factory.mktemp("flip") / "m"
    pycopi.save(path, NETWORK, NETWORK.init(0), details={"a": 1})
    saved, content = pycopi.load(path), bytearray(path.read_bytes())
    for place, value in flips:
        content[place % len(content)] ^= value
    assert_noticed_or_harmless(path, content, saved)


def test_assert_noticed_or_harmless_fails_on_other_contents(model):
    saved = pycopi.load(model)
    pycopi.save(model, NETWORK, NETWORK.init(1))
    content = model.read_bytes()
    with pytest.raises(AssertionError):
        assert_noticed_or_harmless(model, content, saved)
    with pytest.raises(AssertionError):
        assert_noticed_or_harmless(model, content, saved._replace(details={"a": 1}))


def test_a_flipped_bit_of_a_weight_is_called_damage(model):
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    message = (
        r"this file is damaged, or another program changed it: its checksum is [0-9a-f]{32}, but what it holds "
        r"has [0-9a-f]{32}; take an undamaged copy, or save it anew with pycopi\.save"
    )
    with pytest.raises(ValueError, match=f"^{within(f'{model}: ')}{message}$"):
        pycopi.load(model)


UNSEALED = {
    "in the metadata": lambda d, h: h["__metadata__"].pop("checksum"),
    "in the description": lambda d, h: d.pop("checksum"),
}


@pytest.mark.parametrize("change", UNSEALED.values(), ids=UNSEALED)
def test_a_checksum_cannot_get_lost(model, change):
    rewrite(model, change, keep=True)
    with pytest.raises(ValueError, match="this file is damaged, or another program changed it"):
        pycopi.load(model)


def test_two_arrays_of_one_shape_that_changed_places_are_damage(tmp_path):
    network = pycopi.mlp([3, 3])
    path = tmp_path / "m"
    pycopi.save(path, network, network.init(0))

    def swap(description, header):
        names = "layers.0.weight", "layers.0.decorrelator"
        header[names[0]], header[names[1]] = header[names[1]], header[names[0]]

    rewrite(path, swap, keep=True)
    with pytest.raises(ValueError, match="this file is damaged, or another program changed it"):
        pycopi.load(path)


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


def rewrite(path, change, *, keep=False):
    """Write a model file anew with a changed description, and without its checksum unless that is kept."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    description = json.loads(header["__metadata__"]["pycopi"])
    if not keep:
        del header["__metadata__"]["checksum"], description["checksum"]
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
    def interrupted(path, tensors, texts):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("pycopi.storage.write_tensors", interrupted)
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


class Ruled(pycopi.Dense):
    """A layer of a user's own, with another rule."""

    def learn(self, parameters, signals, settings, rates, copy):
        return parameters


class OwnNetwork(pycopi.Network):
    pass


class OwnParameters(pycopi.DenseParameters):
    pass


class Cube(Sigmoid):
    pass


def comes_back(name, own, kind):
    return (
        f"the type of {name} is {own}, but a model file would give it back as a {kind}; save a {kind} with "
        "the same fields, and make your own type of it again after pycopi.load"
    )


PLAIN = pycopi.mlp([3, 2])
OWN_TYPES = {
    "network": (OwnNetwork(PLAIN.layers), None, comes_back("the network", "OwnNetwork", "Network")),
    "parameters": (
        PLAIN,
        (OwnParameters(*PLAIN.init(0)[0]),),
        comes_back("the parameters of layer 1", "OwnParameters", "DenseParameters"),
    ),
}


@pytest.mark.parametrize(
    "network",
    [
        pycopi.Network((pycopi.Dense(3, 3), Ruled(3, 2, "identity"))),
        pycopi.mlp([3, 2], output_activation=Cube()),
    ],
    ids=["layer", "activation"],
)
def test_layers_and_activations_of_other_types_come_back_with_the_network_that_was_saved(tmp_path, network):
    parameters = network.init(0)
    pycopi.save(tmp_path / "m", network, parameters)
    saved = pycopi.load(tmp_path / "m", network=network)
    assert saved.network is network
    assert_same(saved.parameters[-1].weight, parameters[-1].weight)
    message = (
        f"{tmp_path / 'm'}: this file holds {network.layers[-1]!r}, of a type that pycopi does not know; "
        "give the network that was saved: pycopi.load(path, network=network)"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.load(tmp_path / "m")
    with pytest.raises(ValueError, match=within("this file is of another network: ")):
        pycopi.load(tmp_path / "m", network=PLAIN)


def old_file(path, network, parameters, history=None):
    """Write a file as earlier versions did: what optimizer and credit keep is among the parameters."""
    details = {} if history is None else {"history": [record.as_json() for record in history], "selected": None}
    text = json.dumps(
        {
            "format": 1,
            "version": "0.1.0",
            "network": [
                {
                    "kind": "dense", "inputs": layer.inputs, "outputs": layer.outputs, "bias": layer.bias,
                    "decorrelated": layer.decorrelated, "standardized": layer.standardized,
                    "activation": {"name": "identity"},
                }
                for layer in network.layers
            ],
            "details": details,
        }
    )  # fmt: skip
    tensors = {
        f"layers.{index}.{name}": to_tensor(name, array)
        for index, own in enumerate(parameters)
        for name, array in own.items()
    }
    write_tensors(path, tensors, {"pycopi": text})


def in_the_old_form(state):
    """Return the parameters of each layer by name, with the moments and the feedback among them."""
    found = []
    for index, (own, memory) in enumerate(zip(state.parameters, state.optimizer, strict=True)):
        feedback = state.credit[index - 1] if index else np.ones_like(own.weight)  # which nothing used
        moments = {"moments": memory["weight"]["moments"], "gathered": memory["weight"]["corrections"]}
        parts = {**moments, "bias_moments": memory["bias"]["moments"], "feedback": feedback}
        found.append({**own.named(), **parts})
    return found


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


@pytest.mark.parametrize(("network", "parameters", "message"), OWN_TYPES.values(), ids=OWN_TYPES)
def test_what_would_come_back_as_another_type_is_refused(model, network, parameters, message):
    before = model.read_bytes()
    with pytest.raises(TypeError, match=exactly(message)):
        pycopi.save(model, network, parameters or network.init(0))
    assert model.read_bytes() == before


def fields_of(thing):
    return {field.name: getattr(thing, field.name) for field in dataclasses.fields(pycopi.Dense)}


def test_the_advice_for_own_types_works(tmp_path):
    network = OwnNetwork((Ruled(3, 3, Cube()), Ruled(3, 2)))
    parameters = tuple(OwnParameters(*own) for own in network.init(0))
    plain = (pycopi.Dense(**{**fields_of(layer), "activation": "sigmoid"}) for layer in network.layers)
    pycopi.save(
        tmp_path / "m", pycopi.Network(tuple(plain)), tuple(pycopi.DenseParameters(*own) for own in parameters)
    )
    saved = pycopi.load(tmp_path / "m")
    lower, upper = saved.network.layers
    own = OwnNetwork(
        (
            Ruled(**{**fields_of(lower), "activation": Cube()}),
            Ruled(**{**fields_of(upper), "activation": LeakyReLU()}),
        )
    )
    assert own == network
    x = np.ones((2, 3), np.float32)
    assert_same(own.predict(saved.parameters, x), network.predict(parameters, x))
