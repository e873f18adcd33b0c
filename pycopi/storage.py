"""Model files: safetensors, with the network described as JSON in the metadata; loading one runs no code."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from pycopi._array import Array, HostArray
from pycopi._build import VERSION
from pycopi._checks import check_floats
from pycopi._files import whole_file
from pycopi._tensors import Tensor, checksum, from_tensor, read_tensors, to_tensor, write_tensors
from pycopi._trees import Tree, as_tree, named_arrays
from pycopi.activations import ACTIVATIONS
from pycopi.layers import Dense, SubspaceDense
from pycopi.network import Network, Parameters, transferred
from pycopi.rules.subspace import SubspaceDecorrelation
from pycopi.state import State

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
        The description. Layers and activations of other types than pycopi's are noted by their text, so that
        `load` needs the network to bring them back.
    parameters : tuple of DenseParameters
        Its parameters, of any library, in float16, bfloat16, float32 or float64.
    details : dict or None
        Anything else to keep, of the kinds that JSON has: settings, history, notes. A tuple comes back as a
        list, and a key that is a number as a string.

    Raises
    ------
    ValueError, TypeError
        If the parameters are not the network's, something cannot be written as JSON, or the network is of a
        type that would come back as another.
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
    write_state(path, network, State(parameters), details)


def write_state(
    path: str | os.PathLike[str], network: Network, state: State, details: dict[str, Any] | None
) -> None:
    """Write what `save` does, and what optimizer and credit keep, which `load` leaves alone."""
    parameters = state.parameters
    network.check_parameters(parameters)
    _check_types(network, parameters)
    description = {
        "format": FORMAT,
        "version": VERSION,
        "checksum": CHECKSUM,
        "network": [_describe(layer) for layer in network.layers],
        "details": details or {},
    }
    named = named_arrays({"layers": parameters, "optimizer": state.optimizer, "credit": state.credit})
    tensors = {name: to_tensor(name.rpartition(".")[2], array) for name, array in named.items()}
    text = json.dumps(description, allow_nan=False)
    texts = {"pycopi": text, "checksum": checksum(tensors, text)}
    with whole_file(path) as temporary:
        try:
            write_tensors(temporary, tensors, texts)
        except OSError as error:  # a full disk, for one
            msg = f"{path}: the file cannot be written ({error})"
            raise OSError(msg) from error


def load(path: str | os.PathLike[str], *, like: Array | None = None, network: Network | None = None) -> Saved:
    """Return the network, parameters and details that a file holds.

    Parameters
    ----------
    path : path
        A file that `save` wrote.
    like : array, real floating, or None
        An array whose library, device and dtype the parameters get; None gives NumPy arrays in the dtype
        of the file, or in float32 where that is bfloat16, which NumPy does not have.
    network : Network or None
        The network that was saved, where it has layers or activations of your own types; None makes it from
        the file.

    Returns
    -------
    Saved
        ``network``, ``parameters`` and ``details``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is truncated or damaged, of another kind, or written by a newer version, or holds another
        network than the one given, or types that need one.

    Notes
    -----
    A file has a checksum over its description and its arrays, so that a single changed bit is noticed.
    Files without one, of earlier versions, are loaded all the same.

    Examples
    --------
    See `save`.
    """
    return read_state(path, like, network)[0]


def read_state(
    path: str | os.PathLike[str], like: Array | None = None, network: Network | None = None
) -> tuple[Saved, State]:
    """Return what `load` does, and it as a state with what optimizer and credit keep, without its history."""
    if like is not None:
        check_floats(like=like)
    description, tensors = _read(Path(path))
    _check_network(path, description, network)
    try:
        network = network or Network(tuple(_restore(layer) for layer in description["network"]))
        own = _beside(tensors)
        places = (f"layers.{index}." for index in range(len(network.layers)))
        parts = [{n.removeprefix(p): a for n, a in tensors.items() if n.startswith(p)} for p in places]
        pairs = zip(network.layers, parts, strict=True)
        parameters = tuple(layer.parameters(**part) for layer, part in pairs)
        network.check_parameters(parameters)
        details = dict(description["details"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{path}: the model in this file is damaged ({error}); save it anew"
        raise ValueError(msg) from error
    if like is not None:
        parameters, own = transferred((parameters, own), like)
    return Saved(network, parameters, details), State(parameters, own["optimizer"], own["credit"])


_OF_ADAM = {"moments": "weight.moments", "bias_moments": "bias.moments"}  # in files of earlier versions


def _beside(tensors: dict[str, HostArray]) -> dict[str, Tree]:
    """Take what is of optimizer and credit out of the tensors, and return it as trees.

    Earlier versions had it among the parameters: Adam's ``moments``, ``bias_moments`` and ``gathered``, and
    ``feedback``, of which that of the lowest layer was never used.
    """
    found: dict[str, dict[str, HostArray]] = {"optimizer": {}, "credit": {}}
    for place in list(tensors):
        room, index, name = (*place.split(".", 2), "", "")[:3]
        if room in found:
            found[room][place.partition(".")[2]] = tensors.pop(place)
        elif name in _OF_ADAM:
            new = f"{index}.{_OF_ADAM[name]}"
            found["optimizer"][new] = tensors.pop(place)
            gathered = tensors[f"{room}.{index}.gathered"]
            found["optimizer"][new.replace("moments", "corrections")] = gathered.copy()
        elif name == "feedback":
            feedback = tensors.pop(place)
            if int(index) > 0:
                found["credit"][str(int(index) - 1)] = feedback
    for place in [place for place in tensors if place.endswith(".gathered")]:
        del tensors[place]
    return {room: as_tree(named) for room, named in found.items()}


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
        named.append((f"the parameters of layer {index}", own, layer.parameters))
    for name, thing, kind in named:
        if type(thing) is not kind:
            msg = (
                f"the type of {name} is {type(thing).__name__}, but a model file would give it back as a "
                f"{kind.__name__}; save a {kind.__name__} with the same fields, and make your own type of it "
                f"again after pycopi.load"
            )
            raise TypeError(msg)


def _check_network(path: str | os.PathLike[str], description: dict[str, Any], network: Network | None) -> None:
    """Raise unless a file holds the network that is given, or one that needs none."""
    held = description.get("network")
    if network is not None and json.loads(json.dumps([_describe(layer) for layer in network.layers])) != held:
        msg = f"{path}: this file is of another network: {held}; give the one that was saved, or another file"
        raise ValueError(msg)
    own = [layer for layer in held if "own" in layer] if network is None and isinstance(held, list) else []
    if own:
        msg = f"{path}: this file holds {own[0]['own']}, of a type that pycopi does not know; "
        msg += "give the network that was saved: pycopi.load(path, network=network)"
        raise ValueError(msg)


_KINDS: dict[str, type[Dense | SubspaceDense]] = {"dense": Dense, "subspace": SubspaceDense}


def _describe(layer: Any) -> dict[str, Any]:
    """Return a layer as JSON has it; one of another type, or with such an activation, as its text alone."""
    kinds = {kind: name for name, kind in _KINDS.items()}
    known = {kind: name for name, kind in ACTIVATIONS.items()}
    if type(layer) not in kinds or type(layer.activation) not in known:
        return {"own": repr(layer)}
    activation = {"name": known[type(layer.activation)], **asdict(layer.activation)}
    return {"kind": kinds[type(layer)], **asdict(layer), "activation": activation}


def _restore(description: dict[str, Any]) -> Dense | SubspaceDense:
    fields = dict(description)
    kind = fields.pop("kind")
    if kind not in _KINDS:
        msg = f"there is no layer of kind {kind!r}"
        raise ValueError(msg)
    activation = dict(fields.pop("activation"))
    if "decorrelation" in fields:
        fields["decorrelation"] = SubspaceDecorrelation(**fields["decorrelation"])
    return _KINDS[kind](**fields, activation=ACTIVATIONS[activation.pop("name")](**activation))
