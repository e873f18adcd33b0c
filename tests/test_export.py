"""What is exported to ONNX and to NumPy alone answers as `predict` does; what has no such form is refused."""

import json
import os
import runpy
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from assertions import assert_close, exactly
from backends import NUMPY
from exported import NETWORKS, network, rows
from repository import ROOT

import pycopi
from pycopi.activations import LeakyReLU

EXAMPLE = ROOT / "examples" / "export" / "numpy_alone.py"

LABELS = {
    "text": (["ape", 'b"?*/@', "ü", "", "e\n"], "tensor(string)"),
    "integers": ([-5, 0, 7, 12, 40], "tensor(int64)"),
    "floats": ([0.5, 1.5, 2.5, 3.5, 4.5], "tensor(double)"),
}


def softmax(outputs):
    raised = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def assert_agrees(found, expected):
    assert_close(found, expected, NUMPY, expected, rtol=1e-5, scale=float(np.abs(expected).max()))


def session(path):
    return pytest.importorskip("onnxruntime").InferenceSession(str(path))


@pytest.fixture
def onnx_path(tmp_path):
    pytest.importorskip("onnx")
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_agrees_on_ten_thousand_inputs(name, dtype, onnx_path):
    made, parameters = network(name, np.empty(0, dtype))
    pycopi.export.onnx(made, parameters, onnx_path)
    inputs = rows(10_000, seed=3).astype(dtype)
    run = session(onnx_path)
    assert [one.shape for one in run.get_inputs()] == [["batch", 12]]
    assert [(one.name, one.shape) for one in run.get_outputs()] == [("outputs", ["batch", made.outputs])]
    expected = made.predict(parameters, inputs)
    assert_agrees(run.run(None, {"inputs": inputs})[0], expected)
    assert_agrees(run.run(None, {"inputs": inputs[:1]})[0], expected[:1])


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize(("classes", "kind"), LABELS.values(), ids=LABELS)
def test_onnx_gives_labels_and_says_what_it_is(classes, kind, probabilities, onnx_path):
    onnx = pytest.importorskip("onnx")
    made, parameters = network("tanh")
    pycopi.export.onnx(made, parameters, onnx_path, classes=classes, probabilities=probabilities)
    inputs = rows(100)
    expected = made.predict(parameters, inputs)
    run = session(onnx_path)
    second = "probabilities" if probabilities else "scores"
    assert [(one.name, one.shape, one.type) for one in run.get_outputs()] == [
        ("label", ["batch"], kind),
        (second, ["batch", 5], "tensor(float)"),
    ]
    labels, values = run.run(None, {"inputs": inputs})
    assert labels.tolist() == [classes[number] for number in expected.argmax(axis=1)]
    assert_agrees(values, softmax(expected) if probabilities else expected)
    model = onnx.load(onnx_path)
    assert [one.version for one in model.opset_import] == [17]
    assert (model.producer_name, model.producer_version) == ("pycopi", pycopi.__version__)
    assert json.loads(model.metadata_props[0].value) == classes


@pytest.mark.skipif(not EXAMPLE.is_file(), reason="the examples are not here, only the tests")
@pytest.mark.parametrize("name", NETWORKS)
def test_npz_agrees_on_ten_thousand_inputs_with_numpy_alone(name, tmp_path):
    made, parameters = network(name)
    pycopi.export.npz(made, parameters, tmp_path / "model.npz")
    inputs = rows(10_000, seed=3)
    plain = runpy.run_path(str(EXAMPLE))["predict"](tmp_path / "model.npz", inputs)
    assert_agrees(plain, made.predict(parameters, inputs))


def test_npz_holds_what_it_says_and_no_pickles(tmp_path):
    made, parameters = network("leaky_relu", np.empty(0))
    path = tmp_path / "model.npz"
    pycopi.export.npz(made, parameters, path, classes=["a", "b", "c", "d", "e"], probabilities=True)
    with np.load(path, allow_pickle=False) as held:
        found = {name: held[name] for name in held}
    assert found["weight_1"].dtype == np.float64
    assert found["slope_1"] == 0.1
    assert found["classes"].tolist() == ["a", "b", "c", "d", "e"]
    assert found["probabilities"]
    assert {"slope_2", "bias_1", "mean", "scale_1"}.isdisjoint(found)


@dataclass(frozen=True)
class Bent(LeakyReLU):
    """An activation that computes otherwise than the one that it is made of."""

    def __call__(self, preactivations):
        return 2.0 * super().__call__(preactivations)


class OwnDense(pycopi.Dense):
    """A layer of the user's own."""


FORMATS = (pycopi.export.npz, pycopi.export.c, pycopi.export.onnx)


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
def test_what_has_no_form_is_refused_and_nothing_written(write, tmp_path):
    path = tmp_path / "model"
    known = "expected one of identity, leaky_relu, relu, tanh, sigmoid, affine"
    bent = pycopi.mlp([12, 4, 5], activation=Bent())
    message = f"layer 1 has the activation Bent(slope=0.1), which has no other form; {known}"
    with pytest.raises(TypeError, match=exactly(message)):
        write(bent, bent.init(0), path)
    own = pycopi.Network((OwnDense(12, 5),))
    with pytest.raises(
        TypeError, match="layer 1 is a OwnDense, which has no other form; expected Dense layers"
    ):
        write(own, own.init(0), path)
    made, parameters = network("plain")
    wrong = {"classes": ["a", "b"]}
    message = "classes are ['a', 'b']; expected 5 numbers or texts, one for each output of the network"
    with pytest.raises(ValueError, match=exactly(message)):
        write(made, parameters, path, **wrong)
    with pytest.raises(ValueError, match="probabilities is True without classes"):
        write(made, parameters, path, probabilities=True)
    parameters[0].weight[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"weight of layer 1 .*nan"):
        write(made, parameters, path)
    assert os.listdir(tmp_path) == []


def test_a_missing_package_is_said_to_be_missing(tmp_path, monkeypatch):
    made, parameters = network("plain")
    for name in ("onnx", "skl2onnx"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'.*needs the package onnx, .*: pip install "pycopi\[onnx\]"'):
        pycopi.export.onnx(made, parameters, tmp_path / "model.onnx")
    with pytest.raises(ImportError, match=r'.*need skl2onnx, .*: pip install "pycopi\[onnx,sklearn\]"'):
        pycopi.export.register_converters()


def test_parameters_of_other_libraries_are_exported(tmp_path):
    torch = pytest.importorskip("torch")
    made, parameters = network("relu", np.empty(0))
    moved = tuple(own.map(lambda array: torch.asarray(array, dtype=torch.bfloat16)) for own in parameters)
    pycopi.export.npz(made, moved, tmp_path / "model.npz")
    assert np.load(tmp_path / "model.npz")["weight_1"].dtype == np.float32
