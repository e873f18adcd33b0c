"""``learn_one`` in C: the step of one sample, with the matrices apart and each learning by its own rule."""

from typing import Any

from pycopi.credit import Backpropagation
from pycopi.export.c_memory import LearningLayer, is_identity, start, struct
from pycopi.export.c_predict import activate, units
from pycopi.export.c_rules import epsilon_of, operations
from pycopi.export.c_text import Footprint, Part, number
from pycopi.export.folded import Folded, known_activation
from pycopi.losses import CrossEntropy, SquaredError, check_loss
from pycopi.network import Network, Parameters
from pycopi.optimizers import PLAIN
from pycopi.rules.decorrelation import Decorrelation
from pycopi.rules.inference import COPI, Gradient
from pycopi.rules.learning import Learning
from pycopi.settings import Rates, Settings, checked_rates

_SLOPES = {
    "leaky_relu": "{a} > 0.0f ? 1.0f : {slope}",
    "tanh": "1.0f - tanhf({a}) * tanhf({a})",
    "sigmoid": "0.25f * (1.0f - tanhf(0.5f * {a}) * tanhf(0.5f * {a}))",
    "affine": "@_scale_{place}[i]",
}
"""The derivative of each activation; that of the identity is 1."""


def learn_one(
    network: Network, parameters: Parameters, model: Folded, settings: Settings, rates: Rates | None
) -> Part:
    """Return ``learn_one`` and what belongs to it, for parameters in host memory."""
    learning = check_learning(network, settings, rates)
    rows = zip(parameters, model.layers, learning, strict=True)
    layers = [LearningLayer(place, *row) for place, row in enumerate(rows, 1)]
    given = "const float *targets" if model.classes is None else "int number"
    functions = (
        f"int @_learn_one(@_learner *self, const float *inputs, {given})",
        "void @_decorrelate_one(@_learner *self, const float *inputs)",
        "void @_learner_predict(@_learner *self, const float *inputs, float *outputs)",
        "void @_learner_start(@_learner *self)",
    )
    tables, begin, flash = start(layers)
    memory, ram = struct(layers)
    bodies = (_learn(layers, model, settings), *_passes(model), begin)
    heads = [f"\nstatic inline {head}\n{{\n" for head in functions]
    public = [head + body + "}\n" for head, body in zip(heads, bodies, strict=True)]
    rules = {one.how.decorrelation.rule for one in layers if one.how.decorrelation is not None}
    matrices = [one.own.decorrelator for one in layers if one.own.decorrelator is not None]
    used = operations(settings, rules, identity=any(map(is_identity, matrices)))
    code = [used, tables, "\n", memory, _forward(layers, model), _decorrelate(layers)]
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
    for place, layer in enumerate(network.layers, 1):
        known_activation(layer.activation, place, "derivative")
    check_loss(method.loss, network.layers[-1].activation)
    return settings.for_layers(rates, len(network.layers))


def _forward(layers: list[LearningLayer], model: Folded) -> str:
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


def _decorrelate(layers: list[LearningLayer]) -> str:
    """Return what changes the matrices R by the x that the forward pass has left."""
    code = "\nstatic inline void @_decorrelate(@_learner *self)\n{\n"
    for layer in layers:
        how, n = layer.how.decorrelation, layer.sizes[1]
        if layer.own.decorrelator is None or how is None:
            continue
        rates = layer.how.rates
        x = layer.field("x")
        rate = _rate(rates.decorrelation, rates.share, 1.0, how.step_bound, f"@_dot({n}, {x}, {x})")
        code += f"    @_{how.rule}({n}, {rate}, {number(how.whitening)},\n        {x}, "
        code += f"self->signal, {layer.field('decorrelator')});\n"
    return code + "    (void)self;\n}\n"


def _rate(rate: float, share: float, gain: float, bound: float | None, power: str) -> str:
    """Return a step size as an expression: within its bound, and times the share of a full batch."""
    if bound is None:
        return number(rate * share)
    return f"{number(share)} * @_bounded({number(rate)}, {number(rate * gain / bound)}, {power})"


def _passes(model: Folded) -> tuple[str, str]:
    forward = "    @_forward(self, inputs);\n"
    return (
        f"{forward}    @_decorrelate(self);\n",
        f"{forward}    @_copy({model.outputs}, self->signal, outputs);\n",
    )


def _learn(layers: list[LearningLayer], model: Folded, settings: Settings) -> str:
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


def _weight_rate(layer: LearningLayer, settings: Settings) -> str:
    rates, rule, n, x = layer.how.rates, settings.method.rule, layer.sizes[1], layer.field("x")
    gain = max(settings.gain, 1.0) if isinstance(rule, COPI) else settings.gain
    power = f"@_dot({n}, {x}, {x})" if epsilon_of(rule) is None else f"@_scaled_power({n}, {x})"
    power += "" if layer.own.bias is None else " + 1.0f"
    return _rate(rates.weights, rates.share, gain, settings.step_bound, power)


def _error(last: LearningLayer, model: Folded, settings: Settings) -> str:
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


def _slopes(layer: LearningLayer) -> str:
    """Return the loop that multiplies delta by the derivative of an activation."""
    if layer.folded.activation not in _SLOPES:
        return ""
    numbers = {"a": f"{layer.field('a')}[i]", "slope": number(layer.folded.slope), "place": layer.place}
    slope = _SLOPES[layer.folded.activation].format(**numbers)
    return f"    for (int i = 0; i < {layer.sizes[0]}; i++)\n        self->delta[i] *= {slope};\n"
