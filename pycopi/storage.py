"""Model files: safetensors, with the network described as JSON in the metadata; loading one runs no code."""

import json
import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pycopi._array import Array, HostArray, from_numpy
from pycopi._build import VERSION
from pycopi._checks import check_floats
from pycopi._files import whole_file
from pycopi._tensors import Tensor, checksum, from_tensor, read_tensors, to_tensor, write_tensors
from pycopi.activations import ACTIVATIONS
from pycopi.layers import Dense, DenseParameters
from pycopi.network import Network, Parameters

FORMAT = 1
"""Version of the file format; raised when older releases can no longer read the files."""

CHECKSUM = "blake2b-128"
"""How the checksum is made; the description says it, so that a file cannot lose its checksum unnoticed."""


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
        moment, when the new one is complete, and hands on its permissions.
    network : Network
        The description: a `pycopi.Network` of `pycopi.Dense` layers with activations of
        `pycopi.activations`. Types derived from these are refused, since they would not come back.
    parameters : tuple of DenseParameters
        Its parameters, of any library, in float16, bfloat16, float32 or float64.
    details : dict or None
        Anything else to keep, of the kinds that JSON has: settings, history, notes. A tuple comes back as a
        list, and a key that is a number as a string.

    Raises
    ------
    ValueError, TypeError
        If the parameters are not the network's, something cannot be written as JSON, or a type would come
        back as another.
    OSError
        If the file cannot be written, or there is a device, a pipe or a folder of that name; what was there
        before is kept.

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
    network.check_parameters(parameters)
    _check_types(network, parameters)
    description = {
        "format": FORMAT,
        "version": VERSION,
        "checksum": CHECKSUM,
        "network": [_describe(layer) for layer in network.layers],
        "details": details or {},
    }
    tensors = {
        f"layers.{index}.{name}": to_tensor(name, array)
        for index, own in enumerate(parameters)
        for name, array in own.named().items()
    }
    text = json.dumps(description, allow_nan=False)
    texts = {"pycopi": text, "checksum": checksum(tensors, text)}
    with whole_file(path) as temporary:
        try:
            write_tensors(temporary, tensors, texts)
        except OSError as error:  # a full disk, for one
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
        of the file, or in float32 where that is bfloat16, which NumPy does not have.

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

    Notes
    -----
    A file has a checksum over its description and its arrays, so that a single changed bit is noticed.
    Files without one, of earlier versions, are loaded all the same.

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
    """Return description and arrays of a file, or say what is wrong with it."""
    if not path.is_file():
        msg = f"{path}: there is no such file; expected a model that pycopi.save wrote"
        raise FileNotFoundError(msg)
    tensors, texts = read_tensors(path)
    if "pycopi" not in texts:
        msg = f"{path}: a safetensors file, but not one that pycopi wrote; expected one from pycopi.save"
        raise ValueError(msg)
    try:
        description = json.loads(texts["pycopi"])
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
    _check_sum(path, tensors, texts, described="checksum" in description)
    return description, {name: from_tensor(tensor) for name, tensor in tensors.items()}


def _check_sum(path: Path, tensors: dict[str, Tensor], texts: dict[str, str], *, described: bool) -> None:
    """Raise unless a file holds what was saved, or is of a version that gave it no checksum."""
    if not described and "checksum" not in texts:
        return
    noted, found = texts.get("checksum", "missing"), checksum(tensors, texts["pycopi"])
    if noted != found:
        msg = (
            f"{path}: this file is damaged, or another program changed it: its checksum is {noted}, but what "
            f"it holds has {found}; take an undamaged copy, or save it anew with pycopi.save"
        )
        raise ValueError(msg)


def _check_types(network: Network, parameters: Parameters) -> None:
    """Raise if a type is not the very one that `load` would make."""
    named: list[tuple[str, Any, type]] = [("the network", network, Network)]
    for index, (layer, own) in enumerate(zip(network.layers, parameters, strict=True), 1):
        named += [(f"layer {index}", layer, Dense), (f"the parameters of layer {index}", own, DenseParameters)]
    for name, thing, kind in named:
        if type(thing) is not kind:
            msg = (
                f"the type of {name} is {type(thing).__name__}, but a model file would give it back as a "
                f"pycopi.{kind.__name__}; save a pycopi.{kind.__name__} with the same fields, and make your "
                f"own type of it again after pycopi.load"
            )
            raise TypeError(msg)


def _names(tensors: dict[str, HostArray], index: int) -> list[str]:
    prefix = f"layers.{index}."
    return [name.removeprefix(prefix) for name in tensors if name.startswith(prefix)]


def _describe(layer: Dense) -> dict[str, Any]:
    known = {kind: name for name, kind in ACTIVATIONS.items()}
    if type(layer.activation) not in known:
        kinds = ", ".join(kind.__name__ for kind in known)
        msg = (
            f"the activation {layer.activation} is of a type that model files do not know; expected exactly "
            f"one of {kinds}: save the network with one of these, and put your own in again after pycopi.load"
        )
        raise TypeError(msg)
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
