"""``pycopi predict``: labels and numbers for new rows, whatever else their file holds."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from command import assert_error, call

import pycopi

GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(60, 3)).round(3)
LABELS = np.where(X[:, 0] > 0, "high, or so", "low")


def write(path: Path, names: list[str], columns: list) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([names, *zip(*columns, strict=True)])
    return path


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on a table of classes."""
    folder = tmp_path_factory.mktemp("predict")
    data = write(folder / "own.csv", ["a", "b", "c", "height"], [*X.T, LABELS])
    call("train", data, "--epochs", 40, "--quiet", "--output", folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on arrays with two real targets."""
    folder = tmp_path_factory.mktemp("predict")
    np.savez(folder / "own.npz", x=X, y=X[:, :2] * 3.0)
    call("train", folder / "own.npz", "--epochs", 5, "--quiet", "--output", folder / "run")
    return folder / "run"


def test_columns_are_found_by_name_and_others_are_passed_over(table: Path, tmp_path: Path) -> None:
    rows = write(tmp_path / "new.csv", ["name", "c", "b", "a"], [["x"] * 60, *X.T[::-1]])
    found = read(call("predict", table, rows))
    assert found[0] == ["height"]
    assert np.mean([label for (label,) in found[1:]] == LABELS) > 0.9
    target = tmp_path / "out.csv"
    assert call("predict", table, rows, "--output", target) == ""
    assert read(target.read_text()) == found


def test_probabilities_are_those_of_the_network(table: Path, tmp_path: Path) -> None:
    rows = write(tmp_path / "new.csv", ["a", "b", "c"], [*X.T])
    names, *found = read(call("predict", table, rows, "--probabilities"))
    assert names == ["height", "probability of high, or so", "probability of low"]
    saved = pycopi.load(table / "model.safetensors")
    logits = saved.network.predict(saved.parameters, X.astype(np.float32)).astype(float)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose([[float(one) for one in row[1:]] for row in found], shares, rtol=1e-5)


def test_numbers_of_arrays(numbers: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "new.npz", x=X)
    names, *found = read(call("predict", numbers, tmp_path / "new.npz"))
    saved = pycopi.load(numbers / "model.safetensors")
    wanted = saved.network.predict(saved.parameters, X.astype(np.float32))
    assert names == ["prediction 1", "prediction 2"]
    assert np.array_equal(np.array(found, np.float32), wanted)  # no digit is lost on the way


def test_bad_rows(table: Path, numbers: Path, tmp_path: Path) -> None:
    short = write(tmp_path / "short.csv", ["a", "b"], [[1.0], [2.0]])
    expected = "line 1: expected one column of each name that the model has learned, got a, b"
    assert_error(f"{short}: {expected}; name one column 'c'", "predict", table, short)
    write(tmp_path / "short.csv", ["a", "b", "c"], [[1.0], [2.0], [3.0]])  # the advice, followed
    assert len(read(call("predict", table, short))) == 2
    text = write(tmp_path / "text.csv", ["a", "b", "c"], [[1.0], ["two"], [3.0]])
    assert_error(".*line 2, column 'b': expected a finite number, got 'two'; .*", "predict", table, text)
    empty = write(tmp_path / "empty.csv", ["a", "b", "c"], [[], [], []])
    assert_error(
        ".*expected a line of values for each sample after line 1, got none; .*", "predict", table, empty
    )
    assert_error(".*there is no such file; expected a CSV.*", "predict", table, tmp_path / "no.csv")
    assert_error(".*there is no such file; expected an .npz.*", "predict", table, tmp_path / "no.npz")
    assert_error(".*neither a .csv nor an .npz file; .*", "predict", table, tmp_path / "rows.txt")
    assert_error(".*has learned from arrays without names; .*", "predict", numbers, text)
    np.savez(tmp_path / "none.npz", rows=X)
    assert_error(".*expected an array x, got rows; save them by .*", "predict", numbers, tmp_path / "none.npz")
    np.savez(tmp_path / "wide.npz", x=X[:, :2])
    assert_error(".*the network takes 3 features.*", "predict", numbers, tmp_path / "wide.npz")
    (tmp_path / "text.npz").write_text("nothing")
    assert_error(".*expected an .npz file.*", "predict", numbers, tmp_path / "text.npz")


def test_probabilities_of_numbers_are_refused(numbers: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "new.npz", x=X)
    message = "--probabilities is for models of classes with the loss cross_entropy; .*"
    assert_error(message, "predict", numbers, tmp_path / "new.npz", "--probabilities")
