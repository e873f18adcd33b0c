"""Runs of the command that go on with --resume, and what is refused."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import (
    assert_error,
    assert_same_parameters,
    call,
    read_history,
    save_set,
)

import pycopi


@pytest.mark.parametrize("credit", ["backpropagation", "feedback_alignment"])
def test_resume_is_exact(tmp_path: Path, credit: str) -> None:
    flags = ("train", "digits", "--hidden", 16, "--credit", credit, "--quiet", "--output")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    call(*flags, whole, "--epochs", 4)
    call(*flags, parts, "--epochs", 2)
    call(*flags, parts, "--epochs", 4, "--resume")
    assert_same_parameters(whole / "model.safetensors", parts / "model.safetensors")
    assert read_history(whole) == read_history(parts)
    call("train", "digits", "--resume", "--output", parts)  # a complete run ends at once
    assert read_history(whole) == read_history(parts)


def test_resume_stops_where_patience_has_ended_the_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    noise = {f"x{end}": rng.normal(size=(60, 8)) for end in ("", "_test")}
    noise |= {f"y{end}": rng.normal(size=60) for end in ("", "_test")}
    np.savez(tmp_path / "noise.npz", **noise)
    train = ("train", tmp_path / "noise.npz", "--output", tmp_path)
    text = call(*train, "--epochs", 60, "--patience", 1)
    assert "its loss ended the run (--patience)" in " ".join(text.replace("│", "").split())
    before = read_history(tmp_path)
    assert len(before["history"]) < 60
    assert call(*train, "--resume").partition("┌")[2] == text.partition("┌")[2]
    assert read_history(tmp_path) == before
    (tmp_path / "best.safetensors").unlink()
    call(*train, "--resume", "--quiet")  # as a run of an older version
    assert read_history(tmp_path) == before


def test_patience_keeps_the_best_model_through_a_resumption(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x, t = (rng.normal(size=(60, 8)).astype("f4") for _ in range(2))
    weights = rng.normal(size=8) / 3
    y = x @ weights + rng.normal(size=60)
    path = save_set(tmp_path / "noise.npz", x=x, y=y, x_test=t, y_test=t @ weights)
    flags = ("train", path, "--patience", 3, "--rate", 0.01, "--batch-size", 20)
    call(*flags, "--quiet", "--output", tmp_path / "whole", "--epochs", 30)
    losses = [record["validation_loss"] for record in read_history(tmp_path / "whole")["history"]]
    best = 1 + losses.index(min(losses[1:]))
    assert 2 < best < len(losses) < 30
    for epochs, going_on in ((2, ()), (best + 1, ("--resume",)), (30, ("--resume",))):
        call(*flags, "--quiet", "--output", tmp_path / "parts", "--epochs", epochs, *going_on)
    for name in ("model", "best"):
        assert_same_parameters(*(tmp_path / place / f"{name}.safetensors" for place in ("whole", "parts")))
    found = json.loads(call("evaluate", tmp_path / "parts", path, "--json"))
    assert found["loss"] == pytest.approx(losses[best - 1], rel=1e-6)


def test_resume_refuses_other_settings(run: Path, tmp_path: Path) -> None:
    resume = ("train", "digits", "--resume", "--output", run)
    end = "; leave the flag out, or start anew with --overwrite"
    assert_error(f"--rule is gradient but the run in .* has copi{end}", *resume, "--rule", "gradient")
    assert_error(f"--hidden is none but the run in .* has 16{end}", *resume, "--hidden", "none")
    assert_error(f"--patience is 3 but the run in .* has not set{end}", *resume, "--patience", 3)
    assert_error(f"--bias is on but the run in .* has off{end}", *resume, "--bias")
    assert_error("--epochs is 2 but the run in .* has 3 epochs already; .*", *resume, "--epochs", 2)
    other = ("train", "mnist", "--resume", "--output", run)
    assert_error(".* holds a run on digits; expected digits to resume it with, got mnist", *other)
    assert_error("--resume and --overwrite exclude each other; .*", *resume, "--overwrite")
    nothing = ("train", "digits", "--resume", "--output", tmp_path)
    assert_error(".* holds no run to resume .*; leave --resume out to start one", *nothing)


def test_resume_refuses_other_data_and_other_models(run: Path, tmp_path: Path) -> None:
    path = save_set(tmp_path / "set.npz")
    resume = ("train", path, "--resume", "--output", tmp_path / "run")
    call("train", path, "--epochs", 1, "--output", tmp_path / "run", "--quiet")
    x = np.ones((30, 4))
    save_set(path, x=x, y=x)
    assert_error(".*set.npz has 30 training samples but the run was on 60; .*", *resume)
    saved = pycopi.load(run / "model.safetensors")
    model = tmp_path / "run" / "model.safetensors"
    wrong = {
        ".* a model without the history of a run, .*": {},
        ".* this model was not made by pycopi train, .*": {"history": []},
        r".* the run in this file cannot be read \(its settings .*\); start anew .*": {
            "settings": {"later": 1},
            "history": [],
        },
        r".* the history in this file cannot be read \(expected the fields of EpochRecord .*\); start .*": {
            "settings": {},
            "history": [1],
        },
    }
    for message, details in wrong.items():
        pycopi.save(model, saved.network, saved.parameters, details=details)
        assert_error(message, *resume)
    model.write_bytes((run / "model.safetensors").read_bytes()[:-100])
    assert_error(".* not a whole safetensors file .*", *resume)


@pytest.mark.parametrize("name", ["x", "y", "x_test", "y_test"])
def test_resume_refuses_other_data_of_the_same_shape(name: str, tmp_path: Path) -> None:
    path, folder = save_set(tmp_path / "set.npz"), tmp_path / "run"
    call("train", path, "--epochs", 1, "--output", folder, "--quiet")
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, name: arrays[name] + np.eye(*arrays[name].shape)})
    array = name if "test" in name else f"{name}_train"
    message = (
        f"{path} is not what the run in {folder} was trained on: {array} has other values; "
        f"resume it with the same data, or start anew with --overwrite"
    )
    resume = ("train", path, "--resume", "--epochs", 2, "--output", folder, "--quiet")
    assert_error(re.escape(message), *resume)
    np.savez(path, **arrays)
    call(*resume)
    assert len(read_history(folder)["history"]) == 2


def rewrite_details(folder: Path, **changes: object) -> None:
    """Change the details of the model of a run."""
    network, parameters, details = pycopi.load(folder / "model.safetensors")
    pycopi.save(folder / "model.safetensors", network, parameters, details={**details, **changes})


def test_a_run_of_an_older_version_has_no_fingerprint_and_goes_on(run: Path, tmp_path: Path) -> None:
    old = shutil.copytree(run, tmp_path / "old")
    rewrite_details(old, fingerprint=None)
    resume = ("train", "digits", "--resume", "--quiet", "--output", old)
    call(*resume, "--epochs", 4)
    assert (
        pycopi.load(old / "model.safetensors").details["fingerprint"]["x_train"].startswith("float32 (1437, ")
    )
    assert len(read_history(old)["history"]) == 4


RAW = ("--no-standardize", "--loss", "squared-error", "--quiet")
"""Flags with which nothing is done about values that are far out."""


@pytest.fixture
def spike(tmp_path: Path) -> Path:
    """A data set with one value in the test set at which the loss overflows."""
    rng = np.random.default_rng(0)
    x, y = rng.random((400, 6), "f4"), rng.integers(0, 3, 400)
    test = x[:60].copy()
    test[7, 3] = 1e30
    np.savez(tmp_path / "spike.npz", x=x, y=y, x_test=test, y_test=y[:60])
    return tmp_path / "spike.npz"


@pytest.mark.parametrize("saved", ["now", "by an older version"])
def test_a_run_whose_test_loss_was_infinite_goes_on(saved: str, spike: Path) -> None:
    folder = spike.with_name("run")
    train = ("train", spike, "--patience", 2, *RAW, "--output")
    call(*train, folder, "--epochs", 3)
    losses = [record["validation_loss"] for record in read_history(folder)["history"]]
    assert losses == ["inf"] * 3
    if saved != "now":
        history = pycopi.load(folder / "model.safetensors").details["history"]
        null = {"validation_loss": None, "validation_accuracy": None}  # of a regression: it has no accuracy
        rewrite_details(folder, history=[{**record, **null} for record in history])
    call("train", spike, "--resume", "--epochs", 9, "--quiet", "--output", folder)
    whole = spike.with_name("whole")
    call(*train, whole, "--epochs", 9)
    assert_same_parameters(folder / "model.safetensors", whole / "model.safetensors")
    assert len(read_history(folder)["history"]) == len(read_history(whole)["history"])


def test_evaluate_says_inf_in_json(spike: Path) -> None:
    folder = spike.with_name("run")
    call("train", spike, "--epochs", 1, *RAW, "--output", folder)
    text = call("evaluate", folder, spike, "--json")
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["loss"] == "inf"
    assert call("evaluate", folder, spike).startswith("loss      inf\n")
