"""``learn_one`` in C: the step of one sample, with the matrices apart and each learning by its own rule."""

from typing import Any, NamedTuple

import numpy as np

from pycopi.credit import Backpropagation
from pycopi.export.c_predict import activate, units
from pycopi.export.c_text import Footprint, Part, floats, number
from pycopi.export.folded import Folded, FoldedLayer, known_activation
from pycopi.layers import DenseParameters
from pycopi.losses import CrossEntropy, SquaredError, check_loss
from pycopi.network import Network, Parameters
from pycopi.optimizers import PLAIN
from pycopi.rules.decorrelation import Decorrelation
from pycopi.rules.inference import COPI, Gradient
from pycopi.rules.learning import Learning
from pycopi.rules.weights import scaling_divisor
from pycopi.settings import Rates, Settings, checked_rates

_HELPERS = """
static inline void @_copy(int n, const float *from, float *to)
{
    for (int i = 0; i < n; i++)
        to[i] = from[i];
}

/* y = d W, where W has m rows. */
static inline void @_pull(int m, int n, const float *w, const float *d, float *y)
{
    for (int j = 0; j < n; j++)
        y[j] = 0.0f;
    for (int i = 0; i < m; i++, w += n)
        for (int j = 0; j < n; j++)
            y[j] += d[i] * w[j];
}

static inline float @_power(int n, const float *x)
{
    return @_dot(n, x, x);
}

/* A rate whose effective step, rate times factor times power, is at most 1. */
static inline float @_bounded(float rate, float factor, float power)
{
    float excess = power * factor;
    return excess > 1.0f ? rate / excess : rate;
}

/* W' = W diag(kept) + z added and b' = b + rate delta; b may be 0. */
static inline void @_infer(int m, int n, float rate, const float *kept, const float *added,
                           %(given)sconst float *delta, float *b, float *w)
{
    for (int i = 0; i < m; i++, w += n) {
        float z = %(state)s;
        for (int j = 0; j < n; j++)
            w[j] = w[j] * kept[j] + z * added[j];
        if (b)
            b[i] += rate * delta[i];
    }
}

/* What is kept of each column of W, and what is added for each unit of z. */
static inline void @_columns(int n, float rate, const float *x, float *kept, float *added)
{
    for (int j = 0; j < n; j++) {
        %(columns)s
    }
}
"""

_COLUMNS = {
    "gradient": "kept[j] = 1.0f;\n        added[j] = rate * x[j];",
    "copi": "kept[j] = 1.0f - rate * (x[j] * x[j]);\n        added[j] = rate * x[j];",
    "scaled": "float divisor = x[j] * x[j] + {epsilon};\n        "
    "kept[j] = 1.0f - rate * (x[j] * x[j] / divisor);\n        added[j] = rate * (x[j] / divisor);",
}

_IDENTITY = """
static inline void @_identity(int n, float *r)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            *r++ = i == j ? 1.0f : 0.0f;
}
"""

_SCALED_POWER = """
static inline float @_scaled_power(int n, const float *x)
{
    float sum = 0.0f;
    for (int j = 0; j < n; j++)
        sum += x[j] * x[j] / (x[j] * x[j] + %(epsilon)s);
    return sum;
}
"""

_COVARIANCE = """
/* R' = diag(1 + rate k + rate (1 - 2 k) x^2) R - rate (1 - k) x v, v = x R, of whitening k. */
static inline void @_covariance(int n, float rate, float k, const float *x, float *v, float *r)
{
    @_pull(n, n, r, x, v);
    for (int i = 0; i < n; i++, r += n) {
        float kept = 1.0f + rate * k + rate * (1.0f - 2.0f * k) * (x[i] * x[i]);
        float step = -rate * (1.0f - k) * x[i];
        for (int j = 0; j < n; j++)
            r[j] = r[j] * kept + step * v[j];
    }
}
"""

