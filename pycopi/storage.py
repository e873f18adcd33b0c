"""Model files: safetensors, with the network described as JSON in the metadata; loading one runs no code."""

import json
import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, HostArray, from_numpy, to_numpy
from pycopi._build import VERSION
from pycopi._checks import check_floats
from pycopi._files import whole_file
from pycopi.activations import ACTIVATIONS
from pycopi.layers import Dense, DenseParameters
from pycopi.network import Network, Parameters

FORMAT = 1
"""Version of the file format; raised when older releases can no longer read the files."""

DTYPES = ("float16", "float32", "float64")
"""What the parameters in a file may be."""


class Saved(NamedTuple):
    """What `load` returns: the network, its parameters, and the details that were saved with them."""

    network: Network
    parameters: Parameters
    details: dict[str, Any]


def save(
    path: str | os.PathLike[str],
    network: Network,
    parameters: Parameters,
    *,
    details: dict[str, Any] | None = None,
) -> None:
    """Write a network and its parameters to a file.

    Parameters
    ----------
    path : path
        File to write; by custom it ends in ``.safetensors``. One that is already there is replaced in one
        moment, when the new one is complete.
    network : Network
        The description; its activations must be those of `pycopi.activations`.
    parameters : tuple of DenseParameters
        Its parameters, of any library.
    details : dict or None
        Anything else to keep, of the kinds that JSON has: settings, history, notes.

    Raises
    ------
    ValueError, TypeError
        If the parameters are not the network's, or something cannot be written as JSON.
    OSError
        If the file cannot be written; whatever stood there before is kept.

    Examples
    --------
    >>> import pycopi, tempfile, pathlib
    >>> network = pycopi.mlp([3, 2])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model.safetensors"
    ...     pycopi.save(path, network, network.init(seed=0), details={"note": "untrained"})
    ...     pycopi.load(path).details
    {'note': 'untrained'}
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    network.check_parameters(parameters)
    description = {
        "format": FORMAT,
        "version": VERSION,
        "network": [_describe(layer) for layer in network.layers],
        "details": details or {},
    }
    tensors = {
        f"layers.{index}.{name}": _storable(name, array)
        for index, own in enumerate(parameters)
        for name, array in own.named().items()
    }
    text = json.dumps(description, allow_nan=False)
    with whole_file(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"pycopi": text})
        except SafetensorError as error:  # a full disk, for one
            msg = f"{path}: the file cannot be written ({error})"
            raise OSError(msg) from error


def load(path: str | os.PathLike[str], *, like: Array | None = None) -> Saved:
    """Return the network, parameters and details that a file holds.

    Parameters
    ----------
    path : path
        A file that `save` wrote.
    like : array, real floating, or None
        An array whose library, device and dtype the parameters get; None gives NumPy arrays in the dtype
        of the file.

    Returns
    -------
    Saved
        ``network``, ``parameters`` and ``details``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is truncated or damaged, of another kind, or written by a newer version.

    Examples
    --------
    See `save`.
    """
    if like is not None:
        check_floats(like=like)
    description, tensors = _read(Path(path))
    try:
        network = Network(tuple(_restore(layer) for layer in description["network"]))
        parameters = tuple(
            DenseParameters(**{name: tensors.pop(f"layers.{index}.{name}") for name in _names(tensors, index)})
            for index in range(len(network.layers))
        )
        network.check_parameters(parameters)
        details = dict(description["details"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{path}: the model in this file is damaged ({error}); save it anew"
        raise ValueError(msg) from error
    if like is not None:
        move = partial(from_numpy, like=like, dtype=like.dtype)
        parameters = tuple(own.map(move) for own in parameters)
    return Saved(network, parameters, details)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, HostArray]]:
    """Return description and tensors of a file, or say what is wrong with it."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        msg = f"{path}: there is no such file; expected a model that pycopi.save wrote"
        raise FileNotFoundError(msg)
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("pycopi")
            tensors = {} if text is None else {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, TypeError, AttributeError) as error:
        msg = f"{path}: not a whole safetensors file ({error}); it is truncated, damaged or of another kind"
        raise ValueError(msg) from error
    if text is None:
        msg = f"{path}: a safetensors file, but not one that pycopi wrote; expected one from pycopi.save"
        raise ValueError(msg)
    try:
        description = json.loads(text)
        written, version = int(description["format"]), str(description["version"])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        msg = f"{path}: the description in this file is damaged; save it anew"
        raise ValueError(msg) from error
    if written > FORMAT:
        msg = (
            f"{path}: written by pycopi {version} in file format {written}, but this is pycopi {VERSION}, "
            f"which reads formats up to {FORMAT}; upgrade pycopi"
        )
        raise ValueError(msg)
    return description, tensors


def _names(tensors: dict[str, HostArray], index: int) -> list[str]:
    prefix = f"layers.{index}."
    return [name.removeprefix(prefix) for name in tensors if name.startswith(prefix)]


def _describe(layer: Dense) -> dict[str, Any]:
    known = {kind: name for name, kind in ACTIVATIONS.items()}
    if type(layer.activation) not in known:
        msg = f"the activation {layer.activation} has no name to save it by"
        msg += f"; expected one of {', '.join(ACTIVATIONS)}"
        raise ValueError(msg)
    fields: Any = layer.activation
    activation = {"name": known[type(layer.activation)], **asdict(fields)}
    return {
        "kind": "dense",
        "inputs": layer.inputs,
        "outputs": layer.outputs,
        "activation": activation,
        "bias": layer.bias,
        "decorrelated": layer.decorrelated,
        "standardized": layer.standardized,
    }


def _restore(description: dict[str, Any]) -> Dense:
    fields = dict(description)
    kind = fields.pop("kind")
    if kind != "dense":
        msg = f"there is no layer of kind {kind!r}"
        raise ValueError(msg)
    activation = dict(fields.pop("activation"))
    return Dense(**fields, activation=ACTIVATIONS[activation.pop("name")](**activation))


def _storable(name: str, array: Array) -> HostArray:
    """Return the values of a parameter as a model file can hold them."""
    kind = str(array.dtype).rpartition(".")[2]
    if kind not in DTYPES:
        msg = f"{name} has dtype {kind}; expected one of {', '.join(DTYPES)}, which model files hold"
        raise TypeError(msg)
    return np.ascontiguousarray(to_numpy(array))
