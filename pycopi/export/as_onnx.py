"""The file of ONNX."""

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from pycopi._array import HostArray
from pycopi._build import VERSION
from pycopi._files import whole_file
from pycopi.data.targets import Label
from pycopi.export.folded import Folded, fold
from pycopi.export.graph import Graph
from pycopi.network import Network, Parameters

OPSET = 17
"""The version of ONNX's operators, which runtimes of 2022 and later have."""

_FORMAT = 8  # of the file: the one that came with that opset


def onnx(
    network: Network,
    parameters: Parameters,
    path: str | os.PathLike[str],
    *,
    classes: Sequence[Label] | None = None,
    probabilities: bool = False,
) -> None:
    """Write a network as an ONNX file.

    Parameters
    ----------
    network, parameters, path, classes, probabilities : Network, tuple, path, sequence or None, bool
        As for `c`; by custom the file ends in ``.onnx``.

    Raises
    ------
    ImportError
        If the package onnx is not installed.
    TypeError, ValueError
        As `c` does, or if the parameters are not finite.
    OSError
        If the file cannot be written.

    Notes
    -----
    The one input is ``inputs`` (N, n), for any N, float64 where the parameters are, else float32. With classes
    the outputs are ``label`` (N,), and ``probabilities`` or ``scores`` (N, m); without, ``outputs`` (N, m).
    Scores and outputs are those of `Network.predict`. The operators are those of opset 17. The labels are
    among the file's metadata too, as JSON under ``classes``.

    Examples
    --------
    >>> import pycopi
    >>> network = pycopi.mlp([3, 2])
    >>> parameters = network.init(seed=0)
    >>> pycopi.export.onnx(network, parameters, "model.onnx", classes=["ape", "bee"])  # doctest: +SKIP
    """
    made = as_model(fold(network, parameters, classes, probabilities))
    with whole_file(path) as temporary:
        temporary.write_bytes(made.SerializeToString())


def as_model(model: Folded) -> Any:
    """Return a network as a model of the package onnx, checked by it."""
    try:
        from onnx import checker, helper, numpy_helper
    except ImportError as error:
        msg = 'export to ONNX needs the package onnx, which is not installed: pip install "pycopi[onnx]"'
        raise ImportError(msg, name="onnx") from error
    graph = Graph(model.dtype)
    results = _results(graph, model)
    kind = helper.np_dtype_to_tensor_dtype
    real = kind(np.dtype(model.dtype))
    nodes = [helper.make_node(one.operator, one.inputs, [one.output], **one.attributes) for one in graph.nodes]
    values = [
        helper.make_tensor_value_info(name, real if labels is None else kind(labels.dtype), ["batch", *shape])
        for name, (shape, labels) in results.items()
    ]
    inputs = helper.make_tensor_value_info("inputs", real, ["batch", model.inputs])
    constants = [numpy_helper.from_array(values, name) for name, values in graph.constants.items()]
    made = helper.make_model(
        helper.make_graph(nodes, "pycopi", [inputs], values, constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_FORMAT,
        producer_name="pycopi",
        producer_version=VERSION,
        doc_string=f"A network {model.text()} with its scaling inside, of ONNX opset {OPSET}.",
    )
    if model.classes is not None:
        helper.set_model_props(made, {"classes": json.dumps(model.classes.tolist())})
    checker.check_model(made, full_check=True)
    return made


def _results(graph: Graph, model: Folded) -> dict[str, tuple[list[int], HostArray | None]]:
    """Add a network from ``inputs`` on; return the shape of each result after the batch, and its labels."""
    scores = graph.network(model, "inputs")
    operator, attributes = ("Softmax", {"axis": 1}) if model.probabilities else ("Identity", {})
    name = "outputs" if model.classes is None else "probabilities" if model.probabilities else "scores"
    results: dict[str, tuple[list[int], HostArray | None]] = {}
    if model.classes is not None:
        label = graph.label(scores, model.classes, "label")
        results[label] = [], graph.constants["classes"]
    results[graph.add(operator, scores, name=name, **attributes)] = [model.outputs], None
    return results