_LOCAL = """
/* R' = R diag(1 + rate k + rate (1 - 2 k) x^2) - rate (1 - k) v x, v = R x, of whitening k. */
static inline void @_local(int n, float rate, float k, const float *x, float *v, float *r)
{
    @_dense(n, n, r, 0, x, v);
    for (int i = 0; i < n; i++, r += n) {
        float step = -rate * (1.0f - k) * v[i];
        for (int j = 0; j < n; j++) {
            float kept = 1.0f + rate * k + rate * (1.0f - 2.0f * k) * (x[j] * x[j]);
            r[j] = r[j] * kept + step * x[j];
        }
    }
}
"""

_SLOPES = {
    "leaky_relu": "{a} > 0.0f ? 1.0f : {slope}",
    "tanh": "1.0f - tanhf({a}) * tanhf({a})",
    "sigmoid": "0.25f * (1.0f - tanhf(0.5f * {a}) * tanhf(0.5f * {a}))",
    "affine": "@_scale_{place}[i]",
}
"""The derivative of each activation; that of the identity is 1."""


class _Layer(NamedTuple):
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


def learn_one(
    network: Network, parameters: Parameters, model: Folded, settings: Settings, rates: Rates | None
) -> Part:
    """Return ``learn_one`` and what belongs to it, for parameters in host memory."""
    learning = check_learning(network, settings, rates)
    rows = zip(parameters, model.layers, learning, strict=True)
    layers = [_Layer(place, *row) for place, row in enumerate(rows, 1)]
    for layer in layers[:-1]:
        known_activation(network.layers[layer.place - 1].activation, layer.place, "derivative")
    given = "const float *targets" if model.classes is None else "int number"
    functions = (
        f"int @_learn_one(@_learner *self, const float *inputs, {given})",
        "void @_decorrelate_one(@_learner *self, const float *inputs)",
        "void @_learner_predict(@_learner *self, const float *inputs, float *outputs)",
        "void @_learner_start(@_learner *self)",
    )
    tables, start, flash = _start(layers)
    struct, ram = _struct(layers)
    bodies = (_learn(layers, model, settings), *_passes(model), start)
    heads = [f"\nstatic inline {head}\n{{\n" for head in functions]
    public = [head + body + "}\n" for head, body in zip(heads, bodies, strict=True)]
    code = [_helpers(layers, settings), tables, "\n", struct, _forward(layers, model), _decorrelate(layers)]
    return Part("".join([*code, *public]), functions, Footprint(4 * (flash + units(model)), ram))


def check_learning(network: Network, settings: Settings, rates: Rates | None) -> tuple[Learning, ...]:
    """Return how each layer learns; raise if C does not know one of the methods."""
    method, rates = settings.method, checked_rates(rates, settings)
    known: list[tuple[str, Any, tuple[type, ...]]] = [
        ("rule", method.rule, (COPI, Gradient)),
        ("credit", method.credit, (Backpropagation,)),
        ("loss", method.loss, (SquaredError, CrossEntropy)),
        ("optimizer", method.optimizer, (type(PLAIN),)),
        *(("decorrelation", one, (Decorrelation,)) for one in settings.decorrelations),
    ]
    for name, own, kinds in known:
        if type(own) not in kinds:
            names = " or ".join(kind.__name__ for kind in kinds)
            msg = f"the {name} of the settings is {own!r}, which learn_one does not know; expected {names}"
            raise ValueError(msg)
    if rates.weights is None:
        msg = "rates.weights is None; expected a step size: what leaves the weights alone is decorrelate_one"
        raise ValueError(msg)
    last = network.layers[-1].activation
    check_loss(method.loss, last)
    known_activation(last, len(network.layers), "derivative")
    return settings.for_layers(rates, len(network.layers))


def _epsilon(rule: Any) -> str | None:
    """Return what is added to the power of an input before it divides; None where nothing does."""
    if not isinstance(rule, COPI) or not rule.variance_scaled:
        return None
    return number(float(scaling_divisor(np.zeros(1, np.float32), rule.epsilon)[0]))


