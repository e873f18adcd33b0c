"""Numbers that float32 cannot tell apart are trained on in float64, without a flag."""

import json

import numpy as np
import pytest
from command import assert_error, call

import pycopi
from pycopi.data import load_dataset

RNG = np.random.default_rng(0)
N = 400
MINUTE = 1.7e12 + RNG.uniform(0, 60_000, N)  # times of a minute, in milliseconds
LATE = (MINUTE > 1.7e12 + 25_000).astype(np.int64)
NOISE = RNG.normal(size=(N, 2))
FILES = {
    "times": (np.c_[MINUTE, NOISE], LATE),
    "whole times": (np.c_[MINUTE, NOISE].astype(np.int64), LATE),
    "tiny": (1e-150 * np.c_[MINUTE - 1.7e12, NOISE], LATE),
    "huge": (1e150 * np.c_[MINUTE - 1.7e12, NOISE], LATE),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_whose_numbers_need_float64_gets_it(tmp_path, case):
    x, y = FILES[case]
    np.savez(tmp_path / "own.npz", x=x, y=y)
    call("train", tmp_path / "own.npz", "--epochs", 30, "--output", tmp_path / "run", "--quiet")
    saved = pycopi.load(tmp_path / "run" / "model.safetensors")
    assert saved.parameters[0].weight.dtype == np.float64
    found = json.loads(call("evaluate", tmp_path / "run", tmp_path / "own.npz", "--split", "train", "--json"))
    assert found["accuracy"] > 0.85


def test_targets_that_need_float64_get_it(tmp_path):
    np.savez(tmp_path / "own.npz", x=NOISE, y=1e9 + NOISE[:, 0])
    call("train", tmp_path / "own.npz", "--epochs", 1, "--output", tmp_path / "run", "--quiet")
    history = pycopi.load(tmp_path / "run" / "model.safetensors")
    assert history.parameters[0].weight.dtype == np.float64


def test_float32_that_loses_the_data_is_refused(tmp_path):
    np.savez(tmp_path / "own.npz", x=FILES["times"][0], y=LATE)
    message = (
        "--dtype is float32, in which the numbers of column 1 of x hardly differ from each other or overflow; "
        "expected float64, which is chosen without the flag"
    )
    assert_error(message, "train", tmp_path / "own.npz", "--dtype", "float32", "--output", tmp_path / "run")
    call("train", tmp_path / "own.npz", "--epochs", 1, "--output", tmp_path / "run", "--quiet")


def test_other_files_stay_in_float32(tmp_path):
    x = np.c_[NOISE, 1000.0 + NOISE, np.full(N, 1e12)]
    np.savez(tmp_path / "own.npz", x=x, y=LATE)
    call("train", tmp_path / "own.npz", "--epochs", 1, "--output", tmp_path / "run", "--quiet")
    assert pycopi.load(tmp_path / "run" / "model.safetensors").parameters[0].weight.dtype == np.float32


@pytest.mark.parametrize(("dtype", "found"), [("i2", "f4"), ("u2", "f4"), ("i4", "f8"), ("u8", "f8")])
def test_wide_integers_of_a_file_lose_nothing(tmp_path, dtype, found):
    largest = np.iinfo(dtype).max if dtype != "u8" else 2**53
    np.savez(tmp_path / "own.npz", x=np.array([[largest], [largest - 1]], dtype), y=[0, 1])
    x = load_dataset(str(tmp_path / "own.npz")).x_train
    assert x.dtype == found
    assert x[0, 0] - x[1, 0] == 1.0
