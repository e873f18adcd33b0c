"""Choosing an engine, and saying what is live."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from assertions import exactly

import pycopi
from pycopi.config import configuration
from pycopi.kernels import native, numba, portable
from pycopi.kernels.engine import BY_NAME, ENGINES, engine_for

pytestmark = pytest.mark.libraries

M = np.eye(2)


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def test_the_array_chooses():
    fast = native if native.available else numba if numba.available else portable
    assert engine_for(M) is engine_for(M.astype(np.float32)) is fast
    assert engine_for(M.astype(np.float16)) is portable
    assert engine_for(np.ones((4, 4))[:, ::2]) is portable
    strict = pytest.importorskip("array_api_strict")
    assert engine_for(strict.asarray(M)) is portable


def test_the_user_chooses_for_a_block_and_a_thread():
    with pycopi.use_engine("portable"):
        assert engine_for(M) is portable
        found = []
        thread = threading.Thread(target=lambda: found.append(engine_for(M)))
        thread.start()
        thread.join()
    assert found == [engine_for(M)]
    with pytest.raises(
        ValueError, match="use_engine names the engine 'fast'; expected one of portable, native, numba"
    ):
        with pycopi.use_engine("fast"):
            pass


def test_a_forced_native_engine_does_not_fall_back():
    if not native.available:
        with pytest.raises(ValueError, match="pycopi was built without its C core"):
            with pycopi.use_engine("native"):
                pass
        return
    with pycopi.use_engine("native"):
        assert engine_for(M) is native
        with pytest.raises(
            TypeError, match="takes float32 and float64 NumPy matrices with contiguous rows; got a"
        ):
            pycopi.rank_k_update(M.astype(np.float16), M.astype(np.float16), M.astype(np.float16))


def test_without_a_c_core_numba_is_chosen_and_without_both_the_portable_engine(monkeypatch):
    monkeypatch.setattr(native, "available", False)
    monkeypatch.setattr(numba, "available", True)
    monkeypatch.setattr(numba, "fault", lambda: None)
    assert engine_for(M) is numba
    assert engine_for(M.T) is portable
    monkeypatch.setattr(numba, "available", False)
    monkeypatch.setattr(numba, "fault", lambda: "Numba is not installed; install the extra 'numba'")
    assert engine_for(M) is portable
    message = "use_engine names the engine 'numba', but Numba is not installed"
    with pytest.raises(ValueError, match=exactly(f"{message}; install the extra 'numba', or use 'portable'")):
        with pycopi.use_engine("numba"):
            pass


def test_the_environment_chooses_for_a_process():
    code = "import numpy, pycopi.kernels.engine as e; print(e.engine_for(numpy.eye(2)).__name__)"
    assert run(code, PYCOPI_ENGINE="portable").stdout == "pycopi.kernels.portable\n"
    assert "PYCOPI_ENGINE names the engine 'fast'" in run(code, PYCOPI_ENGINE="fast").stderr


def test_show_config_says_what_is_live(capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with pycopi.use_engine("portable"):
        pycopi.show_config()
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if " " in line)
    assert lines["pycopi"] == pycopi.__version__
    assert lines["engine"] == "portable (forced)"
    assert "OMP_NUM_THREADS=3" in lines["threads"]
    monkeypatch.setattr(native, "available", False)
    monkeypatch.setattr(native, "installed", False)
    pycopi.show_config()
    assert "C core                    not built" in capsys.readouterr().out
    assert configuration()["engine"] == ("numba" if numba.available else "portable")


NUMPY_WORK = """
import sys, warnings
{before}
import numpy as np
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import pycopi
    from pycopi.kernels.engine import engine_for
    for _ in range(2):
        matrix = pycopi.rank_k_update(np.eye(40), np.ones((2, 40)), np.ones((2, 40)), scale=0.5)
