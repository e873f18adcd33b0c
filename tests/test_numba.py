"""The Numba engine does what the portable one does, in every layout, with any number of threads."""

import os
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from assertions import assert_close, assert_same, exactly, tolerance
from backends import NUMPY
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import DTYPES, SAMPLE_RULES, SEEDS

import pycopi
from pycopi.kernels import RankK, SampleRule, portable
from pycopi.kernels import numba as engine
from pycopi.kernels.numba import threads

if not engine.available:
    pytest.skip("Numba is not installed", allow_module_level=True)

SIZES = st.one_of(st.integers(0, 9), st.sampled_from([15, 16, 31, 32, 33, 64, 97, 130]))
SCALES = st.sampled_from(["", "r", "c", "rc"])
LAYOUTS = st.sampled_from(["plain", "wide", "reversed", "read-only", "Fortran"])


def laid_out(values, layout):
    """Return the values in another layout in memory."""
    if layout == "wide":
        base = np.full((*values.shape[:-1], values.shape[-1] + 5), np.nan, values.dtype)
        base[..., 3:-2] = values
        return base[..., 3:-2]
    if layout == "reversed":
        return values[::-1].copy()[::-1]
    if layout == "Fortran":
        return np.asfortranarray(values)
    copied = values.copy()
    copied.flags.writeable = layout != "read-only"
    return copied


def wide(part):
    """Return arrays, also within a named tuple, in float64."""
    if isinstance(part, RankK):
        return RankK(*map(wide, part))
    return part.astype(np.float64) if isinstance(part, np.ndarray) else part


def assert_agree(results, expected, dtype, terms):
    """Compare what an engine returned with the oracle's answer, item by item."""
    assert len(results) == len(expected)
    for actual, wanted in zip(results, expected, strict=True):
        assert (actual is None) == (wanted is None)
        if wanted is not None:
            assert_close(actual, wanted, NUMPY, np.empty(0, dtype), rtol=tolerance(dtype, terms))


def drawer(seed, dtype):
    generator = np.random.default_rng(seed)
    return lambda *shape: generator.uniform(-1, 1, shape).astype(dtype)


@given(
    m=SIZES, n=SIZES, k=st.sampled_from([0, 1, 2, 3, 8, 50, 70]), dtype=DTYPES, seed=SEEDS, scales=SCALES,
    layouts=st.tuples(*[LAYOUTS] * 3), copy=st.booleans(),
)  # fmt: skip
@example(
    m=270, n=1000, k=30, dtype=np.float32, seed=0, scales="rc", layouts=("wide", "Fortran", "plain"), copy=False
)
def test_rank_k_updates_agree(m, n, k, dtype, seed, scales, layouts, copy):
    draw = drawer(seed, dtype)
    matrix, left, right = map(laid_out, (draw(m, n), draw(k, m), draw(k, n)), layouts)
    rows, columns = draw(m) if "r" in scales else None, draw(2 * n)[::2] if "c" in scales else None
    if layouts[0] in ("read-only", "Fortran"):
        matrix, copy = laid_out(matrix, "read-only"), True
    update = RankK(left, right, 0.75, rows, columns)
    expected = portable.rank_k_update(wide(matrix), wide(update), True)
    before = matrix.copy()
    result = engine.rank_k_update(matrix, update, copy)
    assert_agree([result], [expected], dtype, k + 4)
    assert (result is matrix) == (not copy)
    if copy:
        assert_same(matrix, before)
        assert_same(engine.rank_k_update(matrix, update, copy), result)


@given(
    m=SIZES, n=SIZES, dtype=DTYPES, seed=SEEDS, scales=SCALES, updated=st.booleans(), asked=st.booleans(),
    layout=st.sampled_from(["plain", "wide", "reversed", "read-only"]), copy=st.booleans(),
)  # fmt: skip
def test_single_sample_sweeps_agree(m, n, dtype, seed, scales, updated, asked, layout, copy):
    draw = drawer(seed, dtype)
    rows, columns = draw(m) if "r" in scales else None, draw(n) if "c" in scales else None
    change = RankK(draw(1, 2 * m)[:, ::2], draw(1, n), -0.5, rows, columns) if updated else None
    matrix, sample, vector = laid_out(draw(m, n), layout), draw(2 * n)[1::2], draw(m)
    copy = copy or layout == "read-only"
    vector = vector if asked else None
    calls = (
        lambda module, kind, given: module.update_then_project(given, kind(change), kind(sample), asked, copy),
        lambda module, kind, given: module.pull_then_update(given, kind(vector), kind(change), copy),
    )
    for call in calls:
        own = laid_out(matrix, layout)
        expected = call(portable, wide, wide(own))
        results = call(engine, lambda part: part, own)
        assert_agree(results, expected, dtype, 4 * (m + n))
        assert (results[0] is own) == (not updated or not copy)


