"""Every way in which a model file can be wrong: noticed, and named."""

import os

import pytest
from assertions import assert_same, within
from hypothesis import given
from hypothesis import strategies as st
from stored import NETWORK, rewrite

import pycopi


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
