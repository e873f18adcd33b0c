"""Fixtures and settings of the whole suite."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # read by SciPy when it is imported, for scikit-learn
if "PYTEST_XDIST_WORKER" in os.environ:  # the processes of the suite share the processors
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from backends import BACKENDS, Backend
from hypothesis import HealthCheck, settings

from pycopi.kernels import native

settings.register_profile(
    "pycopi",
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("compiled", settings.get_profile("pycopi"), max_examples=8)
settings.load_profile("pycopi")


@pytest.fixture(autouse=True)
def _keep_instruction_set() -> Iterator[None]:
    """Leave the C core, where there is one, in the instruction set that it had."""
    if not native.available:
        yield
        return
    from pycopi import _core

    kept = _core.instruction_set()
    yield
    _core.set_instruction_set(kept)


def _provide(backend: Backend) -> Backend:
    backend.require()
    backend.xp  # noqa: B018  (imports and configures the library)
    return backend


@pytest.fixture(scope="session", params=BACKENDS, ids=str)
def xp(request: pytest.FixtureRequest) -> Backend:
    """Every backend in turn, lazy and traced ones included."""
    return _provide(request.param)


@pytest.fixture(scope="session", params=[b for b in BACKENDS if b.name not in ("dask", "jax-jit")], ids=str)
def eager(request: pytest.FixtureRequest) -> Backend:
    """Every backend whose values can be read at once."""
    return _provide(request.param)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20231)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run of the command on the digits, which is only read."""
    from command import SMALL, call  # needs the extra "cli"

    folder = tmp_path_factory.mktemp("runs") / "deep" / "digits"
    call("train", "digits", *SMALL, "--output", folder, "--quiet")
    return folder
