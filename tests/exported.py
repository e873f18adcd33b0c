"""Networks of every kind that can be exported, and generated C as the tests run it."""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pycopi
from pycopi.activations import Affine, LeakyReLU

COMPILER = shutil.which("cc")
FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
SANITIZERS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler cc")

NETWORKS: dict[str, Any] = {
    "leaky_relu": {"sizes": [12, 16, 5]},
    "relu": {"sizes": [12, 16, 9, 5], "activation": "relu", "bias": True},
    "tanh": {"sizes": [12, 7, 16, 5], "activation": "tanh", "bias": True, "standardized": True},
    "sigmoid": {"sizes": [12, 16, 5], "activation": "sigmoid", "output_activation": "sigmoid"},
    "identity": {"sizes": [12, 5], "standardized": True},
    "plain": {"sizes": [12, 20, 5], "decorrelated": False, "bias": True},
    "affine": {
        "sizes": [12, 16, 5],
        "output_activation": Affine((2.0, 30.0, 0.5, 1.0, 7.0), (5.0, -3.0, 0.0, 1.0, 2.0)),
        "bias": True,
        "standardized": True,
    },
    "affine inside": {"sizes": [12, 16, 5], "activation": Affine((2.0,), (0.5,))},
    "mixed": pycopi.Network(
        (
            pycopi.Dense(12, 8, LeakyReLU(0.3)),
            pycopi.Dense(8, 9, Affine((2.0,), (1.0,)), bias=True),
            pycopi.Dense(9, 7, LeakyReLU(0.01), decorrelated=False),
            pycopi.Dense(7, 5, Affine((0.5,), (-1.0,))),
        )
    ),
    "one output": {"sizes": [12, 8, 1], "bias": True, "standardized": True},
}
"""Networks, or arguments of `pycopi.mlp`: every activation, with and without biases, scaling and R."""


def rows(count: int, seed: int = 0) -> np.ndarray:
    """Return inputs of different means and spreads, float32 (count, 12)."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, 12)) * np.linspace(0.5, 2.0, 12) + 0.3).astype(np.float32)


def network(name: str, like: np.ndarray | None = None) -> tuple[pycopi.Network, Any]:
    """Return a network, and parameters in which nothing is zero or the identity."""
    given = NETWORKS[name]
    made = given if isinstance(given, pycopi.Network) else pycopi.mlp(**given)
    data = {"data": rows(500)} if made.layers[0].standardized else {}
    rng = np.random.default_rng(1)
    drawn = (
        own._replace(
            decorrelator=_shaken(own.decorrelator, rng), bias=_shaken(own.bias, rng), weight=own.weight
        )
        for own in made.init(0, like=like, **data)
    )
    return made, tuple(drawn)


def _shaken(array: np.ndarray | None, rng: np.random.Generator) -> np.ndarray | None:
    return None if array is None else (array + 0.1 * rng.normal(size=array.shape)).astype(array.dtype)


MAIN = """\
#include "model.h"
#include <stdio.h>

int main(void)
{
    float x[copi_inputs], y[copi_outputs];
    BODY
    return 0;
}
"""


def run_c(folder: Path, body: str, sent: bytes = b"", flags: tuple[str, ...] = FLAGS) -> bytes:
    """Return what a program prints whose ``main`` has this body, beside the header model.h in a folder."""
    (folder / "main.c").write_text(MAIN.replace("BODY", body))
    build = [COMPILER, *flags, "main.c", "-o", "program", "-lm"]
    built = subprocess.run(build, cwd=folder, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([folder / "program"], input=sent, capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    return ran.stdout


@functools.cache
def sanitized() -> tuple[str, ...]:
    """Return the flags for a program that ends at once where it misuses memory or numbers; skip without."""
    build, empty = [COMPILER, *SANITIZERS, "-xc", "-", "-o", os.devnull], b"int main(void) { return 0; }"
    if subprocess.run(build, input=empty, capture_output=True, check=False).returncode:
        pytest.skip("the C compiler has no sanitizers")
    return (*FLAGS, *SANITIZERS)


def predict_c(folder: Path, inputs: np.ndarray, outputs: int, name: str = "predict", **how: Any) -> np.ndarray:
    """Return what a function of the header answers to rows."""
    body = "while (fread(x, sizeof x, 1, stdin) == 1) {\n"
    body += f"copi_{name}(x, y);\nfwrite(y, sizeof y, 1, stdout);\n}}"
    printed = run_c(folder, body, inputs.astype(np.float32).tobytes(), **how)
    return np.frombuffer(printed, np.float32).reshape(-1, outputs)


def fields(header: Path, memory: bytes) -> dict[str, np.ndarray]:
    """Return the fields of the struct of a header, from its bytes."""
    struct = re.search(r"typedef struct \{\n(.*?)\} copi_learner;", header.read_text(), re.S)
    values, found = np.frombuffer(memory, np.float32), {}
    for name, count in re.findall(r"float (\w+)\[(\d+)\];", struct[1]):
        found[name], values = values[: int(count)], values[int(count) :]
    assert len(values) == 0
    return found
