"""`pycopi export`: a trained model in every format, with the labels and the way of learning that it had."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from command import assert_error, call
from exported import needs_compiler, predict_c

import pycopi

NAMES = np.array(["ape", "bee", "cow"])
CLASSES = np.arange(90) % 3
X = (np.eye(3)[CLASSES] * 40 + np.random.default_rng(0).normal(size=(90, 3))).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    np.savez(tmp_path / "own.npz", x=X, y=NAMES[CLASSES])
    call("train", tmp_path / "own.npz", "--epochs", 5, "--output", tmp_path / "run", "--quiet")
    return tmp_path / "run" / "model.safetensors"


def test_npz_has_labels_and_probabilities(model: Path) -> None:
    file = model.with_suffix(".npz")
    assert call("export", model.parent, "--to", "npz") == f"output: {file}\n"
    with np.load(file) as held:
        assert held["classes"].tolist() == list(NAMES)
        assert held["probabilities"]
        assert held["mean"].shape == (3,)


def test_onnx_has_labels_and_probabilities(model: Path) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    file = model.parent / "small.onnx"
    told = json.loads(call("export", model, "--to", "onnx", "--output", file, "--json"))
    assert told == {"model": str(model), "to": "onnx", "output": str(file)}
    labels, probabilities = runtime.InferenceSession(str(file)).run(None, {"inputs": X})
    assert labels.tolist() == NAMES[CLASSES].tolist()
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-6)


@needs_compiler
def test_c_learns_as_the_model_did_and_predicts(model: Path) -> None:
    file = model.with_suffix(".h")
    data = model.parents[1] / "own.npz"
    text = call("export", model, "--to", "c", "--fixed-point", data)
    lines = [r"(predict|predict_fixed|learn_one): flash \d+ bytes, RAM \d+ bytes\n"] * 3
    assert re.fullmatch("".join(lines) + f"output: {re.escape(str(file))}\n", text), text
    saved = pycopi.load(model)
    expected = saved.network.predict(saved.parameters, X)
    for name, within in (("predict", 1e-5), ("predict_fixed", 1e-3)):
        found = predict_c(model.parent, X, 3, name)
        assert np.abs(found - expected).max() <= within * np.abs(expected).max()
    share = saved.details["settings"]["batch_size"]
    assert f"{np.float32(1 / share)!s}f * copi_bounded(" in file.read_text()


def test_c_of_a_model_that_does_not_say_how_it_learned(tmp_path: Path) -> None:
    network = pycopi.mlp([3, 2])
    pycopi.save(tmp_path / "model.safetensors", network, network.init(0))
    text = call("export", tmp_path / "model.safetensors", "--to", "c", "--prefix", "net", "--json")
    note, told = text.splitlines()
    assert note == "no learn_one: this model does not say how it learned"
    assert json.loads(told)["predict"] == {"flash": 24, "ram": 0}
    assert "void net_predict(" in (tmp_path / "model.h").read_text()


def test_c_of_a_model_that_learned_otherwise_than_c_can(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x=X, y=CLASSES)
    flags = ("--epochs", 2, "--credit", "feedback_alignment", "--output", tmp_path / "run", "--quiet")
    call("train", tmp_path / "own.npz", *flags)
    text = call("export", tmp_path / "run", "--to", "c")
    assert text.startswith("no learn_one: the credit of the settings is FeedbackAlignment")
    assert "predict: flash " in text


def test_errors(model: Path) -> None:
    assert_error("--to is not given; expected one of onnx, npz, c", "export", model)
    assert_error("--to is 'tflite'; expected one of onnx, npz, c", "export", model, "--to", "tflite")
    message = "--fixed-point is for --to c, but --to is npz; leave it out"
    assert_error(message, "export", model, "--to", "npz", "--fixed-point", "digits")
    message = r"--fixed-point digits has shape \(1437, 64\) but the network takes 3 features; .*"
    assert_error(message, "export", model, "--to", "c", "--fixed-point", "digits")
    assert_error("--prefix is '1'; expected a name of C .*", "export", model, "--to", "c", "--prefix", "1")
    missing = model.parent / "none" / "file"
    assert_error(".*none does not exist; create it first", "export", model, "--to", "npz", "--output", missing)
