"""``fit(..., checkpoint=folder)``: a call that is made again until its run is complete."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from assertions import within
from fitting import CLASSES, Broken, X, assert_same_run, batches_of, run

import pycopi

KILLS = int(os.environ.get("PYCOPI_TEST_KILLS", "4"))
"""How often a run is killed; 50 before a release."""


@pytest.mark.parametrize("keep_open", [False, True])
def test_a_call_goes_on_where_the_one_before_was_interrupted(keep_open, tmp_path):
    whole = run()
    with pytest.raises(OSError, match="gone"):
        run(Broken(OSError("gone")), None, checkpoint=tmp_path / "run", epochs=4)
    source = batches_of(16)
    if keep_open:
        with pycopi.Checkpoint(tmp_path / "run") as checkpoint:
            found = run(source, None, checkpoint=checkpoint)
    else:
        found = run(source, None, checkpoint=tmp_path / "run")
    assert_same_run(found, run(source, None))
    assert len(whole.history) == len(found.history)
    again = run(source, None, checkpoint=tmp_path / "run")
    assert_same_run(again, found)
    assert len(run(source, None, checkpoint=tmp_path / "run", epochs=2).history) == 4


def test_the_best_parameters_survive_an_interruption(tmp_path):
    guesses = np.random.default_rng(0).permutation(CLASSES)
    keywords = {"validation": (X, guesses), "epochs": 12}
    wanted = run(callbacks=[pycopi.early_stopping(patience=3)], **keywords)

    def interrupt(state):
        if len(state.history) == 4:
            raise KeyboardInterrupt

    with pytest.raises(pycopi.TrainingInterrupted):
        run(callbacks=[pycopi.early_stopping(patience=3), interrupt], checkpoint=tmp_path, **keywords)
    found = run(callbacks=[pycopi.early_stopping(patience=3)], checkpoint=tmp_path, **keywords)
    assert_same_run(found, wanted)
    assert found.selected == wanted.selected is not None
    ended = run(callbacks=[pycopi.early_stopping(patience=3)], checkpoint=tmp_path, **keywords)
    assert_same_run(ended, wanted)


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    run(checkpoint=tmp_path, epochs=1)
    with pytest.raises(
        ValueError, match=within("the data is not what the run in") + ".*inputs has other values"
    ):
        run(X + np.float32(1), checkpoint=tmp_path)
    other = pycopi.mlp([6, 9, 3])
    with pytest.raises(ValueError, match=within("is of another network: ")):
        run(network=other, parameters=other.init(0), checkpoint=tmp_path)
    with pytest.raises(ValueError, match=within("the state has a history, and there is a checkpoint")):
        run(checkpoint=tmp_path, parameters=run(epochs=1))
    with pycopi.Checkpoint(tmp_path), pytest.raises(BlockingIOError, match="another run is at work in"):
        run(checkpoint=tmp_path)


PROGRAM = """
import sys, numpy as np, pycopi
x = np.random.default_rng(0).normal(size=(600, 20)).astype("f4"); y = np.arange(600) % 3
network = pycopi.mlp([20, 60, 3])
settings = pycopi.Settings(rate=1e-2, gain=10.0, decorrelation=pycopi.Decorrelation(rate=1e-2, every=7))
state = pycopi.fit(
    network, network.init(0), x, y, epochs=30, batch_size=16, settings=settings, validation=(x, y),
    callbacks=[pycopi.early_stopping(patience=40)], checkpoint=sys.argv[1],
)
print(len(state.history))
"""


def test_kills_at_random_moments_leave_a_run_that_ends_in_the_same_bits(tmp_path):
    def start(folder):
        return subprocess.Popen([sys.executable, "-c", PROGRAM, folder], stdout=subprocess.PIPE, cwd=tmp_path)

    began = time.perf_counter()
    assert start("whole").communicate()[0] == b"30\n"
    usual = time.perf_counter() - began
    moments, killed = np.random.default_rng(1).uniform(0.3, 1.0, size=KILLS), 0
    for moment in moments:
        process = start("killed")
        time.sleep(moment * usual)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed > 0
    assert start("killed").communicate()[0] == b"30\n"
    states = [pycopi.Checkpoint(tmp_path / name).load().state for name in ("whole", "killed")]
    assert_same_run(*states)
    best = [pycopi.Checkpoint(tmp_path / name).load_best().state for name in ("whole", "killed")]
    assert_same_run(*best)
    assert sorted(path.name for path in (tmp_path / "killed").iterdir() if path.suffix == ".safetensors") == [
        "best.safetensors",
        "model.safetensors",
    ]
