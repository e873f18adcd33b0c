"""Learning curves: that they are drawn whole, for every kind of history, and written whole or not at all."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from pictures import assert_png, read_texts

import pycopi
from pycopi.plotting import learning_curve
from pycopi.plotting.style import TEST, TRAINING

FIRST = pycopi.EpochRecord(
    epoch=1,
    loss=0.5,
    accuracy=0.1,
    validation_loss=0.6,
    validation_accuracy=0.2,
    correlation=(0.2, 0.3),
    weight_rate=0.0,
    decorrelation_rate=1e-3,
    steps=72,
    seconds=0.1,
)


def make_history(epochs: int, **fields: object) -> list[pycopi.EpochRecord]:
    """Return records of a run that gets better; fields stand in for those of every record."""
    return [
        FIRST._replace(
            epoch=epoch,
            loss=0.5 * math.exp(1 - epoch),
            accuracy=1 - 0.9 / epoch,
            validation_accuracy=1 - 0.8 / epoch,
            weight_rate=0.0 if epoch == 1 else 1e-3,
        )._replace(**fields)
        for epoch in range(1, epochs + 1)
    ]


def test_assert_png_fails_on_half_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    learning_curve([FIRST], path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(AssertionError, match="cut off"):
        assert_png(path)


@pytest.mark.parametrize("epochs", [1, 2, 40])
def test_png(tmp_path: Path, epochs: int) -> None:
    path = tmp_path / "curve.png"
    path.write_text("an older file")
    learning_curve(make_history(epochs), path)
    assert_png(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["curve.png"]


def test_says_what_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "curve.svg"
    learning_curve(make_history(20), path)
    texts, drawing = read_texts(path), path.read_text()
    for text in ("accuracy (% of samples)", "loss (mean per sample)", "correlation left", "epoch"):
        assert text in texts
    for text in ("training: 95.5 %", "test: 96.0 %", "layer 1: 0.200", "layer 2: 0.300"):
        assert text in texts
    assert "decorrelation only" in texts
    assert TRAINING.lower() in drawing
    assert TEST.lower() in drawing


def test_regression_without_validation(tmp_path: Path) -> None:
    path = tmp_path / "curve.svg"
    fields = {"accuracy": None, "validation_accuracy": None, "validation_loss": None}
    learning_curve(make_history(3, weight_rate=1e-3, **fields), path)
    texts = read_texts(path)
    assert "loss (mean per sample)" in texts
    assert "training: " in texts
    for text in ("accuracy", "test", "decorrelation only"):
        assert text not in texts


@pytest.mark.parametrize("correlation", [(0.0,) * 2, (0.1,) * 5, (0.1,) * 24])
def test_any_number_of_layers(tmp_path: Path, correlation: tuple[float, ...]) -> None:
    path = tmp_path / "curve.svg"
    learning_curve(make_history(2, correlation=correlation), path)
    assert read_texts(path).count("layer ") == len(correlation)


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    learning_curve(make_history(2, validation_loss=math.inf, loss=math.nan), path)
    assert_png(path)


def test_empty_history(tmp_path: Path) -> None:
    message = r"^history is empty; expected the records of at least one epoch$"
    with pytest.raises(ValueError, match=message):
        learning_curve([], tmp_path / "curve.png")


def test_unknown_format_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "curve.nothing"
    path.write_text("kept")
    with pytest.raises(ValueError, match="nothing"):
        learning_curve([FIRST], path)
    assert path.read_text() == "kept"
    assert len(list(tmp_path.iterdir())) == 1


def test_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="create it first"):
        learning_curve([FIRST], tmp_path / "nowhere" / "curve.png")


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "pycopi\[cli\]"'):
        learning_curve([FIRST], tmp_path / "curve.png")


def test_global_state_is_left_alone(tmp_path: Path) -> None:
    code = (
        "import sys, pycopi, pycopi.plotting as p\n"
        "assert 'matplotlib' not in sys.modules\n"
        "record = pycopi.EpochRecord(1, 0.5, 0.9, 0.6, 0.8, (0.1,), 1e-3, 1e-3, 72, 0.1)\n"
        "p.learning_curve([record], 'curve.png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)
    assert_png(tmp_path / "curve.png")
