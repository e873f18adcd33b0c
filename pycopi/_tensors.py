"""Safetensors files: named tensors and a few texts, with a checksum over both.

NumPy has no bfloat16. Here such a tensor is the 16 bits of each value as whole numbers, beside the name of
its dtype; to NumPy it comes as float32, which holds every bfloat16 exactly. So neither PyTorch nor JAX is
needed to read one.
"""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import Array, HostArray, library, namespace, to_numpy

DTYPES = {"float16": "F16", "float32": "F32", "float64": "F64", "bfloat16": "BF16"}
"""The dtypes of parameters that a file of ours may hold, with the names that the format has for them."""

_COUNTS = {"int32": "I32"}  # what credit counts

_ALIGNMENT = 8  # bytes


class Tensor(NamedTuple):
    """A tensor as files hold it: the format's name of its dtype, and its values, or the bits of bfloat16."""

    dtype: str
    values: HostArray


def to_tensor(name: str, array: Array) -> Tensor:
    """Return an array of any library as files hold it."""
    kind = str(array.dtype).rpartition(".")[2]
    dtypes = {**DTYPES, **_COUNTS}
    if kind not in dtypes:
        msg = f"{name} has dtype {kind}; expected one of {', '.join(DTYPES)}, which model files hold"
        raise TypeError(msg)
    if kind != "bfloat16":
        values = to_numpy(array)
    elif library(array) == "torch":
        values = to_numpy(array.detach().view(namespace(array).int16)).view(np.uint16)
    else:
        values = np.asarray(array, order="C").view(np.uint16)
    return Tensor(dtypes[kind], np.asarray(values, values.dtype.newbyteorder("<"), order="C"))


def from_tensor(tensor: Tensor) -> HostArray:
    """Return the values of a tensor; those of bfloat16 as float32."""
    if tensor.dtype != "BF16":
        return tensor.values
    return (tensor.values.astype(np.uint32) << 16).view(np.float32)


def checksum(tensors: dict[str, Tensor], text: str) -> str:
    """Return a checksum over a text, and over names, dtypes, shapes and bytes of tensors, in any order."""
    digest = hashlib.blake2b(digest_size=16, usedforsecurity=False)
    heads = {name: [tensor.dtype, list(tensor.values.shape)] for name, tensor in sorted(tensors.items())}
    for part in (text, json.dumps(heads)):
        content = part.encode()
        digest.update(struct.pack("<Q", len(content)) + content)
    for name in heads:
        digest.update(_bytes_of(tensors[name]))
    return digest.hexdigest()


def write_tensors(path: Path, tensors: dict[str, Tensor], texts: dict[str, str]) -> None:
    """Write a file; tensors and texts are read back by `read_tensors`, or by any safetensors library."""
    header: dict[str, object] = {"__metadata__": texts}
    end = 0
    for name, (dtype, values) in tensors.items():
        start, end = end, end + values.nbytes
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [start, end]}
    content = json.dumps(header).encode()
    content += b" " * (-len(content) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(content)) + content)
        for tensor in tensors.values():
            file.write(_bytes_of(tensor))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and texts of a file.

    Raises
    ------
    ValueError
        If it is not a whole safetensors file.
    """
    import safetensors
    from safetensors import SafetensorError, safe_open

    deserialize: Any = safetensors.deserialize  # has no annotations
    try:
        with safe_open(path, framework="numpy") as file:
            texts = dict(file.metadata() or {})
            dtypes = {name: str(file.get_slice(name).get_dtype()) for name in file.keys()}
            tensors = {n: Tensor(dtype, file.get_tensor(n)) for n, dtype in dtypes.items() if dtype != "BF16"}
        if len(tensors) < len(dtypes):
            stored = dict(deserialize(path.read_bytes()))
            bits = {name: stored[name] for name, dtype in dtypes.items() if dtype == "BF16"}
            tensors |= {n: Tensor("BF16", _bits(one["data"], one["shape"])) for n, one in bits.items()}
    except (SafetensorError, TypeError, AttributeError) as error:
        msg = f"{path}: not a whole safetensors file ({error}); it is truncated, damaged or of another kind"
        raise ValueError(msg) from error
    return tensors, texts


def _bits(data: bytes, shape: list[int]) -> HostArray:
    return np.frombuffer(data, "<u2").reshape(shape)


def _bytes_of(tensor: Tensor) -> memoryview:
    """Return the bytes of a tensor, in the order of its indices."""
    values = np.asarray(tensor.values, tensor.values.dtype.newbyteorder("<"), order="C")
    return values.reshape(-1).view(np.uint8).data
