"""Runs on disk: records as JSON, checkpoints, their lock, and what data a run is on."""

import errno
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from assertions import exactly

import pycopi
from pycopi._lock import locked
from pycopi.training.fingerprint import check_fingerprint, fingerprint

NETWORK = pycopi.mlp([4, 3, 2])
RECORD = pycopi.EpochRecord(1, 0.1, 0.5, math.inf, 0.25, (0.1, 1 / 3), 1e-3, 1e-3, 72, 0.7)


def make_state(seed=0, epochs=1):
    """Return parameters with a history of so many epochs."""
    return pycopi.State(
        parameters=NETWORK.init(seed),
        history=tuple(
            RECORD._replace(epoch=epoch, seconds=float(epoch + seed)) for epoch in range(1, epochs + 1)
        ),
    )


def assert_same_state(one, other):
    """Raise unless two states have the same bits; NaN equals NaN."""
    assert repr(one.history) == repr(other.history)
    for own, same in zip(one.parameters, other.parameters, strict=True):
        for name, array in own.named().items():
            assert np.array_equal(array, same.named()[name]), name


def strictly(text):
    """Return what a parser of JSON without Python's extensions reads."""

    def refuse(name):
        msg = f"{name} is no JSON"
        raise AssertionError(msg)

    return json.loads(text, parse_constant=refuse)


def test_assertions_fail_when_they_should():
    with pytest.raises(AssertionError):
        assert_same_state(make_state(0), make_state(1)._replace(history=make_state(0).history))
    with pytest.raises(AssertionError):
        assert_same_state(make_state(), make_state(epochs=2))
    with pytest.raises(AssertionError, match="Infinity is no JSON"):
        strictly("Infinity")


@pytest.mark.parametrize("value", [0.1, 1 / 3, 5e-324, math.inf, -math.inf, math.nan])
def test_a_record_survives_json_bit_for_bit(value):
    record = RECORD._replace(loss=value, validation_loss=value, correlation=(value, 0.5), accuracy=None)
    text = json.dumps(record.as_json(), allow_nan=False)
    found = pycopi.EpochRecord.from_json(strictly(text))
    assert repr(found) == repr(record)
    assert [type(one) for one in found] == [type(one) for one in record]


def test_records_that_were_saved_as_they_are_can_be_read():
    """A named tuple becomes a list in JSON, and a dictionary of it has lists for tuples."""
    for saved in (RECORD, RECORD._asdict()):
        assert pycopi.EpochRecord.from_json(json.loads(json.dumps(saved))) == RECORD
    assert pycopi.EpochRecord.from_json(RECORD) == RECORD


def test_null_of_older_files_is_nan_where_there_was_a_number():
    older = {**RECORD.as_json(), "loss": None, "validation_loss": None, "correlation": [None]}
    found = pycopi.EpochRecord.from_json(older)
    assert all(map(math.isnan, (found.loss, found.validation_loss, *found.correlation)))
    without = pycopi.EpochRecord.from_json({**older, "validation_accuracy": None})
    assert without.validation_loss is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"later": 1}, "EpochRecord knows no later; expected epoch, loss, "),
        ({"loss": "high"}, "loss of EpochRecord: expected a number, inf, -inf or nan, got 'high'"),
        ({"correlation": [True]}, "correlation of EpochRecord: expected a number, inf, -inf or nan, got True"),
        ({"correlation": 1.0}, "correlation of EpochRecord: expected a list of numbers, got 1.0"),
        ({"epoch": 1.5}, "epoch of EpochRecord: expected a value of type int, got 1.5"),
    ],
)
def test_a_record_that_cannot_be_read(change, message):
    with pytest.raises(ValueError, match="^" + exactly(message).removesuffix("$").removeprefix("^")):
        pycopi.EpochRecord.from_json({**RECORD.as_json(), **change})


def test_a_record_of_the_wrong_shape():
    with pytest.raises(ValueError, match=r"^EpochRecord lacks loss, accuracy, .*; expected epoch, "):
        pycopi.EpochRecord.from_json({"epoch": 1})
    with pytest.raises(ValueError, match=r"^EpochRecord has \d+ fields, got 99 values$"):
        pycopi.EpochRecord.from_json([1] * 99)
    for wrong in ("record", 1, None):
        with pytest.raises(ValueError, match=r"^expected the fields of EpochRecord by name or in order, got "):
            pycopi.EpochRecord.from_json(wrong)


