"""pycopi analyse: what it prints, what it leaves behind, and its errors."""

import json
import sys
from pathlib import Path

import exact
import numpy as np
import pytest
from command import assert_error, call, save_set, start
from pictures import assert_png

import pycopi
from pycopi import analysis
from pycopi.data import load_dataset

PICTURES = {"receptive-fields.png", "correlation.png", "images.png", "compression.png"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run on the digits with feedback alignment, which is only read."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    flags = ("--credit", "feedback-alignment", "--hidden", "16,12", "--epochs", "3", "--gain", "30")
    call("train", "digits", *flags, "--output", folder, "--quiet")
    return folder


@pytest.fixture(scope="module")
def results(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What analyse found of that run, as it prints it."""
    output = tmp_path_factory.mktemp("analysis") / "new"
    found = json.loads(call("analyse", run, "digits", "--layer", 2, "--output", output, "--json", draws=True))
    assert Path(found.pop("output")) == output
    assert {path.name for path in output.iterdir()} == {"analysis.json", *PICTURES} == set(found.pop("files"))
    for name in PICTURES:
        assert_png(output / name)
    assert json.loads((output / "analysis.json").read_text()) == found
    return found


def test_numbers_are_those_of_the_functions(run: Path, results: dict) -> None:
    network, parameters, _ = pycopi.load(run / "model.safetensors")
    data = load_dataset("digits")
    x, y = data.x_train, data.y_train
    decorrelation = exact.decorrelation(rate=1e-2)
    settings = exact.settings(rate=1e-2, gain=30.0, credit="feedback_alignment", decorrelation=decorrelation)
    layers = results["layers"]
    assert [row["layer"] for row in layers] == [1, 2, 3]
    assert (results["samples"], results["test_samples"]) == (1437, 360)
    for row, pair in zip(layers, analysis.layer_correlations(network, parameters, x), strict=True):
        assert row["correlation_before"] == analysis.mean_off_diagonal(pair.before)
        assert row["correlation_after"] == analysis.mean_off_diagonal(pair.after)
    first = x[:800], y[:800]
    with pycopi.Checkpoint(run) as checkpoint:
        state = checkpoint.load().state
    updates = analysis.update_alignment(network, state, *first, settings, batch_size=20)
    assert tuple(row["update_angle"] for row in layers) == updates
    feedback = analysis.credit_angles(network, state, *first, settings, batch_size=20)
    assert tuple(row["feedback_angle"] for row in layers) == pytest.approx(feedback.samples, rel=1e-6)
    curve = analysis.compression_curve(network, parameters, x, data.x_test, data.y_test)
    assert tuple(results["accuracy_by_layers_removed"]) == curve
    assert [row["accuracy"] for row in layers] == list(curve[::-1])


def test_table_has_a_row_a_layer(run: Path) -> None:
    text = call("analyse", run / "model.safetensors", "digits", "--samples", 200)
    for words in ("|r| before", "update", "feedback", "linear from", "samples: 200 for training"):
        assert words in text
    assert [line for line in text.splitlines() if line.startswith("┃")] == [
        "┃ layer ┃ |r| before ┃ |r| after ┃ update ┃ feedback ┃ linear from ┃"
    ]
    rows = [line for line in text.splitlines() if line.startswith("│")]
    assert len(rows) == 3
    assert f"output: {run / 'analysis'}: analysis.json" in text
    assert {path.name for path in (run / "analysis").iterdir()} == {"analysis.json", *PICTURES}
    assert max(map(len, text.splitlines()[:-1])) <= 80


@pytest.mark.parametrize("backend", ["torch", "jax", "array-api-strict"])
def test_backends_agree(run: Path, results: dict, backend: str, tmp_path: Path) -> None:
    pytest.importorskip(backend.replace("-", "_"))
    found = json.loads(call("analyse", run, "digits", "--backend", backend, "--output", tmp_path, "--json"))
    for row, wanted in zip(found["layers"], results["layers"], strict=True):
        assert row == pytest.approx(wanted, rel=1e-2, abs=1e-4)


@pytest.mark.parametrize("backend", ["numpy", "array-api-strict"])
def test_fewer_samples_than_are_averaged_over(backend: str, tmp_path: Path) -> None:
    """A strict library refuses a slice that is longer than its array."""
    pytest.importorskip(backend.replace("-", "_"))
    path = save_set(tmp_path / "set.npz", y=np.arange(60) % 3)
    call("train", path, "--hidden", "4", "--epochs", 2, "--output", tmp_path / "run", "--quiet")
    *_, last = call(
        "analyse", tmp_path / "run", path, "--backend", backend, "--json"
    ).splitlines()  # below notes
    found = json.loads(last)
    assert (found["samples"], found["test_samples"]) == (60, 20)


def test_a_file_of_real_numbers(tmp_path: Path) -> None:
    path = save_set(tmp_path / "real.npz")
    call("train", path, "--hidden", "4", "--epochs", 2, "--output", tmp_path / "run", "--quiet")
    process = start("analyse", tmp_path / "run", path, "--json", cwd=tmp_path)
    output, notes = process.communicate(timeout=120)
    assert process.returncode == 0, notes
    found = json.loads(output)
    assert found["files"] == ["analysis.json", "correlation.png"]
    assert found["accuracy_by_layers_removed"] is None
    assert found["layers"][0]["feedback_angle"] is None
    assert notes.splitlines() == [
        "no accuracies: the targets of real are real numbers, not classes",
        f"no receptive fields and no images: the shape of an image of {path} is not known",
    ]


def test_a_file_without_test_arrays_and_a_plain_network(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((60, 4), np.float32)
    path = save_set(tmp_path / "set.npz", test=False, x=x, y=np.arange(60) % 2)
    network = pycopi.mlp([4, 3, 2], decorrelated=False)
    model = tmp_path / "plain.safetensors"
    pycopi.save(model, network, network.init(0))
    process = start("analyse", model, path, "--json", "--output", "out", cwd=tmp_path)
    output, notes = process.communicate(timeout=120)
    assert process.returncode == 0, notes
    found = json.loads(output)
    for row in found["layers"]:
        assert row["correlation_before"] == row["correlation_after"] > 0
        assert 0 < row["update_angle"] < 180
    assert "no accuracies: set has no test samples (x_test and y_test of an .npz file)" in notes
    assert "this model does not say how it learned" in notes
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["analysis.json", "correlation.png"]


def test_without_matplotlib_the_numbers_are_still_there(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    text = call("analyse", run, "digits", "--output", tmp_path, draws=True)
    assert "no pictures: pictures need Matplotlib" in text
    assert [path.name for path in tmp_path.iterdir()] == ["analysis.json"]


def test_errors_are_one_line(run: Path, tmp_path: Path) -> None:
    wanted = r"--layer is 4 but the model has 3 layers; expected a number from 1 to 3"
    assert_error(wanted, "analyse", run, "digits", "--layer", 4)
    assert_error("--layer is '0'; .*", "analyse", run, "digits", "--layer", 0)
    assert_error("--samples is '0'; .*", "analyse", run, "digits", "--samples", 0)
    file = tmp_path / "file"
    file.write_text("")
    wanted = f"--output {file} is a file; expected a folder"
    assert_error(wanted, "analyse", run, "digits", "--output", file)
    assert_error(".*there is no such file.*", "analyse", tmp_path / "nothing", "digits")
    other = save_set(tmp_path / "other.npz", y=np.arange(60) % 3)
    output = tmp_path / "none"
    assert_error(".*takes 64 features.*", "analyse", run, other, "--output", output)
    assert not output.exists()


def test_help_is_there() -> None:
    text = call("analyse", "--help", env={"COLUMNS": "100"})
    for words in ("--layer", "--samples", "receptive fields", "beside the model"):
        assert words in text
    assert "analyse" in call("--help")
