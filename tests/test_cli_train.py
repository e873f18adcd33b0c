"""The commands train and evaluate: what they print and what they leave behind."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import exact
import numpy as np
import pytest
from backends import BACKENDS, Backend
from command import FILES, SMALL, assert_error, call, read_history, save_set
from pictures import assert_png

import pycopi
import pycopi.cli
from pycopi.cli.plan import new_plan


def test_train_leaves_model_history_and_picture(run: Path) -> None:
    assert {path.name for path in run.iterdir()} == FILES
    assert_png(run / "learning-curve.png")
    content = json.loads((run / "history.json").read_text())
    assert set(content) == {"pycopi", "data", "settings", "history", "test"}
    assert content["pycopi"] == pycopi.__version__
    assert content["data"] == "digits"
    assert content["settings"]["hidden"] == [16]
    assert [record["epoch"] for record in content["history"]] == [1, 2, 3]
    assert content["history"][0]["weight_rate"] == 0
    assert content["test"]["accuracy"] == content["history"][-1]["validation_accuracy"] > 0.8


def test_train_is_what_the_library_does(run: Path) -> None:
    data = pycopi.data.load_dataset("digits")
    network = pycopi.mlp([64, 16, 10])
    decorrelation = exact.decorrelation(rate=1e-2)
    state = pycopi.fit(
        network,
        network.init(0),
        data.x_train,
        data.y_train,
        epochs=3,
        batch_size=20,
        settings=exact.settings(rate=1e-2, gain=100.0, decorrelation=decorrelation),
    )
    saved = pycopi.load(run / "model.safetensors").parameters
    for own, other in zip(state.parameters, saved, strict=True):
        assert np.array_equal(own.weight, other.weight)
        assert np.array_equal(own.decorrelator, other.decorrelator)


def test_train_prints_a_line_an_epoch_and_a_table(tmp_path: Path) -> None:
    text = call("train", "digits", *SMALL, "--output", tmp_path / "run")
    lines = text.splitlines()
    assert re.fullmatch(
        r"epoch 1/3  decorrelating  loss 0\.\d{4}  test loss 0\.\d{4}  \d+\.\d\d s",
        lines[0],
    )
    assert re.fullmatch(
        r"epoch 3/3  loss 0\.\d{4} \d+\.\d%  test loss 0\.\d{4} \d+\.\d%  \d+\.\d\d s", lines[2]
    )
    for words in ("test accuracy", "test loss", "training time", "5,536", "correlation left"):
        assert words in text
    assert "nothing chosen by it" in " ".join(text.replace("│", "").split())
    assert "\x1b" not in text


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    assert call("train", "digits", *SMALL, "--output", tmp_path / "run", "--quiet") == ""


def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call("train", save_set(tmp_path / "mine.npz"), "--epochs", 1, "--quiet")
    assert {path.name for path in (tmp_path / "runs" / "mine").iterdir()} == FILES


def test_every_flag_reaches_the_run(tmp_path: Path) -> None:
    flags = {
        "--hidden": "8x2,4",
        "--activation": "tanh",
        "--credit": "feedback-alignment",
        "--rule": "gradient",
        "--loss": "cross-entropy",
        "--rate": 0.02,
        "--gain": 2,
        "--batch-size": 32,
        "--decorrelation-rate": 0.003,
        "--decorrelation-rule": "local",
        "--whitening": 0.25,
        "--epsilon": 0.003,
        "--freeze-decorrelation-after": 3,
        "--decorrelation-fraction": 0.75,
        "--decorrelation-every": 2,
        "--decorrelation-bound": 0.5,
        "--step-bound": 100,
        "--epochs": 4,
        "--decorrelation-epochs": 0,
        "--warm-up": 2,
        "--rate-decay": 0.5,
        "--patience": 9,
        "--seed": 7,
        "--dtype": "float64",
        "--device": "cpu",
    }
    words = [word for pair in flags.items() for word in pair]
    switches = ("--bias", "--variance-scaled", "--no-download", "--quiet")
    call("train", "digits", *words, *switches, "--output", tmp_path / "run")
    content = json.loads((tmp_path / "run" / "history.json").read_text())
    stored = content["settings"]
    for flag, value in flags.items():
        name = flag[2:].replace("-", "_")
        if isinstance(value, str) and name != "hidden":
            value = value.replace("-", "_")
        assert stored[name] == ([8, 8, 4] if name == "hidden" else value), name
    assert stored["bias"] is True
    assert stored["variance_scaled"] is True
    rates = [(r["weight_rate"], r["decorrelation_rate"]) for r in content["history"]]
    assert rates == [(0.01, 0.003), (0.02, 0.003), (0.01, 0.003), (0.005, 0.0)]
    saved = pycopi.load(tmp_path / "run" / "model.safetensors")
    assert saved.parameters[0].weight.dtype == np.float64
    assert saved.network.layers[0].activation == pycopi.activations.Tanh()


def test_the_preset_that_does_less(tmp_path: Path) -> None:
    call("train", "digits", "--preset", "fast", "--epochs", 6, "--quiet", "--output", tmp_path / "run")
    content = json.loads((tmp_path / "run" / "history.json").read_text())
    stored = content["settings"]
    assert (stored["preset"], stored["decorrelation_every"], stored["decorrelation_rate"]) == ("fast", 5, 0.05)
    assert stored["freeze_decorrelation_after"] is None
    mnist = new_plan("mnist", {"preset": "fast"})
    assert (mnist.freeze_decorrelation_after, mnist.decorrelation_epochs, mnist.rate_decay) == (
        (2, None),
        0,
        0.75,
    )
    assert content["test"]["accuracy"] > 0.95
    more = ("--epochs", 7, "--quiet")
    call("train", "digits", "--resume", *more, "--output", tmp_path / "run")
    other = ("--decorrelation-fraction", "1,0.2", "--quiet", "--resume", "--output", tmp_path / "run")
    message = (
        f"--decorrelation-fraction is 1.0,0.2 but the run in {tmp_path / 'run'} has 1.0; "
        f"leave the flag out, or start anew with --overwrite"
    )
    assert_error(message, "train", "digits", *other)


def test_the_preset_in_few_directions(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train = ("train", "digits", "--preset", "subspace", "--output", folder)
    call(*train, "--epochs", 6, "--hidden", 100, "--batch-size", 32, "--quiet")
    digits = pycopi.data.load_dataset("digits")
    network, settings, how = pycopi.subspace_recipe([64, 100, 10], epochs=6, batch_size=32)
    state = pycopi.fit(network, pycopi.start(network, settings), digits.x_train, digits.y_train, **how)
    saved = pycopi.load(folder / "model.safetensors")
    assert saved.network == network
    assert np.array_equal(saved.parameters[0].weight, state.parameters[0].weight)
    stored = json.loads((folder / "history.json").read_text())["settings"]
    assert (stored["rule"], stored["rate"], stored["gain"]) == ("gradient", 0.3, 1.0)
    assert_error("--gain has no part in --preset subspace; leave one of both out", *train, "--gain", 2)
    assert_error("--epsilon has no part in --preset subspace; leave one of both out", *train, "--epsilon", 1)
    resume = ("train", "digits", "--resume", "--output", folder)
    message = f"--epochs is 9 but the run in {folder} has 6; leave the flag out, or start anew with --overwrite"
    assert_error(message, *resume, "--epochs", 9)
    assert "test accuracy" in call(*resume)  # a complete run ends at once


def test_without_decorrelation_and_hidden_layers(tmp_path: Path) -> None:
    flags = ("--hidden", "none", "--decorrelation-rate", 0, "--gain", 10, "--epochs", 2, "--quiet")
    call("train", "digits", *flags, "--output", tmp_path / "run")
    saved = pycopi.load(tmp_path / "run" / "model.safetensors")
    assert len(saved.network.layers) == 1
    assert saved.parameters[0].decorrelator is None
    assert saved.details["history"][0]["weight_rate"] > 0  # nothing to decorrelate alone


@pytest.mark.parametrize("columns", [0, 1, 3])
def test_regression_says_nothing_of_accuracy(tmp_path: Path, columns: int) -> None:
    x = np.random.default_rng(1).normal(size=(60, 4))
    y = x @ np.ones((4, columns)) if columns else x[:, 0]
    path = save_set(tmp_path / "line.npz", x=x, y=y)
    text = call("train", path, "--epochs", 3, "--output", tmp_path / "run")
    text += call("evaluate", tmp_path / "run", path)
    assert "test loss" in text
    assert "accuracy" not in text
    content = json.loads((tmp_path / "run" / "history.json").read_text())
    assert content["test"]["accuracy"] is None
    assert pycopi.load(tmp_path / "run" / "model.safetensors").network.outputs == max(1, columns)


def test_file_without_test_arrays(tmp_path: Path) -> None:
    path = save_set(tmp_path / "two.npz", y=np.arange(60) % 3, test=False)
    text = call("train", path, "--epochs", 2, "--output", tmp_path / "run")
    assert "training accuracy" in text
    assert "none; --test-share 0.2 keeps" in text
    for words in ("test accuracy", "test loss"):
        assert words not in text
    content = json.loads((tmp_path / "run" / "history.json").read_text())
    assert content["test"] == {"loss": None, "accuracy": None}
    assert "samples   60" in call("evaluate", tmp_path / "run", path, "--split", "train")
    no_test = r"two has no test samples .*; take all its rows with --split train"
    assert_error(no_test, "evaluate", tmp_path / "run", path)
    no_loss = r"--patience watches the test loss, but .*two.npz has no test samples; .*"
    assert_error(no_loss, "train", path, "--patience", 2, "--output", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_evaluate(run: Path) -> None:
    saved = pycopi.load(run / "model.safetensors")
    wanted = saved.details["history"][-1]
    text = call("evaluate", run, "digits")
    loss, accuracy = wanted["validation_loss"], wanted["validation_accuracy"]
    assert text == f"loss      {loss:.4f}\naccuracy  {accuracy:.4f}\nsamples   360\n"
    model = run / "model.safetensors"
    found = json.loads(call("evaluate", model, "digits", "--json"))
    assert found == {
        "model": str(model),
        "data": "digits",
        "split": "test",
        "loss": loss,
        "accuracy": accuracy,
        "samples": 360,
    }
    found = json.loads(call("evaluate", run, "digits", "--json", "--split", "train"))
    assert found["samples"] == 1437
    other = json.loads(call("evaluate", run, "digits", "--json", "--loss", "cross-entropy"))
    assert other["loss"] != loss


@pytest.mark.parametrize(
    "backend",
    [b for b in BACKENDS if b.name in ("array-api-strict", "torch", "jax", "cupy")],
    ids=str,
)
def test_other_array_libraries(backend: Backend, run: Path, tmp_path: Path) -> None:
    backend.require()
    where = ["--backend", backend.name]
    if backend.device:
        where += ["--device", backend.device]
    call("train", "digits", *SMALL, *where, "--output", tmp_path / "run", "--quiet")
    mine, other = (read_history(folder)["history"] for folder in (tmp_path / "run", run))
    assert mine[-1]["loss"] == pytest.approx(other[-1]["loss"], rel=1e-4)
    found = json.loads(call("evaluate", run, "digits", "--json", *where))
    assert found["loss"] == pytest.approx(other[-1]["validation_loss"], rel=1e-5)
    resume = ("train", "digits", "--resume", "--output", tmp_path / "run", "--quiet")
    call(*resume, "--backend", "numpy", "--epochs", 4, *(["--device", "cpu"] if backend.device else []))
    assert len(read_history(tmp_path / "run")["history"]) == 4


def test_presets_of_digits_reach_98_percent(tmp_path: Path) -> None:
    call("train", "digits", "--quiet", "--output", tmp_path)
    assert read_history(tmp_path)["test"]["accuracy"] >= 0.98


VARIANTS = [
    ("--variance-scaled",),
    ("--whitening", "0.5"),
    ("--whitening", "1"),
    ("--decorrelation-rate", "0"),
    ("--decorrelation-rate", "0", "--variance-scaled"),
]


@pytest.mark.parametrize("flags", VARIANTS, ids=" ".join)
def test_presets_of_variants(flags: Sequence[str], tmp_path: Path) -> None:
    call("train", "digits", *flags, "--epochs", 10, "--quiet", "--output", tmp_path)
    assert read_history(tmp_path)["test"]["accuracy"] >= 0.95


def test_a_test_loss_that_overflows_is_inf(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    y = np.arange(30) % 3
    np.savez(tmp_path / "set.npz", x=x, y=y, x_test=x * np.float32(1e25), y_test=y)
    raw = ("--no-standardize", "--loss", "squared-error", "--quiet")
    call("train", tmp_path / "set.npz", "--epochs", 2, *raw, "--output", tmp_path / "run")
    assert read_history(tmp_path / "run")["test"]["loss"] == "inf"


def test_a_run_prints_about_ten_lines_or_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = save_set(tmp_path / "two.npz", y=np.arange(60) % 3)
    flags = ("train", path, "--epochs", 25, "--output", "run")
    text = call(*flags)
    shown = [int(epoch) for epoch in re.findall(r"^epoch +(\d+)/25 ", text, re.M)]
    assert shown == [1, 3, 6, 9, 12, 15, 18, 21, 24, 25]
    assert re.search(r"picture +│ run/learning-curve.png ", text)
    every = call(*flags, "--overwrite", "--verbose")
    assert re.findall(r"^epoch +(\d+)/25 ", every, re.M) == [str(epoch) for epoch in range(1, 26)]
