"""Kills at random moments: a run that is killed and goes on ends with the same bits as one that is not.

The environment variable ``PYCOPI_TEST_KILLS`` says how many kills each test makes.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command import COMMAND, assert_same_parameters

import pycopi

KILLS = int(os.environ.get("PYCOPI_TEST_KILLS", "2"))
ENDLESS = 100_000
"""More epochs than a process makes before it is killed."""

LOOP = """
import sys
import numpy as np
import pycopi

x = np.random.default_rng(0).normal(size=(400, 8)).astype("f4")
network = pycopi.mlp([8, 64, 64, 3])
with pycopi.Checkpoint(sys.argv[1]) as checkpoint:
    stored = checkpoint.load()
    state = pycopi.start(network) if stored is None else stored.state

    def keep(state):
        checkpoint.save(network, state)
        print(len(state.history), flush=True)

    arguments = network, state, x, np.arange(400) % 3
    pycopi.fit(*arguments, epochs=int(sys.argv[2]), callbacks=[keep], progress=False)
"""

Words = list[str | Path]


def with_a_loop(folder: Path, epochs: int) -> Words:
    """Return a program that drives a checkpoint by itself."""
    return [sys.executable, "-W", "error", "-c", LOOP, folder, str(epochs)]


def with_the_command(folder: Path, epochs: int) -> Words:
    """Return the command that begins a run, or goes on with it."""
    words: Words = [*COMMAND, "train", "digits", "--output", folder, "--epochs", str(epochs), "--verbose"]
    return [*words, "--resume"] if (folder / "model.safetensors").exists() else [*words, "--hidden", "16"]


def kill(words: Words, moments: random.Random) -> None:
    """Start a process, and kill it while it starts, or after some epochs."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    for _ in range(moments.randrange(4)):
        process.stdout.readline()
    time.sleep(moments.uniform(0.0, 0.03))
    process.kill()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL


def history(folder: Path) -> list[pycopi.EpochRecord]:
    """Return the records of a run without their times."""
    stored = pycopi.Checkpoint(folder).load()
    return [] if stored is None else [one._replace(seconds=0.0) for one in stored.state.history]


@pytest.mark.parametrize("program", [with_a_loop, with_the_command])
def test_a_killed_run_ends_with_the_same_bits(program: Callable[[Path, int], Words], tmp_path: Path) -> None:
    moments, killed, whole = random.Random(KILLS), tmp_path / "killed", tmp_path / "whole"
    done = [0]
    for _ in range(KILLS):
        kill(program(killed, ENDLESS), moments)
        done.append(len(history(killed)))
    assert done == sorted(done)  # no complete epoch was lost
    epochs = done[-1] + 2
    for folder in (killed, whole):
        subprocess.run(program(folder, epochs), check=True, stdout=subprocess.DEVNULL)
    assert len(history(whole)) == epochs
    assert history(killed) == history(whole)
    assert_same_parameters(*(folder / "model.safetensors" for folder in (killed, whole)))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__, "-q"]))