def test_a_checkpoint_gives_back_what_was_saved(tmp_path):
    with pycopi.Checkpoint(tmp_path / "deep" / "run") as checkpoint:
        assert checkpoint.load() is None
        checkpoint.save(NETWORK, make_state(), {"note": "first"})
        checkpoint.save(NETWORK, make_state(epochs=2), {"note": "second"})
        assert checkpoint.load_best() is None
    assert [path.name for path in checkpoint.folder.iterdir()] == ["model.safetensors"]
    stored = pycopi.Checkpoint(checkpoint.folder).load()
    assert (stored.network, stored.details) == (NETWORK, {"note": "second"})
    assert_same_state(stored.state, make_state(epochs=2))


def test_a_checkpoint_keeps_which_epoch_was_selected(tmp_path):
    with pycopi.Checkpoint(tmp_path) as checkpoint:
        checkpoint.save(NETWORK, make_state()._replace(selected=1))
        stored = checkpoint.load()
    assert (stored.state.selected, stored.details) == (1, {})


def test_a_checkpoint_comes_back_in_the_library_of_like(eager, tmp_path):
    like = eager.asarray(np.zeros(1, np.float32))
    with pycopi.Checkpoint(tmp_path) as checkpoint:
        checkpoint.save(NETWORK, make_state()._replace(parameters=NETWORK.init(0, like=like)))
        weight = checkpoint.load(like).state.parameters[0].weight
    assert type(weight) is type(like)
    assert np.array_equal(eager.numpy(weight), NETWORK.init(0)[0].weight)


def test_the_best_is_kept_beside_the_last(tmp_path):
    with pycopi.Checkpoint(tmp_path) as checkpoint:
        checkpoint.save(NETWORK, make_state(epochs=1))
        checkpoint.save_best(NETWORK, make_state(epochs=1), {"loss": 0.5})
        checkpoint.save(NETWORK, make_state(epochs=3))
        best = checkpoint.load_best()
        assert_same_state(best.state, make_state(epochs=1))
        assert best.details == {"loss": 0.5}
        checkpoint.save(NETWORK, make_state(seed=1, epochs=3))  # another run: that is not its best
        assert checkpoint.load_best() is None


def test_what_a_checkpoint_refuses(tmp_path):
    checkpoint = pycopi.Checkpoint(tmp_path)
    message = f'the checkpoint in {tmp_path} is not open; save inside "with checkpoint:"'
    with pytest.raises(RuntimeError, match=exactly(message)):
        checkpoint.save(NETWORK, make_state())
    message = "details have 'history', under which that of the state is kept; give theirs another name"
    with checkpoint, pytest.raises(ValueError, match=exactly(message)):
        checkpoint.save(NETWORK, make_state(), {"history": []})
    pycopi.save(tmp_path / "model.safetensors", NETWORK, NETWORK.init(0))
    message = (
        f"{tmp_path}/model.safetensors: a model without the history of a run, so no run can go on from it; "
        f"give its parameters to pycopi.fit, or name another folder"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        checkpoint.load()


def test_a_full_disk_keeps_the_state_before(tmp_path, monkeypatch):
    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pycopi.Checkpoint(tmp_path) as checkpoint:
        checkpoint.save(NETWORK, make_state())
        with monkeypatch.context() as patch:
            patch.setattr("pycopi.storage.write_tensors", full)
            with pytest.raises(OSError, match="the file cannot be written"):
                checkpoint.save(NETWORK, make_state(epochs=2))
        assert_same_state(checkpoint.load().state, make_state())


def test_one_run_at_a_time(tmp_path):
    message = f"another run is at work in {tmp_path}; wait until it ends, or name another folder"
    checkpoint = pycopi.Checkpoint(tmp_path)
    with checkpoint:
        for _ in range(2):
            with pytest.raises(BlockingIOError, match=exactly(message)), pycopi.Checkpoint(tmp_path):
                pass
        checkpoint.save(NETWORK, make_state())  # still open
    with pycopi.Checkpoint(tmp_path) as other:
        assert other.load() is not None


HOLD = """
import multiprocessing, os, sys, time
from pycopi._lock import locked

def live_on():
    print(os.getpid(), flush=True)  # once the fork is complete
    time.sleep(60)

with locked(sys.argv[1]):
    multiprocessing.get_context("fork").Process(target=live_on).start()
    time.sleep(60)
"""


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path):
    """Even if a child that it had forked lives on."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    try:
        with pytest.raises(BlockingIOError), locked(tmp_path):
            pass
        process.kill()
        process.wait()
        with locked(tmp_path):
            os.kill(child, 0)  # raises if the child has ended
    finally:
        process.kill()
        os.kill(child, signal.SIGKILL)
        process.stdout.close()
        process.wait()


FORK = """
import os, sys
from pycopi._lock import locked
with locked(sys.argv[1]):
    if os.fork() == 0:
        sys.exit()
    os.wait()
    try:
        with locked(sys.argv[1]):
            pass
    except BlockingIOError:
        print("locked")
