"""A network for model files, and files that pycopi itself does not write."""

import json
import struct

import numpy as np

import pycopi
from pycopi._tensors import to_tensor, write_tensors
from pycopi.activations import LeakyReLU

NETWORK = pycopi.mlp([4, 5, 3], activation=LeakyReLU(0.25), output_activation="sigmoid", bias=True)


def rewrite(path, change, *, keep=False):
    """Write a model file anew with a changed description, and without its checksum unless that is kept."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    description = json.loads(header["__metadata__"]["pycopi"])
    if not keep:
        del header["__metadata__"]["checksum"], description["checksum"]
    change(description, header)
    if "pycopi" in header["__metadata__"]:
        header["__metadata__"]["pycopi"] = json.dumps(description)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def old_file(path, network, parameters, history=None):
    """Write a file as earlier versions did: what optimizer and credit keep is among the parameters."""
    details = {} if history is None else {"history": [record.as_json() for record in history], "selected": None}
    text = json.dumps(
        {
            "format": 1,
            "version": "0.1.0",
            "network": [
                {
                    "kind": "dense", "inputs": layer.inputs, "outputs": layer.outputs, "bias": layer.bias,
                    "decorrelated": layer.decorrelated, "standardized": layer.standardized,
                    "activation": {"name": "identity"},
                }
                for layer in network.layers
            ],
            "details": details,
        }
    )  # fmt: skip
    tensors = {
        f"layers.{index}.{name}": to_tensor(name, array)
        for index, own in enumerate(parameters)
        for name, array in own.items()
    }
    write_tensors(path, tensors, {"pycopi": text})


def in_the_old_form(state):
    """Return the parameters of each layer by name, with the moments and the feedback among them."""
    found = []
    for index, (own, memory) in enumerate(zip(state.parameters, state.optimizer, strict=True)):
        feedback = state.credit[index - 1] if index else np.ones_like(own.weight)  # which nothing used
        moments = {"moments": memory["weight"]["moments"], "gathered": memory["weight"]["corrections"]}
        parts = {**moments, "bias_moments": memory["bias"]["moments"], "feedback": feedback}
        found.append({**own.named(), **parts})
    return found
