"""What learns in C and where it is kept: a struct, and the constants that it begins with."""

from typing import Any, NamedTuple

import numpy as np

from pycopi.export.c_text import floats
from pycopi.export.folded import FoldedLayer
from pycopi.layers import DenseParameters
from pycopi.rules.learning import Learning


class LearningLayer(NamedTuple):
    """A layer with its parameters, and how it learns; ``place`` counts from 1."""

    place: int
    own: DenseParameters
    folded: FoldedLayer
    how: Learning

    @property
    def sizes(self) -> tuple[int, int]:
        m, n = self.own.weight.shape
        return int(m), int(n)

    def field(self, name: str) -> str:
        """Return a field of the struct, 0 for a parameter that the layer does not have."""
        return f"self->{name}_{self.place}" if getattr(self.own, name, 1) is not None else "0"

    def learned(self) -> dict[str, Any]:
        """Return the parameters that the layer has, by the names of their fields."""
        names = ("weight", "decorrelator", "bias")
        return {name: values for name in names if (values := getattr(self.own, name)) is not None}


def is_identity(matrix: Any) -> bool:
    """Return whether a matrix is the identity, which takes no flash."""
    return bool((matrix == np.eye(len(matrix))).all())


def start(layers: list[LearningLayer]) -> tuple[str, str, int]:
    """Return the first parameters as tables, what copies them, and how many numbers these are."""
    tables, body, count = "", "", 0
    for layer in layers:
        for name, values in layer.learned().items():
            if name == "decorrelator" and is_identity(values):
                body += f"    @_identity({len(values)}, {layer.field(name)});\n"
                continue
            tables += floats(f"@_first_{name}_{layer.place}", values)
            body += f"    @_copy({values.size}, @_first_{name}_{layer.place}, {layer.field(name)});\n"
            count += values.size
    return tables, body, count


def struct(layers: list[LearningLayer]) -> tuple[str, int]:
    """Return the struct, and its size in bytes."""
    fields: dict[str, int] = {}
    for layer in layers:
        m, n = layer.sizes
        fields |= {f"{name}_{layer.place}": values.size for name, values in layer.learned().items()}
        fields |= {f"x_{layer.place}": n, f"a_{layer.place}": m}
    widest = max(max(layer.sizes) for layer in layers)
    fields |= {name: widest for name in ("signal", "delta", "pulled", "kept")}
    size = 4 * sum(fields.values())
    code = "/* What has been learned, and room for one step. */\ntypedef struct {\n"
    code += "".join(f"    float {name}[{count}];\n" for name, count in fields.items())
    code += "} @_learner;\n\n"
    code += f"typedef char @_learner_is_as_large_as_stated[sizeof(@_learner) == {size} ? 1 : -1];\n"
    return code, size
