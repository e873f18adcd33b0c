"""``predict_fixed`` in C: matrices and signals of 16 bits, each with a power of two as its unit."""

import math
from collections.abc import Sequence

import numpy as np

from pycopi._array import HostArray
from pycopi.export.c_predict import activate, units
from pycopi.export.c_text import Footprint, Part, number, table
from pycopi.export.folded import Folded, FoldedLayer

_HEADROOM = 2.0  # how far signals may go beyond the largest that was seen
_MOST = 46  # bits of a bias in the unit of a sum, which leaves those for the slope of a rectifier
_SLOPE = 15  # bits of that slope

_HELPERS = """
static inline int16_t @_rounded(float value)
{
    if (value >= 32767.0f)
        return 32767;
    return (int16_t)(value > -32767.0f ? value + (value < 0.0f ? -0.5f : 0.5f) : -32767.0f);
}

/* sum / 2^bits, rounded half away from 0, within 16 bits */
static inline int16_t @_shifted(int64_t sum, int bits)
{
    int64_t half = bits ? (int64_t)1 << (bits - 1) : 0;
    int64_t size = ((sum < 0 ? -sum : sum) + half) >> bits;
    size = size > 32767 ? 32767 : size;
    return (int16_t)(sum < 0 ? -size : size);
}

static inline int64_t @_fixed_dot(int n, const int16_t *u, const int16_t *v)
{
    int64_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += (int32_t)u[i] * v[i];
    return sum;
}
"""


def predict_fixed(model: Folded, largest: Sequence[float]) -> Part:
    """Return ``predict_fixed``; ``largest`` are the sizes of the inputs, and of the outputs of each layer."""
    first = 1.0 if model.mean is not None else _HEADROOM
    reach = [first * largest[0], *(_HEADROOM * one for one in largest[1:])]
    bits, tables, flash = _bits(reach[0]), "", 4 * units(model)
    scaled = "inputs[i]" if model.mean is None else "@_standard(i, inputs[i])"
    body = "    for (int i = 0; i < @_inputs; i++)\n"
    body += f"        one[i] = @_rounded({scaled} * {_power(bits)});\n"
    names = ["one", "other"] * len(model.layers)
    for index, layer in enumerate(model.layers, 1):
        weight_bits = _weight_bits(layer, bits)
        sum_bits = bits + weight_bits
        tables += _table("int16_t", f"@_fixed_weight_{index}", layer.weight, weight_bits)
        flash += 2 * layer.weight.size
        if layer.bias is not None:
            tables += _table("int64_t", f"@_fixed_bias_{index}", layer.bias, sum_bits)
            flash += 8 * layer.bias.size
        bits = min(_bits(reach[index]), sum_bits)
        target = "outputs" if index == len(model.layers) else names[index]
        body += _layer(layer, index, names[index - 1], target, sum_bits, bits)
    widths = [model.inputs, *(len(layer.weight) for layer in model.layers[:-1])]
    room = {name: max(widths[first::2], default=0) for first, name in enumerate(("one", "other"))}
    declared = "void @_predict_fixed(const float *inputs, float *outputs)"
    buffers = ", ".join(f"{name}[{size}]" for name, size in room.items() if size)
    code = f"\nstatic inline {declared}\n{{\n    int16_t {buffers};\n{body}}}\n"
    return Part(f"{_HELPERS}{tables}{code}", (declared,), Footprint(flash, 2 * sum(room.values())))


def _bits(largest: float) -> int:
    """Return by how many bits numbers up to a size may be raised to fit into 16."""
    return min(30, math.floor(math.log2(32767.0 / largest))) if largest > 0.0 else 0


def _weight_bits(layer: FoldedLayer, input_bits: int) -> int:
    """Return by how many bits weights are raised, so that a bias beside them fits into its own."""
    bits = _bits(float(np.max(np.abs(layer.weight))))
    bias = 0.0 if layer.bias is None else float(np.max(np.abs(layer.bias)))
    return bits if bias == 0.0 else min(bits, _MOST - input_bits - math.ceil(math.log2(bias)))


def _power(bits: int) -> str:
    return number(2.0**bits)


def _table(kind: str, name: str, values: HostArray, bits: int) -> str:
    return table(kind, name, np.rint(values * 2.0**bits).astype(np.int64).ravel())


def _layer(layer: FoldedLayer, index: int, source: str, target: str, sum_bits: int, bits: int) -> str:
    """Return the loop over the units of a layer; activations that bend are computed in floats."""
    m, n = layer.weight.shape
    code = f"    for (int i = 0; i < {m}; i++) {{\n"
    code += f"        int64_t sum = @_fixed_dot({n}, @_fixed_weight_{index} + (int32_t)i * {n}, {source})"
    code += ";\n" if layer.bias is None else f" + @_fixed_bias_{index}[i];\n"
    if target == "outputs":
        code += f"        outputs[i] = (float)sum * {_power(-sum_bits)};\n    }}\n"
        return code + activate(layer, index, "outputs")
    if layer.activation in ("identity", "leaky_relu"):
        if layer.activation == "leaky_relu":
            slope = round(layer.slope * 2**_SLOPE)
            code += f"        if (sum < 0)\n            sum = -((-sum * {slope}) >> {_SLOPE});\n"
        return f"{code}        {target}[i] = @_shifted(sum, {sum_bits - bits});\n    }}\n"
    code += f"        float value = (float)sum * {_power(-sum_bits)};\n    "
    code += activate(layer, index, "&value", "1", " + i")
    return f"{code}        {target}[i] = @_rounded(value * {_power(bits)});\n    }}\n"