assert (matrix == np.eye(40) + 1).all()
print(engine_for(matrix).__name__)
print(*(f"{{w.category.__name__}}: {{w.message}}" for w in caught), sep="\\n")
pycopi.show_config()
"""
NO_CORE = "sys.modules['pycopi._core'] = None"


def numpy_work(before, *, root=None, **environment):
    """Return the engine that does NumPy's work in a new process, its warnings, and what `show_config` says."""
    done = subprocess.run(
        [sys.executable, "-c", NUMPY_WORK.format(before=before)], cwd=root,
        capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    engine, *warned = done.stdout.partition("\npycopi ")[0].splitlines()
    shown = next(line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if line.startswith("engine "))
    return engine.removeprefix("pycopi.kernels."), [line for line in warned if line], shown


BROKEN_IMPORT = """
import types
def find_spec(name, *_):
    if name == "numba.core":
        raise RuntimeError("NumPy is too new")
sys.meta_path.insert(0, types.SimpleNamespace(find_spec=find_spec))
"""
BROKEN_COMPILER = """
from numba.core.dispatcher import Dispatcher
def fail(*_):
    raise OSError("no LLVM")
Dispatcher.compile = fail
"""
BROKEN_NUMBA = {
    "JIT": ("", "Numba compiles nothing while NUMBA_DISABLE_JIT is set; unset it"),
    "import": (BROKEN_IMPORT, "Numba cannot be imported (RuntimeError: NumPy is too new); reinstall it"),
    "compile": (BROKEN_COMPILER, "Numba cannot compile here (OSError: no LLVM); reinstall it"),
}


@pytest.mark.skipif(not numba.available, reason="Numba is not installed")
@pytest.mark.parametrize("how", BROKEN_NUMBA)
def test_a_numba_that_cannot_work_leaves_the_work_to_portable_and_says_so_once(how):
    before, fault = BROKEN_NUMBA[how]
    environment = {"NUMBA_DISABLE_JIT": "1"} if how == "JIT" else {}
    engine, warned, shown = numpy_work(f"{NO_CORE}\n{before}", **environment)
    assert engine == "portable"
    said = f"RuntimeWarning: the engine 'numba' cannot work here, so 'portable' does: {fault}"
    assert warned == [f"{said}, or set PYCOPI_ENGINE=portable"]
    assert shown == f"portable; numba cannot work: {fault}"
    assert numpy_work(f"{NO_CORE}\n{before}", PYCOPI_ENGINE="portable", **environment)[1] == []
    forced = run(f"import sys\n{before}\nimport pycopi\npycopi.use_engine('numba').__enter__()", **environment)
    message = f"ValueError: use_engine names the engine 'numba', but {fault}, or use 'portable'\n"
    assert forced.stderr.endswith(message)


def test_a_core_that_cannot_be_loaded_leaves_the_work_to_the_next_engine_and_says_so_once(tmp_path):
    if not native.available:
        pytest.skip("built without the C core")
    copied = Path(shutil.copytree(Path(pycopi.__file__).parent, tmp_path / "pycopi"))
    (core,) = copied.glob("_core*.so")
    core.write_bytes(b"not a library")
    engine, (warned,), shown = numpy_work("sys.path.insert(0, '.')", root=tmp_path)
    following = "numba" if numba.available else "portable"
    assert engine == following
    assert warned.startswith(f"RuntimeWarning: the engine 'native' cannot work here, so {following!r} does: ")
    assert shown.startswith(f"{following}; native cannot work: pycopi's C core cannot be loaded (ImportError: ")


TRAINING = """
import threading, numpy as np, pycopi
network, settings = pycopi.mlp([1100, 700, 10]), pycopi.Settings(gain=10.0)
start, rng = network.init(0), np.random.default_rng(0)
images, classes = rng.random((4, 1100), np.float32), np.arange(4)

def train():
    parameters = start
    for i in range(4):
        batch = images[i : i + 1], classes[i : i + 1]
        parameters, _ = pycopi.train_step(network, parameters, *batch, settings)
    return b"".join(part.tobytes() for own in parameters for part in own if part is not None)

alone, found = train(), []
threads = [threading.Thread(target=lambda: found.extend(train() for _ in range(4))) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(found), set(found) == {alone})
"""


@pytest.mark.parametrize("name", ENGINES)
def test_training_on_single_samples_is_the_same_while_other_threads_train(name):
    """A matrix of 1,100 columns is shared by two threads, of which there is one pair in a process."""
    if BY_NAME[name].fault() is not None:
        pytest.skip(f"no engine {name} here")
    done = run(TRAINING, PYCOPI_ENGINE=name, OMP_NUM_THREADS="2", NUMBA_NUM_THREADS="2")
    assert (done.stdout, done.stderr) == ("12 True\n", "")
