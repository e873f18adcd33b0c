"""The command as the tests call it, and what they compare of the files that it leaves."""

import base64
import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import pycopi
from pycopi.cli.app import run

SMALL = ("--hidden", "16", "--epochs", "3")
FILES = {"model.safetensors", "history.json", "learning-curve.png"}
COMMAND = (sys.executable, "-W", "error", "-m", "pycopi")
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
"""A picture in PNG of one black dot."""
STAND_IN = f"""
from matplotlib.figure import Figure
Figure.savefig = lambda figure, path: path.write_bytes({DOT!r})
from pycopi.cli import main
"""
UNDRAWN = (*COMMAND[:3], "-c", f"{STAND_IN}main()")
"""The command where a dot takes the place of each picture: rendering takes longer than short runs."""


def leave_a_dot(figure: object, path: Path) -> None:
    """Stand in for what renders a picture."""
    path.write_bytes(DOT)


def call(*arguments: object, status: int = 0, env: Mapping[str, str] | None = None, draws: bool = False) -> str:
    """Return what the command prints; raise unless it ends with the status.

    Pictures take longer than short runs: one dot takes the place of each, unless this call ``draws``.
    """
    output = io.StringIO()
    drawing = nullcontext() if draws else mock.patch("matplotlib.figure.Figure.savefig", leave_a_dot)
    environment = mock.patch.dict(os.environ, env or {})
    with drawing, environment, redirect_stdout(output), redirect_stderr(output):
        ended = run(list(map(str, arguments)))
    assert ended == status, output.getvalue()
    return output.getvalue()


def assert_error(expected: str, *arguments: object) -> None:
    """Raise unless the command fails with one line that matches the whole expression."""
    output = call(*arguments, status=2)
    assert re.fullmatch(f"error: {expected}\n", output), output


def start(*arguments: object, cwd: Path, **keywords: Any) -> subprocess.Popen[str]:
    """Start the command in a process of its own, in which warnings are errors and pictures are dots."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **keywords}
    program = UNDRAWN if arguments[0] in ("train", "analyse", "reproduce") else COMMAND
    return subprocess.Popen([*program, *map(str, arguments)], cwd=cwd, text=True, **pipes)


def show(*arguments: object, cwd: Path, columns: int, **variables: str) -> str:
    """Return what the command shows in a terminal, escape codes included; raise unless it succeeds."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), **variables}
    process = start(*arguments, cwd=cwd, stdout=theirs, env=env)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    _, error = process.communicate(timeout=120)
    assert (process.returncode, error) == (0, "")
    return shown.decode()


def interrupt(*_: object, **__: object) -> None:
    """Stand in for a function during which Ctrl-C is pressed."""
    raise KeyboardInterrupt


def without_codes(shown: str) -> str:
    """Return the text without the codes that move the cursor and colour it."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def assert_same_parameters(one: Path, other: Path) -> None:
    """Raise unless two model files hold bit-identical parameters."""
    pairs = [pycopi.load(path).parameters for path in (one, other)]
    for index, (left, right) in enumerate(zip(*pairs, strict=True), 1):
        for name, a, b in zip(left._fields, left, right, strict=True):
            same = (a is None and b is None) or np.array_equal(a, b)
            assert same, f"{name} of layer {index} differs"


def read_history(folder: Path) -> dict[str, Any]:
    """Return the history file, without the times and the number of epochs."""
    content = json.loads((folder / "history.json").read_text())
    for record in content["history"]:
        assert record.pop("seconds") > 0
    del content["settings"]["epochs"]
    return content


def save_set(path: Path, *, test: bool = True, **arrays: np.ndarray) -> Path:
    """Write a small data set of the user's own."""
    x = np.random.default_rng(1).normal(size=(60, 4))
    given = {"x": x, "y": x @ np.ones((4, 2)), **arrays}
    if test:
        given |= {f"{name}_test": values[:20] for name, values in given.items()}
    np.savez(path, **given)
    return path
