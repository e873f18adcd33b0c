"""The array libraries that the suite runs on, and how arrays get there and back.

A backend named in ``PYCOPI_TEST_BACKENDS`` (commas between) that is not installed is an error; any other
that is not installed is a visible skip. ``PYCOPI_TEST_DEVICE=cuda`` has the tensors of PyTorch on a GPU; JAX
takes one where it finds it.
"""

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np
import pytest

REQUIRED = tuple(filter(None, os.environ.get("PYCOPI_TEST_BACKENDS", "").split(",")))


@dataclass(frozen=True)
class Backend:
    """One library, on one device, with what is peculiar to it."""

    name: str
    module: str
    device: str | None = None
    read_only: bool = False
    jitted: bool = False

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.module.partition(".")[0]) is not None

    def require(self) -> None:
        """Skip the test that needs this backend where it cannot work, or fail it where it was named."""
        if not self.installed:
            if self.name in REQUIRED:
                pytest.fail(f"PYCOPI_TEST_BACKENDS names {self.name}, which is not installed")
            pytest.skip(f"{self.name} is not installed")

    @functools.cached_property
    def xp(self) -> Any:
        if self.name.startswith("jax"):
            config = importlib.import_module("jax").config
            config.update("jax_enable_x64", True)
            config.update("jax_numpy_rank_promotion", "raise")
            config.update("jax_disable_most_optimizations", True)  # most of the time goes into compiling
        if self.module == "array_api_strict":
            strict = importlib.import_module("array_api_strict")
            strict.set_array_api_strict_flags(
                boolean_indexing=False, data_dependent_shapes=False, enabled_extensions=()
            )
        return importlib.import_module(self.module)

    def asarray(self, values: np.ndarray) -> Any:
        """Return a fresh array of this backend with the values and the dtype of a NumPy array."""
        values = np.array(values)
        if self.read_only:
            values.flags.writeable = False
        if self.name in ("numpy", "numpy-readonly"):
            return values
        keywords = {"device": self._named(self.device)} if self.device else {}
        return self.xp.asarray(values, **keywords)

    def numpy(self, array: Any) -> np.ndarray:
        """Return the values of an array of this backend."""
        if self.name == "cupy":
            return array.get()
        if self.device:
            host = "cpu" if self.name == "torch" else "CPU_DEVICE"
            array = array_api_compat.to_device(array, self._named(host))
        return np.asarray(array)

    def _named(self, device: str) -> Any:
        """Return the device of a name."""
        return self.xp.device(device) if self.name == "torch" else self.xp.Device(device)

    def call(self, function: Callable[..., Any], *arrays: Any, **settings: Any) -> Any:
        """Call a pure function, compiled where this backend stands for compiled code."""
        bound = functools.partial(function, **settings)
        if self.jitted:
            return importlib.import_module("jax").jit(bound)(*arrays)
        if self.name == "dask":  # once, rather than again for each array that a test reads
            return importlib.import_module("dask").persist(bound(*arrays), scheduler="synchronous")[0]
        return bound(*arrays)

    def __str__(self) -> str:
        return self.name


# What is made on the library's own device is an error on another one; before NumPy 2 arrays cannot move there.
_ELSEWHERE = "device1" if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else "CPU_DEVICE"

BACKENDS = (
    Backend("numpy", "numpy"),
    Backend("numpy-readonly", "numpy", read_only=True),
    Backend("array-api-strict", "array_api_strict", device=_ELSEWHERE),
    Backend("torch", "torch", device=os.environ.get("PYCOPI_TEST_DEVICE")),
    Backend("jax", "jax.numpy"),
    Backend("jax-jit", "jax.numpy", jitted=True),
    Backend("dask", "dask.array"),
    Backend("cupy", "cupy"),
)
EAGER = tuple(b for b in BACKENDS if b.name not in ("dask", "jax-jit"))
NUMPY = BACKENDS[0]
