"""The C header answers and learns as Python does, without a warning, and clean under sanitizers."""

import re
import subprocess

import numpy as np
import pytest
from assertions import assert_close, exactly
from backends import NUMPY
from exported import (
    COMPILER,
    FLAGS,
    NETWORKS,
    SANITIZED,
    fields,
    needs_compiler,
    network,
    predict_c,
    rows,
    run_c,
)

import pycopi
from pycopi.export import Footprint

pytestmark = needs_compiler

FIXED = 1e-3  # of the largest output: the error of 16 bits that docs/export.md names

LEARNING = {
    "copi": ("leaky_relu", pycopi.Settings(gain=10.0), pycopi.Rates(1e-3, 1e-3)),
    "bounded": ("relu", pycopi.Settings(gain=50.0, step_bound=0.5), None),
    "classes": ("tanh", pycopi.Settings(gain=20.0, loss="cross_entropy"), pycopi.Rates(1e-2, 1e-2, 0.1)),
    "squared classes": ("sigmoid", pycopi.Settings(gain=20.0), None),
    "gradient": ("plain", pycopi.Settings(rule="gradient", rate=1e-2, gain=1.0), None),
    "one layer": ("identity", pycopi.Settings(gain=10.0), None),
    "units": ("affine", pycopi.Settings(gain=10.0), None),
    "units inside": ("affine inside", pycopi.Settings(gain=5.0, step_bound=0.5), None),
    "scaled": (
        "one output",
        pycopi.Settings(rule=pycopi.COPI(variance_scaled=True, epsilon=0.1), rate=1e-4, gain=10.0, step_bound=0.5),
        None,
    ),
    "local": ("leaky_relu", pycopi.Settings(gain=10.0, decorrelation=pycopi.Decorrelation(rule="local")), None),
    "whitening": (
        "relu",
        pycopi.Settings(
            gain=10.0,
            decorrelation=(
                pycopi.Decorrelation(whitening=0.3, step_bound=0.1, rate=1e-2),
                pycopi.Decorrelation(rule="local", whitening=0.5),
            ),
        ),
        pycopi.Rates(1e-3, (1e-2, 1e-3, None)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_predict_agrees_on_ten_thousand_inputs(name, tmp_path):
    made, parameters = network(name)
    pycopi.export.c(made, parameters, tmp_path / "model.h")
    inputs = rows(10_000, seed=3)
    expected = made.predict(parameters, inputs)
    found = predict_c(tmp_path, inputs, made.outputs)
    assert_close(found, expected, NUMPY, expected, rtol=1e-5, scale=float(np.abs(expected).max()))


@pytest.mark.parametrize("name", NETWORKS)
def test_fixed_point_is_within_the_bound_of_the_docs(name, tmp_path):
    made, parameters = network(name)
    pycopi.export.c(made, parameters, tmp_path / "model.h", calibration=rows(500))
    inputs = rows(10_000, seed=3)
    expected = made.predict(parameters, inputs)
    found = predict_c(tmp_path, inputs, made.outputs, "predict_fixed", flags=SANITIZED)
    scale = float(np.abs(expected).max())
    print(name, np.abs(found-expected).max()/scale)
    assert_close(found, expected, NUMPY, expected, rtol=FIXED, scale=scale)


@pytest.mark.parametrize("case", LEARNING)
def test_learn_one_agrees_after_a_thousand_samples(case, tmp_path):
    name, settings, rates = LEARNING[case]
    made, parameters = network(name)
    classes = range(made.outputs) if "classes" in case else None
    sizes = pycopi.export.c(
        made, parameters, tmp_path / "model.h", classes=classes, settings=settings, rates=rates
    )
    inputs = rows(1000, seed=4)
    targets = np.arange(1000) % 5 if classes else rows(1000, seed=5)[:, : made.outputs]
    learned = parameters
    for x, t in zip(inputs, targets, strict=True):
        learned, _ = pycopi.train_step(made, learned, x[None, :], np.asarray([t]), settings, rates)
    memory = learn_c(tmp_path, inputs, targets)
    assert len(memory) == sizes["learn_one"].ram
    found = fields(tmp_path / "model.h", memory)
    for index, (own, before) in enumerate(zip(learned, parameters, strict=True), 1):
        for part, expected in own.named().items():
            if part in ("mean", "spread"):
                continue
            actual = found[f"{part}_{index}"].reshape(expected.shape)
            scale = float(np.abs(expected).max())
            print(case, part, index, np.abs(actual-expected).max()/scale, np.abs(expected-before._asdict()[part]).max()/scale)
            assert_close(actual, expected, NUMPY, expected, rtol=1e-5, scale=scale)


def learn_c(folder, inputs, targets, *, flags=SANITIZED):
    """Return the bytes of the struct after learning from rows, each with real targets or a class number."""
    kind, sent = ("int", np.int32) if targets.ndim == 1 else ("float", np.float32)
    one, given = ("t[1]", "t[0]") if targets.ndim == 1 else ("t[copi_outputs]", "t")
    body = f"static copi_learner self;\n{kind} {one};\n(void)y;\ncopi_learner_start(&self);\n"
    body += "while (fread(x, sizeof x, 1, stdin) == 1 && fread(t, sizeof t, 1, stdin) == 1)\n"
    body += f"if (!copi_learn_one(&self, x, {given}))\nreturn 1;\nfwrite(&self, sizeof self, 1, stdout);"
    pairs = zip(inputs, targets, strict=True)
    return run_c(folder, body, b"".join(x.tobytes() + t.astype(sent).tobytes() for x, t in pairs), flags=flags)
