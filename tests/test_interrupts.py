"""Ctrl-C at any moment, from the first import to the end: one line, status 130, never a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

IMPORTED = (
    "pycopi.cli.interrupts",
    "pycopi.cli.streams",
    "pycopi.cli.app",
    "argparse",
    "rich.console",
    "numpy",
    "numpy._core.multiarray" if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else "numpy.core.multiarray",
    "numpy.linalg",
    "array_api_compat",
    "pycopi._array",
    "pycopi.training.fit",
    "pycopi.cli.train",
)
"""What is imported before a command runs, in about this order."""

DURING = ("matplotlib", "matplotlib.figure", "PIL")
"""What is imported while it runs."""

RUN = """
import importlib.abc, os, signal, sys

signal.signal(signal.SIGINT, signal.{answer})  # a suite in the background has inherited that it is ignored

class Interrupting(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = ["pycopi", "train", "digits", "--hidden", "8", "--epochs", "2", "--output", "run"]
from pycopi.cli import main
main()
"""


def interrupted_at(
    name: str, folder: Path, answer: str = "default_int_handler"
) -> subprocess.CompletedProcess[str]:
    """Return how the command ends that is interrupted when a module is first imported."""
    command = [sys.executable, "-c", RUN.format(name=name, answer=answer)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.parametrize("name", IMPORTED)
def test_ctrl_c_while_libraries_are_loaded(name: str, tmp_path: Path) -> None:
    ended = interrupted_at(name, tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize("name", DURING)
def test_ctrl_c_while_a_running_command_loads_libraries(name: str, tmp_path: Path) -> None:
    ended = interrupted_at(name, tmp_path)
    assert ended.returncode == 130
    assert ended.stderr.startswith("interrupted")
    assert ended.stderr.count("\n") == 1


def test_nothing_slow_is_imported_before_ctrl_c_is_answered() -> None:
    code = (
        "import sys; before = set(sys.modules); import pycopi.cli; "
        "print(sorted({name for name in set(sys.modules) - before if not name.startswith('pycopi')}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(eval(found.stdout)) <= {"signal", "_signal", "enum", "types", "functools", "collections"} | set(
        sys.builtin_module_names
    ) | {"operator", "keyword", "reprlib", "_weakref", "re"}


def test_who_starts_it_without_ctrl_c_keeps_it_so(tmp_path: Path) -> None:
    """A shell starts what runs in the background with SIGINT ignored."""
    ended = interrupted_at("numpy", tmp_path, "SIG_IGN")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_answers_do_not_replace_those_of_somebody_else() -> None:
    from pycopi.cli import interrupts

    own = signal.getsignal(signal.SIGINT)
    try:
        answer = signal.signal(signal.SIGINT, lambda *_: None) and signal.getsignal(signal.SIGINT)
        for change in (interrupts.leave_at_once, interrupts.raise_again, interrupts.leave_silently):
            change()
            assert signal.getsignal(signal.SIGINT) is answer
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupts.leave_at_once()
        interrupts.raise_again()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        interrupts.leave_silently()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, own)
