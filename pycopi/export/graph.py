"""A network as the nodes of ONNX, before ONNX is there: for files, and for the converters of skl2onnx."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import HostArray
from pycopi.export.folded import Folded, FoldedLayer
from pycopi.rules.standardisation import LIMIT


class Node(NamedTuple):
    """A call of an operator of ONNX, by the names of what goes in and comes out."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


class Graph:
    """Nodes in their order, and constants; ``unique`` makes a name that nothing else has."""

    def __init__(self, dtype: str, unique: Callable[[str], str] = str) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, HostArray] = {}
        self._dtype, self._unique = dtype, unique

    def constant(self, name: str, values: Any) -> str:
        """Add a constant, real numbers in the dtype of the graph, and return its name."""
        name, array = self._unique(name), np.asarray(values)
        self.constants[name] = array.astype(self._dtype) if array.dtype.kind == "f" else array
        return name

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node, and return the name of its output: ``name`` itself, or one that is made."""
        output = name or self._unique(f"{operator.lower()}_{len(self.nodes) + 1}")
        self.nodes.append(Node(operator, inputs, output, attributes))
        return output

    def network(self, model: Folded, inputs: str) -> str:
        """Add a network, and return the name of its outputs (N, m)."""
        signal = inputs
        if model.mean is not None:
            centred = self.add("Sub", signal, self.constant("mean", model.mean))
            scaled = self.add("Div", centred, self.constant("spread", model.spread))
            limits = (self.constant(name, value) for name, value in (("low", -LIMIT), ("high", LIMIT)))
            signal = self.add("Clip", scaled, *limits)
        for number, layer in enumerate(model.layers, 1):
            weights = [self.constant(f"weight_{number}", layer.weight)]
            if layer.bias is not None:
                weights.append(self.constant(f"bias_{number}", layer.bias))
            signal = self._activation(self.add("Gemm", signal, *weights, transB=1), layer, number)
        return signal

    def _activation(self, signal: str, layer: FoldedLayer, number: int) -> str:
        if layer.activation == "affine":
            scaled = self.add("Mul", signal, self.constant(f"scale_{number}", layer.scale))
            return self.add("Add", scaled, self.constant(f"offset_{number}", layer.offset))
        if layer.activation == "leaky_relu" and layer.slope > 0.0:
            if self._dtype == "float32":
                return self.add("LeakyRelu", signal, alpha=layer.slope)
            lower = self.add("Mul", signal, self.constant(f"slope_{number}", layer.slope))
            return self.add("Max", signal, lower)  # onnxruntime has no LeakyRelu of float64
        operator = {"leaky_relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}.get(layer.activation)
        return self.add(operator, signal) if operator else signal

    def label(self, scores: str, classes: HostArray, name: str) -> str:
        """Add the label (N,) of the largest score in each row, by a name."""
        labels = self._unique("classes")
        self.constants[labels] = classes.astype(object) if classes.dtype.kind == "U" else classes
        return self.add("Gather", labels, self.add("ArgMax", scores, axis=1, keepdims=0), name=name)
