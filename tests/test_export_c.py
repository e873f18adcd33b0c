"""The C header answers and learns as Python does, without a warning, and clean under sanitizers."""

import re

import exact
import numpy as np
import pytest
from assertions import assert_close
from backends import NUMPY
from exported import (
    FLAGS,
    NETWORKS,
    fields,
    needs_compiler,
    network,
    predict_c,
    rows,
    run_c,
    sanitized,
)

import pycopi
from pycopi.export import Footprint

pytestmark = needs_compiler

FIXED = 1e-3  # of the largest output: the error of 16 bits that docs/export.md names

LEARNING = {
    "copi": ("leaky_relu", exact.settings(gain=10.0), pycopi.Rates(1e-3, 1e-3)),
    "bounded": ("relu", exact.settings(gain=50.0, step_bound=0.5), None),
    "classes": ("tanh", exact.settings(gain=20.0, loss="cross_entropy"), pycopi.Rates(1e-2, 1e-2, 0.1)),
    "squared classes": ("sigmoid", exact.settings(gain=20.0), None),
    "gradient": ("plain", exact.settings(rule="gradient", rate=1e-2, gain=1.0), None),
    "one layer": ("identity", exact.settings(gain=10.0), None),
    "units": ("affine", exact.settings(gain=10.0), None),
    "mixed": ("mixed", exact.settings(gain=2.0, step_bound=0.3), None),
    "units inside": ("affine inside", exact.settings(gain=5.0, step_bound=0.5), None),
    "scaled": (
        "one output",
        exact.settings(
            rule=pycopi.COPI(variance_scaled=True, epsilon=0.1), rate=1e-4, gain=10.0, step_bound=0.5
        ),
        None,
    ),
    "local": ("leaky_relu", exact.settings(gain=10.0, decorrelation=exact.decorrelation(rule="local")), None),
    "whitening": (
        "relu",
        exact.settings(
            gain=10.0,
            decorrelation=(
                exact.decorrelation(whitening=0.3, step_bound=0.1, rate=1e-2),
                exact.decorrelation(rule="local", whitening=0.5),
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
    found = predict_c(tmp_path, inputs, made.outputs, "predict_fixed", flags=sanitized())
    scale = float(np.abs(expected).max())
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
    learned, _ = pycopi.train_steps(made, parameters, inputs[:, None], targets[:, None], settings, rates)
    memory = learn_c(tmp_path, inputs, targets)
    assert len(memory) == sizes["learn_one"].ram
    found = fields(tmp_path / "model.h", memory)
    assert_learned(found, learned)


def assert_learned(found, parameters):
    """Raise unless the fields of the struct are the parameters that Python has learned."""
    for index, own in enumerate(parameters, 1):
        for part, expected in own._replace(mean=None, spread=None).named().items():
            actual = found[f"{part}_{index}"].reshape(expected.shape)
            scale = float(np.abs(expected).max())
            assert_close(actual, expected, NUMPY, expected, rtol=1e-5, scale=scale)


def learn_c(folder, inputs, targets):
    """Return the bytes of the struct after learning from rows, each with real targets or a class number."""
    kind, sent = ("int", np.int32) if targets.ndim == 1 else ("float", np.float32)
    one, given = ("t[1]", "t[0]") if targets.ndim == 1 else ("t[copi_outputs]", "t")
    body = f"static copi_learner self;\n{kind} {one};\n(void)y;\ncopi_learner_start(&self);\n"
    body += "while (fread(x, sizeof x, 1, stdin) == 1 && fread(t, sizeof t, 1, stdin) == 1)\n"
    body += f"if (!copi_learn_one(&self, x, {given}))\nreturn 1;\nfwrite(&self, sizeof self, 1, stdout);"
    pairs = zip(inputs, targets, strict=True)
    sent_bytes = b"".join(x.tobytes() + t.astype(sent).tobytes() for x, t in pairs)
    return run_c(folder, body, sent_bytes, flags=sanitized())


def test_predict_and_learn_one_of_digits(tmp_path):
    """A larger network, from fresh weights on, whose matrices R begin as the identity and take no flash."""
    digits = pycopi.data.load_dataset("digits")
    made = pycopi.mlp([64, 50, 10])
    parameters, settings = made.init(0), exact.settings(gain=100.0)
    sizes = pycopi.export.c(
        made, parameters, tmp_path / "model.h", classes=range(10), settings=settings, calibration=digits.x_test
    )
    weights, matrices = 64 * 50 + 50 * 10, 64**2 + 50**2
    passing = 64 + 50 + 50 + 10 + 4 * 64
    assert sizes == {
        "predict": Footprint(flash=4 * weights, ram=4 * 50),
        "predict_fixed": Footprint(flash=2 * weights, ram=2 * (64 + 50)),
        "learn_one": Footprint(flash=4 * weights, ram=4 * (weights + matrices + passing)),
    }
    x, y = digits.x_train[:1000], digits.y_train[:1000]
    learned, _ = pycopi.train_steps(made, parameters, x[:, None], y[:, None], settings)
    memory = learn_c(tmp_path, x, y)
    assert_learned(fields(tmp_path / "model.h", memory), learned)
    assert pycopi.evaluate(made, learned, digits.x_test, digits.y_test).accuracy > 0.8


ODD = """\
static copi_learner self, before;
(void)y;
copi_learner_start(&self);
if (fread(x, sizeof x, 1, stdin) != 1)
    return 1;
copi_decorrelate_one(&self, x);
fwrite(&self, sizeof self, 1, stdout);
before = self;
if (copi_learn_one(&self, x, 5) || copi_learn_one(&self, x, -1))
    return 2;
x[3] = NAN;
if (copi_learn_one(&self, x, 0) || memcmp(self.weight_1, before.weight_1, sizeof self.weight_1))
    return 3;
for (int i = 0; i < copi_outputs; i++)
    y[i] = i == 2 ? 1.0f : -1.0f;
fwrite(copi_labels[copi_class(y)], 7, 1, stdout);
copi_softmax(y);
fwrite(y, sizeof y, 1, stdout);
"""


def test_labels_probabilities_and_what_is_not_learned_from(tmp_path):
    made, parameters = network("leaky_relu")
    settings = exact.settings(gain=10.0, loss="cross_entropy")
    labels = ["", "x", 'a"?\u00fc@', "*/", "\n"]
    header = tmp_path / "model.h"
    pycopi.export.c(made, parameters, header, classes=labels, probabilities=True, settings=settings)
    x = rows(1)
    printed = run_c(tmp_path, ODD, x.tobytes(), flags=(*sanitized(), "-include", "string.h"))
    probabilities, label, memory = printed[-20:], printed[-27:-20], printed[:-27]
    assert label.rstrip(b"\0").decode() == labels[2]
    raised = np.exp(np.array([-1, -1, 1, -1, -1.0]))
    assert np.frombuffer(probabilities, np.float32) == pytest.approx(raised / raised.sum(), rel=1e-6)
    rates = pycopi.Rates(None, settings.rates.decorrelation)
    learned, _ = pycopi.train_step(made, parameters, x, np.array([0]), settings, rates)
    assert_learned(fields(header, memory), learned)


def test_two_networks_in_one_program(tmp_path):
    made, parameters = network("affine")
    sizes = pycopi.export.c(made, parameters, tmp_path / "model.h")
    pycopi.export.c(made, parameters, tmp_path / "other.h", prefix="other", settings=exact.settings())
    text = (tmp_path / "other.h").read_text()
    assert "copi_" not in text.replace("pycopi", "")
    body = "float z[other_outputs];\n(void)x;\nother_predict(x, z);\ncopi_predict(x, y);\n"
    body += "for (int i = 0; i < other_outputs; i++)\nif (z[i] != y[i])\nreturn 1;"
    run_c(
        tmp_path,
        body.replace("(void)x", "x[0] = 0.0f"),
        flags=(*FLAGS, "-include", "other.h", "-Wno-maybe-uninitialized"),
    )
    predict = sizes["predict"]
    assert f"flash {predict.flash} bytes, RAM {predict.ram} bytes on the stack" in text


def test_predict_takes_what_the_header_says(tmp_path):
    made, parameters = network("tanh")
    sizes = pycopi.export.c(made, parameters, tmp_path / "model.h", calibration=rows(50))
    text = (tmp_path / "model.h").read_text()
    widths = {"float": 4, "int16_t": 2, "int64_t": 8}
    tables = re.findall(r"static const (\w+) copi_(\w+)\[(\d+)\]", text)
    counted = {name: widths[kind] * int(count) for kind, name, count in tables}
    units = counted["mean"] + counted["spread"]
    fixed = sum(size for name, size in counted.items() if name.startswith("fixed"))
    assert sizes["predict"].flash == sum(counted.values()) - fixed
    assert sizes["predict_fixed"].flash == fixed + units


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"settings": exact.settings(credit="feedback_alignment")},
            "the credit of the settings is .*; expected Backpro",
        ),
        ({"settings": exact.settings(rule="adam")}, "the optimizer of the settings is Adam.*; expected Plain"),
        (
            {"settings": exact.settings(loss="cross_entropy")},
            "the loss 'cross_entropy' takes preactivations .*",
        ),
        (
            {"settings": exact.settings(), "rates": pycopi.Rates(None, 1e-3)},
            "rates.weights is None; expected .*",
        ),
        ({"prefix": "2x"}, "prefix is '2x'; expected a name of C .*"),
        ({"calibration": np.ones((3, 4))}, "calibration .*12.*"),
        ({"calibration": np.ones((0, 12))}, "calibration .*"),
        ({"calibration": np.full((1, 12), np.nan)}, "calibration .*nan.*"),
    ],
    ids=["credit", "optimizer", "loss", "rates", "prefix", "features", "no rows", "nan"],
)
def test_what_c_cannot_do_is_refused(given, message, tmp_path):
    made, parameters = network("sigmoid")
    with pytest.raises((ValueError, TypeError), match=message):
        pycopi.export.c(made, parameters, tmp_path / "model.h", **given)
    assert not (tmp_path / "model.h").exists()


def test_numbers_beyond_32_bits_are_refused(tmp_path):
    made, parameters = network("plain", np.empty(0))
    parameters[1].weight[0, 0] = 1e39
    with pytest.raises(ValueError, match=r"^weight_2 has 1e\+39, which is beyond 32-bit floats in C; "):
        pycopi.export.c(made, parameters, tmp_path / "model.h")