def _helpers(layers: list[_Layer], settings: Settings) -> str:
    """Return the operations that the settings need."""
    rule, copi = settings.method.rule, isinstance(settings.method.rule, COPI)
    epsilon = _epsilon(rule)
    columns = _COLUMNS["gradient" if not copi else "copi" if epsilon is None else "scaled"]
    code = _HELPERS % {
        "given": "const float *a, " if copi else "",
        "state": "a[i] + delta[i] - (b ? b[i] : 0.0f)" if copi else "delta[i]",
        "columns": columns.format(epsilon=epsilon),
    }
    if epsilon is not None and settings.step_bound is not None:
        code += _SCALED_POWER % {"epsilon": epsilon}
    matrices = [one.own.decorrelator for one in layers if one.own.decorrelator is not None]
    code += _IDENTITY if any(map(_is_identity, matrices)) else ""
    rules = {one.how.decorrelation.rule for one in layers if one.how.decorrelation is not None}
    return code + "".join({"covariance": _COVARIANCE, "local": _LOCAL}[one] for one in sorted(rules))


def _is_identity(matrix: Any) -> bool:
    return bool((matrix == np.eye(len(matrix))).all())


def _start(layers: list[_Layer]) -> tuple[str, str, int]:
    """Return the first parameters as tables, what copies them, and how many numbers these are."""
    tables, body, count = "", "", 0
    for layer in layers:
        for name, values in layer.learned().items():
            if name == "decorrelator" and _is_identity(values):
                body += f"    @_identity({len(values)}, {layer.field(name)});\n"
                continue
            tables += floats(f"@_first_{name}_{layer.place}", values)
            body += f"    @_copy({values.size}, @_first_{name}_{layer.place}, {layer.field(name)});\n"
            count += values.size
    return tables, body, count


def _struct(layers: list[_Layer]) -> tuple[str, int]:
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


def _forward(layers: list[_Layer], model: Folded) -> str:
    """Return the forward pass, which leaves x and a of each layer and the outputs in ``signal``."""
    code = "\nstatic inline void @_forward(@_learner *self, const float *inputs)\n{\n"
    scale = "@_standardise(inputs, self->signal)"
    code += f"    {scale if model.mean is not None else '@_copy(@_inputs, inputs, self->signal)'};\n"
    for layer in layers:
        (m, n), x, a = layer.sizes, layer.field("x"), layer.field("a")
        if layer.own.decorrelator is None:
            code += f"    @_copy({n}, self->signal, {x});\n"
        else:
            code += f"    @_dense({n}, {n}, {layer.field('decorrelator')}, 0, self->signal, {x});\n"
        code += f"    @_dense({m}, {n}, {layer.field('weight')}, {layer.field('bias')}, {x}, {a});\n"
        code += f"    @_copy({m}, {a}, self->signal);\n" + activate(layer.folded, layer.place, "self->signal")
    return code + "}\n"


def _decorrelate(layers: list[_Layer]) -> str:
    """Return what changes the matrices R by the x that the forward pass has left."""
    code = "\nstatic inline void @_decorrelate(@_learner *self)\n{\n"
    for layer in layers:
        how, n = layer.how.decorrelation, layer.sizes[1]
        if layer.own.decorrelator is None or how is None:
            continue
        rates = layer.how.rates
        rate = _rate(rates.decorrelation, rates.share, 1.0, how.step_bound, f"@_power({n}, {layer.field('x')})")
        code += f"    @_{how.rule}({n}, {rate}, {number(how.whitening)},\n        {layer.field('x')}, "
        code += f"self->signal, {layer.field('decorrelator')});\n"
    return code + "    (void)self;\n}\n"


def _rate(rate: float, share: float, gain: float, bound: float | None, power: str) -> str:
    """Return a step size as an expression: within its bound, and times the share of a full batch."""
    if bound is None:
        return number(rate * share)
    return f"{number(share)} * @_bounded({number(rate)}, {number(rate * gain / bound)}, {power})"


