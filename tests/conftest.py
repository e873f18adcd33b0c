"""Fixtures and settings of the whole suite."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # read by SciPy when it is imported, for scikit-learn
if "PYTEST_XDIST_WORKER" in os.environ:  # the processes of the suite share the processors
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from backends import BACKENDS, Backend
from hypothesis import HealthCheck, settings
from stored import NETWORK

import pycopi
from pycopi.data import Dataset, load_dataset
from pycopi.kernels import native

settings.register_profile(
    "pycopi",
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("few", settings.get_profile("pycopi"), max_examples=6)
settings.load_profile("pycopi")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Count lines on NumPy and PyTorch: others run the same, and counting makes a test half as long again."""
    if not config.pluginmanager.hasplugin("_cov"):
        return
    for item in items:
        for backend in item.callspec.params.values() if hasattr(item, "callspec") else ():
            if isinstance(backend, Backend) and backend.name not in ("numpy", "torch"):
                item.add_marker("no_cover")


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
    call("train", "digits", *SMALL, "--output", folder, "--quiet", draws=True)
    return folder


@pytest.fixture(scope="session")
def trained() -> tuple[pycopi.Network, tuple[pycopi.DenseParameters, ...], Dataset]:
    """A network trained on the digits, its parameters, and the data."""
    digits = load_dataset("digits")
    network = pycopi.mlp([64, 64, 64, 10])
    chosen = pycopi.Settings(rate=1e-2, gain=100.0, decorrelation=pycopi.Decorrelation(rate=1e-2))
    state = pycopi.fit(
        network, network.init(0), digits.x_train, digits.y_train, epochs=8, batch_size=20, settings=chosen
    )
    return network, state.parameters, digits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a test."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of data sets away from the data and the cache of the person who runs the tests."""
    monkeypatch.delenv("PYCOPI_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "pycopi"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file of the small model that ``stored`` describes."""
    path = tmp_path / "m.safetensors"
    pycopi.save(path, NETWORK, NETWORK.init(0))
    return path
