"""Test rows that `pycopi train` keeps of a file without them."""

import json

import numpy as np
import pytest
from assertions import exactly
from command import assert_error, call
from hypothesis import given
from hypothesis import strategies as st

from pycopi.cli.held_out import held_out
from pycopi.data import Dataset


def made(y, columns=3):
    y = np.asarray(y)
    x = np.arange(len(y) * columns, dtype=np.float64).reshape(len(y), columns)
    classes = tuple(range(int(y.max()) + 1)) if y.dtype.kind == "i" else None
    return Dataset("mine", x, y, None, None, classes)


@given(
    st.lists(st.integers(0, 3), min_size=8, max_size=60), st.sampled_from([0.2, 0.5, 0.9]), st.integers(0, 99)
)
def test_every_class_keeps_its_share(y, share, seed):
    whole = made(np.array(y, dtype=np.int64))
    parts = held_out(whole, share, seed)
    assert len(parts.y_test) == int(share * len(y))
    for label in set(y):
        assert abs(np.sum(parts.y_test == label) - share * y.count(label)) < 1
    rows = np.concatenate([parts.x_train, parts.x_test])
    targets = np.concatenate([parts.y_train, parts.y_test])
    order = np.argsort(rows[:, 0])
    assert np.array_equal(rows[order], whole.x_train)
    assert np.array_equal(targets[order], whole.y_train)
    assert np.all(np.diff(parts.x_train[:, 0]) > 0)  # in their order


def test_the_seed_decides():
    whole = made(np.random.default_rng(0).permutation(100).astype(np.float64))
    parts = held_out(whole, 0.2, 1)
    assert np.array_equal(held_out(whole, 0.2, 1).y_test, parts.y_test)
    assert not np.array_equal(held_out(whole, 0.2, 2).y_test, parts.y_test)
    several = whole._replace(y_train=np.zeros((100, 2)))
    assert held_out(several, 0.25, 0).y_test.shape == (25, 2)


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_both_parts_have_samples(share):
    message = f"--test-share is {share:g} of 9 samples; expected one sample or more, and some to learn from"
    with pytest.raises(ValueError, match=exactly(message)):
        held_out(made(np.arange(9.0)), share, 0)


def test_training_evaluation_and_analysis_have_the_same_test_rows(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{row % 3 + rng.normal() / 3},{rng.normal()},{'xyz'[row % 3]}" for row in range(60)]
    path, run = tmp_path / "mine.csv", tmp_path / "run"
    path.write_text("\n".join(["a,b,kind", *lines]))
    train = ("train", path, "--output", run)
    assert "--test-share 0.2 keeps a fifth of the rows" in call(*train, "--epochs", 2).replace("\n", " ")
    text = call(*train, "--test-share", 0.3, "--patience", 9, "--epochs", 4, "--overwrite")
    assert "test accuracy" in text
    stored = json.loads((run / "history.json").read_text())
    for split, samples in (("test", 18), ("train", 42)):
        found = json.loads(call("evaluate", run / "model.safetensors", path, "--json", "--split", split))
        assert found["samples"] == samples
        if split == "test":
            assert found["loss"] == pytest.approx(stored["history"][-1]["validation_loss"], rel=1e-5)
    assert "samples: 42 for training" in call("analyse", run, path, "--output", tmp_path / "analysis")
    call(*train, "--epochs", 5, "--resume", "--quiet")
    other = tmp_path / "other.csv"
    other.write_text("\n".join(["kind,b,a", *(",".join(reversed(line.split(","))) for line in lines[:30])]))
    assert "samples   30" in call("evaluate", run, other, "--split", "train")  # of another file, all rows
    assert_error("--test-share is 0.2, but digits has test samples; leave the flag out", "train", "digits",
                 "--test-share", 0.2)  # fmt: skip
