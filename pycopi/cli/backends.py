"""Array libraries by name, of which only the one that is named is imported, and models on them."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from pycopi._array import Array
from pycopi.cli.flags import Given
from pycopi.state import State
from pycopi.storage import Saved, read_state
from pycopi.training.checkpoint import chosen_model

_MODULES = {"array-api-strict": "array_api_strict"}
_INSTALL = {"array-api-strict": "pip install array-api-strict"}


def load_model(given: Given) -> tuple[Path, Saved, State, Array]:
    """Return the file of the model that a command names, the model, its state, and an array of its library."""
    model, backend = given["model"], given.get("backend", "numpy")
    path = chosen_model(model) if model.is_dir() else model
    saved, state = read_state(path)
    like = reference_array(backend, given.get("device"), saved.parameters[0].weight.dtype.name)
    return path, *((saved, state) if backend == "numpy" else read_state(path, like)), like


def reference_array(backend: str, device: str | None, dtype: str) -> Array:
    """Return an empty array whose library, device and dtype a run's arrays get."""
    try:
        return _MAKERS[backend](device, dtype)
    except ModuleNotFoundError as error:
        if error.name != _MODULES.get(backend, backend):
            raise
        install = _INSTALL.get(backend, f'pip install "pycopi[{backend}]"')
        msg = f"--backend {backend} is not installed; install it with: {install}"
        raise ImportError(msg) from error
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0]
        msg = (
            f"--device is {device!r}, which {backend} cannot use ({reason}); "
            f"name another device, or leave the flag out"
        )
        raise ValueError(msg) from error


def _numpy(device: str | None, dtype: str) -> Array:
    if device not in (None, "cpu"):
        msg = "NumPy has only the device cpu"
        raise ValueError(msg)
    return np.empty(0, dtype)


def _torch(device: str | None, dtype: str) -> Array:
    torch = import_module("torch")

    return torch.empty(0, dtype=getattr(torch, dtype), device=device)


def _jax(device: str | None, dtype: str) -> Array:
    jax = import_module("jax")

    if dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    empty = jax.numpy.empty(0, dtype)
    return empty if device is None else jax.device_put(empty, _nth(device, jax.devices))


def _nth(device: str, devices: Any) -> Any:
    """Return the device of a text such as ``"cuda:1"``."""
    kind, _, index = device.partition(":")
    found = devices(kind)
    number = int(index or 0)
    if not 0 <= number < len(found):
        msg = f"there are {len(found)} of that kind"
        raise ValueError(msg)
    return found[number]


def _cupy(device: str | None, dtype: str) -> Array:
    cupy = import_module("cupy")

    number = int((device or "cuda:0").removeprefix("cuda").removeprefix(":") or 0)
    cupy.cuda.Device(number).use()
    return cupy.empty(0, dtype)


def _array_api_strict(device: str | None, dtype: str) -> Array:
    xp = import_module("array_api_strict")

    place = None if device is None else xp.Device(device)
    return xp.empty(0, dtype=getattr(xp, dtype), device=place)


_MAKERS = {
    "numpy": _numpy,
    "torch": _torch,
    "jax": _jax,
    "cupy": _cupy,
    "array-api-strict": _array_api_strict,
}