"""


def test_a_forked_child_that_leaves_the_block_frees_nothing(tmp_path):
    found = subprocess.run([sys.executable, "-c", FORK, tmp_path], capture_output=True, text=True, check=True)
    assert found.stdout == "locked\n"


def test_what_the_lock_leaves_behind(tmp_path):
    (tmp_path / "kept").mkdir()
    with locked(tmp_path / "kept" / "a" / "b"):
        assert (tmp_path / "kept" / "a" / "b").is_dir()
    assert list(tmp_path.rglob("*")) == [tmp_path / "kept"]
    with locked(tmp_path / "kept" / "a" / "b"):
        (tmp_path / "kept" / "a" / "mine").touch()
    assert {path.name for path in tmp_path.rglob("*")} == {"kept", "a", "mine"}
    (tmp_path / "kept" / ".lock").touch()  # of a process that was killed
    with locked(tmp_path / "kept"):
        pass
    message = f"{tmp_path / 'kept' / 'a' / 'mine'} is a file; expected a folder"
    with pytest.raises(NotADirectoryError, match=exactly(message)), locked(tmp_path / "kept" / "a" / "mine"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="file locks of another kind")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_said_and_no_error(tmp_path, monkeypatch, number):
    def flock(file, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    message = f"{tmp_path} is on a file system without locks ({os.strerror(number)}); start no other run in it"
    with pytest.warns(RuntimeWarning, match=exactly(message)):
        checkpoint = pycopi.Checkpoint(tmp_path).__enter__()
    checkpoint.save(NETWORK, make_state())
    checkpoint.__exit__(None, None, None)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def change(array, index, value):
    """Return a copy with another value."""
    array = array.copy()
    array[index] = value
    return array


X = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (change(X, (3, 2), -11), "x has other values"),
        (X[::-1], "x has other values"),
        (X[:, [1, 0, 2]], "x has other values"),
        (X.astype(np.float64), "x is float64 (4, 3) but was float32 (4, 3)"),
        (X.reshape(3, 4), "x is float32 (3, 4) but was float32 (4, 3)"),
        (None, "x is missing"),
    ],
)
def test_other_data_are_known_by_their_fingerprint(other, what):
    own, found = fingerprint({"x": X, "y": X[0]}), fingerprint({"x": other, "y": X[0]})
    message = f"DATA is not what RUN was trained on: {what}; resume it with the same data, or OTHERWISE"
    with pytest.raises(ValueError, match=exactly(message)):
        check_fingerprint(own, found, "DATA", "RUN", "OTHERWISE")


def test_the_same_data_have_the_same_fingerprint(tmp_path):
    np.save(tmp_path / "x.npy", X)
    for same in (X.copy(), np.asfortranarray(X), np.load(tmp_path / "x.npy", mmap_mode="r")):
        check_fingerprint(fingerprint({"x": X}), fingerprint({"x": same}), "", "", "")
    check_fingerprint(None, fingerprint({"x": X}), "", "", "")  # of an older version
    assert fingerprint({"x": X[:0], "y": None}) == {"x": "float32 (0, 3) 00000000"}


def test_a_link_to_a_folder_is_the_folder(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with locked(tmp_path / "run"), pytest.raises(BlockingIOError), locked(tmp_path / "link"):
        pass
