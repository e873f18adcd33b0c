"""``predict`` in C: the folded network on 32-bit floats."""

from pycopi.export.c_text import Footprint, Part, floats, number, quoted, table
from pycopi.export.folded import Folded, FoldedLayer
from pycopi.rules.standardisation import LIMIT

_DENSE = """\
/* The product of two vectors, in four sums, which round less than one. */
static inline float @_dot(int n, const float *u, const float *v)
{
    float s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    int i = 0;
    for (; i + 3 < n; i += 4) {
        s0 += u[i] * v[i];
        s1 += u[i + 1] * v[i + 1];
        s2 += u[i + 2] * v[i + 2];
        s3 += u[i + 3] * v[i + 3];
    }
    for (; i < n; i++)
        s0 += u[i] * v[i];
    return (s0 + s1) + (s2 + s3);
}

/* y = W x + b, where W has m rows; b may be 0. */
static inline void @_dense(int m, int n, const float *w, const float *b, const float *x, float *y)
{
    for (int i = 0; i < m; i++, w += n)
        y[i] = @_dot(n, w, x) + (b ? b[i] : 0.0f);
}
"""

_STANDARDISE = f"""
/* Input i as clip((x - mean) / spread, -{LIMIT:g}, {LIMIT:g}) */
static inline float @_standard(int i, float x)
{{
    float y = (x - @_mean[i]) / @_spread[i];
    return y < {number(-LIMIT)} ? {number(-LIMIT)} : y > {number(LIMIT)} ? {number(LIMIT)} : y;
}}

static inline void @_standardise(const float *x, float *y)
{{
    for (int i = 0; i < @_inputs; i++)
        y[i] = @_standard(i, x[i]);
}}
"""

_ACTIVATIONS = {
    "leaky_relu": ("float slope, ", "y[i] = y[i] > 0.0f ? y[i] : slope * y[i]"),
    "tanh": ("", "y[i] = tanhf(y[i])"),
    "sigmoid": ("", "y[i] = 0.5f + 0.5f * tanhf(0.5f * y[i])"),
    "affine": ("const float *scale, const float *offset, ", "y[i] = y[i] * scale[i] + offset[i]"),
}
"""What each takes besides numbers, and what it makes of them, in place."""

_CLASS = """
/* The number of the largest output: @_labels has its label. */
static inline int @_class(const float *outputs)
{
    int best = 0;
    for (int i = 1; i < @_outputs; i++)
        if (outputs[i] > outputs[best])
            best = i;
    return best;
}
"""

_SOFTMAX = """
/* Makes probabilities of outputs, in place. */
static inline void @_softmax(float *outputs)
{
    float largest = outputs[0], sum = 0.0f;
    for (int i = 1; i < @_outputs; i++)
        largest = outputs[i] > largest ? outputs[i] : largest;
    for (int i = 0; i < @_outputs; i++)
        sum += outputs[i] = expf(outputs[i] - largest);
    for (int i = 0; i < @_outputs; i++)
        outputs[i] /= sum;
}
"""


def common(model: Folded, softmax: bool) -> str:
    """Return the C that all parts share: sizes, labels, units, and the operations of layers."""
    code = [f"enum {{ @_inputs = {model.inputs}, @_outputs = {model.outputs} }};\n\n"]
    if model.classes is not None:
        labels = model.classes.tolist()
        text = all(isinstance(label, str) for label in labels)
        kind = "char *const" if text else "float" if model.classes.dtype.kind == "f" else "long long"
        code += [table(kind, "@_labels", labels, quoted if text else _plain), "\n"]
    for name, values in (("mean", model.mean), ("spread", model.spread)):
        code += [] if values is None else [floats(f"@_{name}", values)]
    for index, layer in enumerate(model.layers, 1):
        if layer.scale is not None:
            code += [floats(f"@_scale_{index}", layer.scale), floats(f"@_offset_{index}", layer.offset)]
    code += [_DENSE, _STANDARDISE if model.mean is not None else ""]
    for name in dict.fromkeys(layer.activation for layer in model.layers if layer.activation in _ACTIVATIONS):
        given, step = _ACTIVATIONS[name]
        code.append(f"\nstatic inline void @_{name}(int n, {given}float *y)\n{{\n")
        code.append(f"    for (int i = 0; i < n; i++)\n        {step};\n}}\n")
    code += [_CLASS if model.classes is not None else "", _SOFTMAX if softmax else ""]
    return "".join(code)


def _plain(label: float) -> str:
    return number(label) if isinstance(label, float) else str(int(label))


def units(model: Folded) -> int:
    """Return how many numbers the units of inputs and outputs take."""
    scales = [layer.scale for layer in model.layers if layer.scale is not None]
    return 2 * (sum(map(len, scales)) + (0 if model.mean is None else len(model.mean)))


def activate(layer: FoldedLayer, index: int, array: str, count: str = "", first: str = "") -> str:
    """Return the statement that applies the activation of a layer to an array, of all its units or of some."""
    if layer.activation not in _ACTIVATIONS:
        return ""
    units_of = f"@_scale_{index}{first}, @_offset_{index}{first}, "
    own = {"leaky_relu": f"{number(layer.slope)}, ", "affine": units_of}.get(layer.activation, "")
    return f"    @_{layer.activation}({count or len(layer.weight)}, {own}{array});\n"


def predict(model: Folded) -> Part:
    """Return ``predict``."""
    tables, body, source, room = "", "", "inputs", {"one": 0, "other": 0}
    if model.mean is not None:
        body, source = "    @_standardise(inputs, one);\n", "one"
        room["one"] = model.inputs
    for index, layer in enumerate(model.layers, 1):
        m, n = layer.weight.shape
        target = "outputs" if index == len(model.layers) else "other" if source == "one" else "one"
        if target in room:
            room[target] = max(room[target], m)
        tables += floats(f"@_weight_{index}", layer.weight)
        tables += "" if layer.bias is None else floats(f"@_bias_{index}", layer.bias)
        bias = "0" if layer.bias is None else f"@_bias_{index}"
        body += f"    @_dense({m}, {n}, @_weight_{index}, {bias}, {source}, {target});\n"
        body += activate(layer, index, target)
        source = target
    buffers = ", ".join(f"{name}[{size}]" for name, size in room.items() if size)
    declared = "void @_predict(const float *inputs, float *outputs)"
    code = f"{tables}\nstatic inline {declared}\n{{\n"
    code += (f"    float {buffers};\n" if buffers else "") + body + "}\n"
    count = sum(one.weight.size + (0 if one.bias is None else one.bias.size) for one in model.layers)
    return Part(code, (declared,), Footprint(4 * (count + units(model)), 4 * sum(room.values())))