def _passes(model: Folded) -> tuple[str, str]:
    """Return the bodies of what only decorrelates, and of what only predicts."""
    forward = "    @_forward(self, inputs);\n"
    return (
        f"{forward}    @_decorrelate(self);\n",
        f"{forward}    @_copy({model.outputs}, self->signal, outputs);\n",
    )


def _learn(layers: list[_Layer], model: Folded, settings: Settings) -> str:
    """Return the body of ``learn_one``: the error, and each layer from the last down."""
    code = "    float rate;\n    @_forward(self, inputs);\n"
    if model.classes is not None:
        code += "    if (number < 0 || number >= @_outputs)\n        return 0;\n"
    code += "    for (int i = 0; i < @_outputs; i++)\n"
    code += "        if (!isfinite(self->signal[i]))\n            return 0;\n"
    code += _error(layers[-1], model, settings)
    for layer, below in zip(reversed(layers), [*reversed(layers[:-1]), None], strict=True):
        (m, n), x, delta = layer.sizes, layer.field("x"), "self->delta"
        weight, matrix, bias = (layer.field(name) for name in ("weight", "decorrelator", "bias"))
        sent = f"{layer.field('a')}, " if isinstance(settings.method.rule, COPI) else ""
        code += f"    /* layer {layer.place} */\n"
        if below is not None:
            code += f"    @_pull({m}, {n}, {weight}, {delta}, self->pulled);\n"
        code += f"    rate = {_weight_rate(layer, settings)};\n"
        code += f"    @_columns({n}, rate, {x}, self->kept, self->signal);\n"
        code += f"    @_infer({m}, {n}, rate, self->kept, self->signal, {sent}{delta}, {bias}, {weight});\n"
        if below is not None:
            pulled = f"@_copy({n}, self->pulled, {delta})"
            pulled = pulled if matrix == "0" else f"@_pull({n}, {n}, {matrix}, self->pulled, {delta})"
            code += f"    {pulled};\n" + _slopes(below)
    return code + "    @_decorrelate(self);\n    return 1;\n"


def _weight_rate(layer: _Layer, settings: Settings) -> str:
    rates, rule, n = layer.how.rates, settings.method.rule, layer.sizes[1]
    gain = max(settings.gain, 1.0) if isinstance(rule, COPI) else settings.gain
    name = "@_power" if _epsilon(rule) is None else "@_scaled_power"
    power = f"{name}({n}, {layer.field('x')}){'' if layer.own.bias is None else ' + 1.0f'}"
    return _rate(rates.weights, rates.share, gain, settings.step_bound, power)


def _error(last: _Layer, model: Folded, settings: Settings) -> str:
    """Return what makes delta of the outputs in ``signal`` and the targets: the error, times the gain."""
    target = "targets[i]" if model.classes is None else "(i == number ? 1.0f : 0.0f)"
    place, kind, loop = last.place, last.folded.activation, "    for (int i = 0; i < @_outputs; i++)\n"
    cross = isinstance(settings.method.loss, CrossEntropy)
    code = "    @_softmax(self->signal);\n" if cross else ""
    error = f"{target} - self->signal[i]"
    if kind == "affine":
        error = f"({target} - @_offset_{place}[i]) / @_scale_{place}[i] - self->a_{place}[i]"
    code += f"{loop}        self->delta[i] = {number(settings.gain)} * ({error});\n"
    return code if kind == "affine" else code + _slopes(last)


def _slopes(layer: _Layer) -> str:
    """Return the loop that multiplies delta by the derivative of an activation."""
    if layer.folded.activation not in _SLOPES:
        return ""
    numbers = {"a": f"{layer.field('a')}[i]", "slope": number(layer.folded.slope), "place": layer.place}
    slope = _SLOPES[layer.folded.activation].format(**numbers)
    return f"    for (int i = 0; i < {layer.sizes[0]}; i++)\n        self->delta[i] *= {slope};\n"
