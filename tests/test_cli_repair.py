"""The command and `fit` on a best model that is damaged, and on labels that nothing can learn."""

from pathlib import Path

import numpy as np
import pytest
from command import call, read_history

import pycopi
from pycopi.training.checkpoint import BEST

CLASSES = np.arange(90) % 3
X = np.eye(3)[CLASSES] + np.random.default_rng(0).normal(size=(90, 3))
NOISE = {"x": X, "y": CLASSES, "x_test": -X, "y_test": CLASSES}


def damage(folder: Path) -> bytes:
    """Cut the best model of a run short, and return what is left of it."""
    (folder / BEST).write_bytes((folder / BEST).read_bytes()[:-7])
    return (folder / BEST).read_bytes()


def test_a_run_goes_on_without_a_best_model_that_is_damaged(tmp_path: Path) -> None:
    np.savez(tmp_path / "noise.npz", **NOISE)
    train = ("train", tmp_path / "noise.npz", "--output", tmp_path / "run", "--quiet")
    call(*train, "--epochs", 4, "--patience", 50)
    left = damage(tmp_path / "run")
    said = call(*train, "--epochs", 6, "--resume")
    aside = tmp_path / "run" / "best-damaged.safetensors"
    assert said.startswith(f"{tmp_path / 'run' / BEST}: not a whole safetensors file")
    assert said.endswith(f"; the run goes on without it, and it is kept as {aside}\n")
    assert said.count("\n") == 1
    assert aside.read_bytes() == left
    assert len(read_history(tmp_path / "run")["history"]) == 6
    assert pycopi.load(tmp_path / "run" / BEST).details["history"]


def test_fit_goes_on_without_a_best_model_that_is_damaged(tmp_path: Path) -> None:
    network = pycopi.mlp([3, 4, 3])
    x = X.astype("f4")

    def train(epochs: int) -> pycopi.State:
        stop = pycopi.early_stopping(patience=50)
        how = {"validation": (-x, CLASSES), "callbacks": [stop], "checkpoint": tmp_path}
        return pycopi.fit(network, network.init(0), x, CLASSES, epochs=epochs, progress=False, **how)

    train(3)
    left = damage(tmp_path)
    with pytest.warns(
        RuntimeWarning, match=r"not a whole safetensors file .* kept as .*best-damaged.safetensors"
    ):
        assert len(train(5).history) == 5
    assert (tmp_path / "best-damaged.safetensors").read_bytes() == left


def test_labels_of_test_samples_alone_are_named(tmp_path: Path) -> None:
    names = np.array(["ape", "bee", "cow"])[CLASSES]
    np.savez(tmp_path / "own.npz", x=X[CLASSES < 2], y=names[CLASSES < 2], x_test=X, y_test=names)
    text = call("train", tmp_path / "own.npz", "--epochs", 2, "--output", tmp_path / "run")
    kinds = "targets: labels of 3 classes: ape, bee, cow"
    assert f"{kinds}; of test samples alone, so not learned: cow\n" in text
