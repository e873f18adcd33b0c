"""The command on files whose labels are no class numbers: what it takes them for, and that a model keeps it."""

import json
from pathlib import Path

import numpy as np
import pytest
from command import assert_error, call

import pycopi

NAMES = np.array(["ape", "bee", "cow"])
CLASSES = np.arange(90) % 3
X = np.eye(3)[CLASSES] + 0.1 * np.random.default_rng(0).normal(size=(90, 3))
LABELS = {
    "text": (NAMES[CLASSES], list(NAMES)),
    "from 1": (CLASSES + 1, [1, 2, 3]),
    "gaps": (CLASSES * 10 - 5, [-5, 5, 15]),
    "whole floats": (CLASSES.astype(float), [0, 1, 2]),
    "column": (CLASSES[:, None], [0, 1, 2]),
    "booleans": (CLASSES > 0, [False, True]),
}


def train(folder: Path, y: np.ndarray, *flags: object) -> str:
    np.savez(folder / "own.npz", x=X, y=y, x_test=X, y_test=y)
    return call("train", folder / "own.npz", "--epochs", 10, "--output", folder / "run", *flags)


def evaluate(folder: Path, data: Path) -> float:
    return json.loads(call("evaluate", folder / "run", data, "--json"))["accuracy"]


@pytest.mark.parametrize(("y", "labels"), LABELS.values(), ids=LABELS)
def test_labels_are_classes_and_the_model_keeps_them(tmp_path: Path, y: np.ndarray, labels: list) -> None:
    text = train(tmp_path, y)
    assert f"targets: labels of {len(labels)} classes: {', '.join(map(str, labels))}\n" in text
    assert pycopi.load(tmp_path / "run" / "model.safetensors").details["classes"] == labels
    whole = evaluate(tmp_path, tmp_path / "own.npz")
    assert whole > 0.9
    some = tmp_path / "some.npz"  # of the last class alone, which would be number 0 by itself
    rows = y.ravel() == y.ravel()[2]
    np.savez(some, x=X[rows], y=y[rows], x_test=X[rows][:2], y_test=y[rows][:2])
    assert evaluate(tmp_path, some) > 0.9


def test_real_numbers_are_said_to_be_such(tmp_path: Path) -> None:
    text = train(tmp_path, X @ np.ones((3, 2)))
    assert "targets: real numbers, 2 for each sample\n" in text
    assert pycopi.load(tmp_path / "run" / "model.safetensors").details["classes"] is None
    whole = tmp_path / "whole.npz"  # few whole values, which are no labels for this model
    np.savez(whole, x=X, y=np.zeros((90, 2)), x_test=X, y_test=np.zeros((90, 2)))
    assert evaluate(tmp_path, whole) is None
    assert "targets" not in train(tmp_path, X[:, 0], "--overwrite", "--quiet")
    np.savez(whole, x=X, y=CLASSES * 1.0, x_test=X, y_test=CLASSES * 1.0)
    assert evaluate(tmp_path, whole) is None


def test_labels_that_a_model_has_not_learned(tmp_path: Path) -> None:
    train(tmp_path, NAMES[CLASSES], "--quiet")
    other = tmp_path / "other.npz"
    np.savez(other, x=X, y=np.array(["ape", "dog", "cow"])[CLASSES])
    message = "other has the label 'dog', which the model has not learned; expected one of ape, bee, cow"
    assert_error(message, "evaluate", tmp_path / "run", other, "--split", "train")


def test_a_model_that_does_not_say_what_it_learned_takes_numbers_as_they_are(tmp_path: Path) -> None:
    train(tmp_path, CLASSES, "--quiet")
    path = tmp_path / "run" / "model.safetensors"
    saved = pycopi.load(path)
    (tmp_path / "run").rename(tmp_path / "old")
    (tmp_path / "run").mkdir()
    pycopi.save(path, saved.network, saved.parameters)
    rows = CLASSES > 0
    some = tmp_path / "some.npz"
    np.savez(some, x=X[rows], y=CLASSES[rows], x_test=X[rows], y_test=CLASSES[rows])
    assert evaluate(tmp_path, some) > 0.9
