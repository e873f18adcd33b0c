"""Choosing an engine, and saying what is live."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from assertions import exactly

import pycopi
from pycopi.config import configuration
from pycopi.kernels import native, numba, portable
from pycopi.kernels.engine import engine_for

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
    pycopi.show_config()
    assert "C core                    not built" in capsys.readouterr().out
    assert configuration()["engine"] == ("numba" if numba.available else "portable")
