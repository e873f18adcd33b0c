"""The C core: calls at once, threads that share a call, and processes that fork."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from assertions import assert_same
from native_calls import SETS, assert_near, expected_of, problem
from repository import ROOT

from pycopi import _core


@pytest.mark.parametrize("name", SETS)
def test_concurrent_calls(name):
    _core.set_instruction_set(name)
    problems = [problem(150 + 7 * i, 130 + i, 40, np.float32, seed=i) for i in range(8)]

    def repeated(arguments: list[Any]) -> list[np.ndarray]:
        outs = [np.empty_like(arguments[0]) for _ in range(20)]
        for out in outs:
            _core.rank_k_update(out, *arguments)
        return outs

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(repeated, problems))
    for arguments, outs in zip(problems, results, strict=True):
        assert_near(outs[0], expected_of(arguments), 40)
        for out in outs[1:]:
            assert_same(out, outs[0])


CALLS = """
import sys
import numpy as np
from pycopi import _core

rng = np.random.default_rng(0)
draw = lambda *shape: rng.uniform(-1, 1, shape).astype(np.float32)
matrix, out = draw(900, 700), np.empty((900, 700), np.float32)


def results():
    global rng
    rng = np.random.default_rng(1)
    left, right, rows, wide, columns = draw(50, 900), draw(50, 700), draw(50, 900), draw(50, 700), draw(700)
    batch, back = np.empty((50, 700), np.float32), np.empty((50, 900), np.float32)
    _core.rank_k_update(out, matrix, left, right, 0.5, None, columns)
    _core.product(batch, rows, matrix, False, False)
    _core.product(back, wide, matrix, False, True)
    followed, moments, sums, found = draw(300, 700), draw(16, 700), draw(3), draw(2)
    _core.subspace(followed, draw(300, 700), draw(16, 700), draw(16), moments, sums, found, 0.1, 1.0, 0.0, 200)
    return b"".join(a.tobytes() for a in (out, batch, back, followed, moments, sums, found))


"""


def in_a_new_process(code: str, threads: int) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_DYNAMIC": "false"}
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", CALLS + code],
        capture_output=True, text=True, check=True, env=environment, timeout=60,
    )  # fmt: skip
    return found.stdout


def test_the_number_of_threads_changes_no_bit():
    code = """
import hashlib, time
digests = set()
for pause in (0, 0, 0, 0, 0, 0.05, 0):  # three are done alone; in the last but one threads sleep
    time.sleep(pause)
    digests.add(hashlib.sha256(results()).hexdigest())
print(_core.threads(), *digests)
"""
    counts, digests = zip(*(in_a_new_process(code, threads).split() for threads in (1, 2, 3)), strict=True)
    assert len(set(digests)) == 1
    assert counts == ("1", "2", "3") or len(set(counts)) == 1  # the second in a build without OpenMP


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_threads_of_its_own():
    code = """
import os
before = [results() for _ in range(5)][-1]  # the first three are done alone
sys.stdout.flush()
child = os.fork()
if child == 0:
    print(_core.threads(), results() == before)
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
"""
    assert in_a_new_process(code, 2) == "2 True\n"


def test_threads_of_python_share_one_pool():
    """Calls at once from several Python threads, some of them in several threads of the core: the same bits."""
    code = """
from concurrent.futures import ThreadPoolExecutor

left, right = draw(50, 900), draw(50, 700)


def update(_):
    own = np.empty_like(out)
    _core.rank_k_update(own, matrix, left, right, 0.5, None, None)
    return own.tobytes()


with ThreadPoolExecutor(4) as pool:
    print(len(set(pool.map(update, range(40)))))
"""
    assert in_a_new_process(code, 2) == "1\n"


NATIVE = ROOT / "pycopi" / "_native"
COMPILER = shutil.which("cc")


@pytest.mark.skipif(COMPILER is None or os.name == "nt", reason="needs a C compiler cc, and threads of POSIX")
@pytest.mark.skipif(not NATIVE.is_dir(), reason="the sources of the C core are not here, only the tests")
def test_the_pool_rests_where_sharing_loses(tmp_path):
    """By a clock of the test's own, which says how late a thread is."""
    source, program = ROOT / "tests" / "native" / "rests.c", tmp_path / "rests"
    subprocess.run([COMPILER, "-I", NATIVE, source, "-o", program, "-lpthread"], check=True, timeout=60)
    done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "the pool rests where sharing loses\n")


def test_threadpoolctl_limits_the_core():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    if _core.threads() == 1:
        pytest.skip("one thread only, or a build without OpenMP")
    with threadpoolctl.threadpool_limits(1, user_api="openmp"):
        assert _core.threads() == 1
    assert _core.threads() > 1