@given(k=st.integers(1, 20), n=SIZES.filter(bool), dtype=DTYPES, seed=SEEDS, rule=st.sampled_from(SAMPLE_RULES))
def test_stream_blocks_agree(k, n, dtype, seed, rule):
    projected = drawer(seed, dtype)(k, 2 * n)[:, ::2]
    results = engine.stream_block(projected, rule)
    assert_agree(results, portable.stream_block(wide(projected), rule), dtype, 20 * (k + n))
    for first, second in zip(results, engine.stream_block(projected, rule), strict=True):
        assert_same(first, second)


def test_rows_as_long_as_a_page_of_the_cache_agree():
    projected = 0.1 * drawer(0, np.float32)(30, 1024)
    results = engine.stream_block(projected, SampleRule(0.01))
    assert_agree(results, portable.stream_block(wide(projected), SampleRule(0.01)), np.float32, 3000)


@pytest.mark.parametrize("shape", [(1030, 1001), (3, 700_000)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_change_nothing(shape, dtype, monkeypatch):
    m, n = shape
    draw = drawer(1, dtype)
    matrix, change, sample = draw(m, n), RankK(draw(1, m), draw(1, n), 0.5), draw(n)
    deep = RankK(draw(20, m), draw(20, n), 0.5, draw(m), draw(n))

    def everything():
        updates = [engine.rank_k_update(matrix, update, True) for update in (change, deep)]
        return *updates, *engine.update_then_project(matrix, change, sample, True, True)

    shared, again = everything(), everything()
    monkeypatch.setattr(threads, "_forked", True)
    assert not threads.claim()
    for one, two, three in zip(shared, again, everything(), strict=True):
        assert_same(one, two)
        assert_same(one, three)


def test_python_threads_may_call_at_once():
    matrix, left = np.ones((1200, 1200)), np.ones((1, 1200))
    barrier = threading.Barrier(4)

    def call(_):
        barrier.wait()
        return [engine.rank_k_update(matrix, RankK(left, left, 0.5), True) for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        for results in pool.map(call, range(4)):
            for result in results:
                assert_same(result, np.full((1200, 1200), 1.5))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_goes_on_without_threads():
    code = """
import os, numpy as np
from pycopi.kernels import RankK
from pycopi.kernels import numba as engine
from pycopi.kernels.numba import threads
matrix, left = np.ones((1200, 1200)), np.ones((1, 1200))
update = lambda: engine.rank_k_update(matrix, RankK(left, left, 0.5), True)
update()
child = os.fork()
if child == 0:
    os._exit(0 if not threads.claim() and (update() == 1.5).all() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_both_engines_refuse_the_same():
    read_only = laid_out(np.ones((3, 4)), "read-only")
    left, right = np.ones((1, 3)), np.ones((1, 4))
    message = "matrix cannot be changed in place, as copy=False asks: it is a read-only numpy array"
    for module in (engine, portable):
        with pytest.raises(ValueError, match=exactly(f"{message}; pass copy=None or copy=True")):
            module.rank_k_update(read_only, RankK(left, right, 1.0), False)
        shared = np.ones((3, 3))
        changed = module.rank_k_update(shared, RankK(shared[:1], shared[:1], 1.0), None)
        assert changed is not shared
        assert_same(changed, np.full((3, 3), 2.0))


@pytest.mark.parametrize("k", [1, 3, 20])
@pytest.mark.parametrize("which", ["left", "right", "row_scale", "column_scale"])
@pytest.mark.parametrize("strided", [False, True])
def test_a_matrix_is_kept_where_inputs_share_memory(k, which, strided):
    n = 192
    draw = drawer(4, np.float32)
    matrix = draw(n, n)
    before = matrix.copy()
    inputs = {
        "left": draw(k, n),
        "right": draw(k, n),
        "scale": 0.5,
        "row_scale": draw(n),
        "column_scale": draw(n),
    }
    rows = matrix[: 2 * k : 2] if strided else matrix[-k:]
    inputs[which] = rows if which in ("left", "right") else matrix[:, 3] if strided else matrix[3]
    wanted = portable.rank_k_update(wide(matrix), RankK(*map(wide, inputs.values())), True)
    with pytest.raises(ValueError, match="it shares memory with another argument; pass copy=None or copy=True"):
        engine.rank_k_update(matrix, RankK(*inputs.values()), False)
    assert_same(matrix, before)
    assert_agree([engine.rank_k_update(matrix, RankK(*inputs.values()), None)], [wanted], np.float32, k + 4)
    assert_same(matrix, before)


def test_code_on_disk_is_as_new_as_all_it_was_made_of(tmp_path):
    """Numba looks at the file of a function, and not at those with the functions that it calls."""
    shutil.copytree(
        Path(pycopi.__file__).parent, tmp_path / "pycopi", ignore=shutil.ignore_patterns("__pycache__")
    )
    code = """
import numpy as np
from pycopi.kernels import RankK
from pycopi.kernels import numba as engine
change = RankK(np.ones((1, 8)), np.ones((1, 16)), 1.0)
print(engine.rank_k_update(np.ones((8, 16)), change, False)[0, 0])
"""
    found = []
    loops = tmp_path / "pycopi" / "kernels" / "numba" / "vectors.py"
    for name in ("fmul", "fadd", "fmul"):  # of what `multiply` generates, with which a matrix is scaled by ones
        source = loops.read_text()
        loops.write_text(re.sub(r"builder\.f(mul|add)\(\*arguments\)", f"builder.{name}(*arguments)", source))
        done = subprocess.run(
            [sys.executable, "-B", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        found.append(float(done.stdout))
    assert found == [2.0, 4.0, 2.0]


def test_a_forced_engine_does_the_work_of_a_run():
    images, classes = np.eye(6, dtype=np.float32), np.arange(6)
    network, settings = pycopi.mlp([6, 40, 6]), pycopi.Settings(gain=100.0)
    ends = []
    for name in ("portable", "numba"):
        with pycopi.use_engine(name):
            state = pycopi.fit(network, network.init(0), images, classes, epochs=5, settings=settings)
        ends.append(state.parameters[0].decorrelator)
    assert_close(ends[1], wide(ends[0]), NUMPY, ends[0], rtol=1e-5)
    with pycopi.use_engine("numba"):
        message = "the engine 'numba' takes float32 and float64 NumPy matrices with contiguous rows; "
        message += "got a numpy array of dtype float16: use the engine 'portable'"
        half = np.ones((2, 2), np.float16)
        with pytest.raises(TypeError, match=exactly(message)):
            pycopi.rank_k_update(half, half, half)


SMALL = """
def doubled(out):
    out[0] *= 2.0

def doubled_signature(dtype):
    from numba import types
    from pycopi.kernels.numba.loops import writing
    return types.void(writing(dtype, 1))
"""
WORK = """
import importlib.util, sys
import numpy as np
from pycopi.kernels.numba.compiler import compiled

def work():
    name = "pycopi.kernels.numba.doubled"
    spec = importlib.util.spec_from_file_location(name, {path!r})
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    out = np.ones(1)
    compiled("doubled", out.dtype, False)(out)
    assert out[0] == 2.0
"""


def run_new(code, folder):
    """Return what a process prints whose ``work`` compiles a loop that takes no time to compile."""
    path = folder / "doubled.py"
    if not path.exists():  # Numba takes no code for a file that is newer
        path.write_text(SMALL)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", WORK.format(path=str(path)) + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_files_cut_short_are_made_anew(tmp_path):
    run_new("work()", tmp_path)
    files = sorted(path for path in tmp_path.rglob("*") if path.suffix in (".nbi", ".nbc"))
    sizes = {path: path.stat().st_size for path in files}
    assert {path.suffix for path in files} == {".nbi", ".nbc"}
    for suffix in (".nbi", ".nbc"):
        for path in (path for path in files if path.suffix == suffix):
            path.write_bytes(path.read_bytes()[: sizes[path] // 2])
        run_new("work()", tmp_path)
        remade = [path for path in tmp_path.rglob(f"*{suffix}")]
        assert all(path.stat().st_size > sizes.get(path, 2) // 2 for path in remade)


def test_without_a_folder_to_write_code_is_compiled_and_not_kept(tmp_path):
    refusing = """
from numba.core import caching
def refuse(self):
    raise PermissionError("read-only")
caching._CacheLocator.ensure_cache_path = refuse
work()
"""
    run_new(refusing, tmp_path)
    assert not list(tmp_path.rglob("*.nb?"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("when", ["imports", "compiles"])
def test_a_child_forked_while_another_thread_compiles_does_not_hang(when, tmp_path):
    code = f"""
import os, signal, sys, threading, time
begun = threading.Event()
def watch(event, arguments):
    if event == "import" and arguments[0] == "numba":
        begun.set()
if {when!r} == "imports":
    sys.addaudithook(watch)
else:
    from numba.core import event
    class Listener(event.Listener):
        def on_start(self, event):
            begun.set()
        def on_end(self, event):
            pass
    event.register("numba:compile", Listener())
thread = threading.Thread(target=work)
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    signal.alarm(100)
    work()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread.join()
"""
    assert run_new(code, tmp_path) == "0\n"
