"""Layers: frozen descriptions, and pure functions of their parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from pycopi import kernels
from pycopi._array import Array, namespace
from pycopi._checks import as_whole, check_shape, common_namespace
from pycopi.activations import Activation, LeakyReLU, resolve
from pycopi.rules.adam import adam_step, gather
from pycopi.rules.decorrelation import decorrelate
from pycopi.rules.power import mean_square
from pycopi.rules.stability import bounded_rate
from pycopi.rules.standardisation import standardise
from pycopi.rules.weights import descent, infer_bias, inference, scaling_divisor
from pycopi.settings import Rates, Settings


class DenseParameters(NamedTuple):
    """Parameters of a `Dense` layer with n inputs and m outputs; what a layer does not have is None.

    ``weight`` is W, shape (m, n); ``decorrelator`` is R, shape (n, n); ``bias`` has shape (m,); ``feedback`` is
    the fixed random matrix of feedback alignment, shape (m, n). Adam's state is ``moments``, shape (2, m, n),
    ``bias_moments``, shape (2, m), and ``gathered``, shape (2,); see `pycopi.Adam`. ``mean`` and ``spread`` of
    a layer that standardises its inputs have shape (n,).
    """

    weight: Array
    decorrelator: Array | None = None
    bias: Array | None = None
    feedback: Array | None = None
    moments: Array | None = None
    bias_moments: Array | None = None
    gathered: Array | None = None
    mean: Array | None = None
    spread: Array | None = None

    def map(self, function: Callable[[Array], Array]) -> DenseParameters:
        """Return the same parameters with a function applied to every array that is there."""
        return DenseParameters(*(None if array is None else function(array) for array in self))

    def named(self, suffix: str = "") -> dict[str, Array]:
        """Return the arrays that are there by their names, each followed by ``suffix``."""
        return {f"{name}{suffix}": array for name, array in self._asdict().items() if array is not None}

    def __repr__(self) -> str:
        """Return dtypes and shapes in place of the numbers, which would fill a screen."""
        shown = (f"{name}={_in_short(array)}" for name, array in self.named().items())
        return f"DenseParameters({', '.join(shown)})"


def _in_short(array: Any) -> str:
    """Return dtype and shape of an array; what is none, such as a leaf of a tree of JAX, as it is."""
    if not hasattr(array, "dtype"):
        return repr(array)
    return f"{str(array.dtype).rpartition('.')[2]} {tuple(array.shape)}"


_OF_LEARNING = ("feedback", "moments", "bias_moments", "gathered")  # what a folded layer does without

LEARNED = ("weight", "decorrelator", "bias")
"""The parameters that learning moves."""


class Signals(NamedTuple):
    """What a layer learns from in one step.

    ``decorrelated`` (B, n), ``preactivations`` (B, m) and ``perturbations`` (B, m) or None; ``sampled`` are the
    rows of the decorrelated inputs that R learns from, and ``pulled`` these rows times R, where that was made.
    """

    decorrelated: Array
    preactivations: Array
    perturbations: Array | None
    sampled: Array
    pulled: Array | None


@dataclass(frozen=True)
class Dense:
    """A fully connected layer, a = x W.T + b with decorrelated inputs x = y R.T.

    Parameters
    ----------
    inputs, outputs : int
        Numbers of features n and m, at least 1.
    activation : str or Activation
        What makes outputs of preactivations, by name or as an object of `pycopi.activations`.
    bias : bool
        Whether the layer has a bias b; the paper has none.
    decorrelated : bool
        Whether the layer has a decorrelating matrix R; without it, x = y.
    standardized : bool
        Whether the layer first makes its inputs ``clip((y - mean) / spread, -3, 3)``, for the first of a
        network.
    """

    inputs: int
    outputs: int
    activation: Activation = LeakyReLU()  # noqa: RUF009  (frozen)
    bias: bool = False
    decorrelated: bool = True
    standardized: bool = False

    def __post_init__(self) -> None:
        """Check the sizes, and find the activation of a name."""
        for name in ("inputs", "outputs"):
            object.__setattr__(self, name, as_whole(name, getattr(self, name)))
        object.__setattr__(self, "activation", resolve(self.activation))

    def shapes(self, *, feedback: bool = False, moments: bool = False) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter that the layer has, by its name."""
        weight = (self.outputs, self.inputs)
        parts = {
            "weight": (True, weight),
            "decorrelator": (self.decorrelated, (self.inputs, self.inputs)),
            "bias": (self.bias, (self.outputs,)),
            "feedback": (feedback, weight),
            "moments": (moments, (2, *weight)),
            "bias_moments": (moments and self.bias, (2, self.outputs)),
            "gathered": (moments, (2,)),
            "mean": (self.standardized, (self.inputs,)),
            "spread": (self.standardized, (self.inputs,)),
        }
        return {name: shape for name, (present, shape) in parts.items() if present}

    def check_parameters(self, parameters: DenseParameters, place: str) -> None:
        """Check that parameters are those of this layer; ``place`` says in errors where it stands."""
        if not isinstance(parameters, DenseParameters):
            kind = type(parameters).__name__
            msg = f"parameters of {place} are a {kind}; expected DenseParameters"
            raise TypeError(msg)
        expected = self.shapes(feedback=parameters.feedback is not None, moments=parameters.moments is not None)
        for name, array in parameters._asdict().items():
            if (array is None) == (name in expected):
                state = "is None" if array is None else "is an array"
                msg = f"{name} of {place} {state}, unlike the layer's description {self}"
                msg += "; use the parameters that network.init() made for it"
                raise ValueError(msg)
            if array is not None:
                common_namespace(**{f"{name} of {place}": array})
                check_shape(f"{name} of {place}", array, expected[name], f"the layer is {self}")

    def init(
        self, generator: np.random.Generator, *, feedback: bool = False, moments: bool = False
    ) -> DenseParameters:
        """Return fresh float64 NumPy parameters: Xavier-normal W, the identity for R, zero for all else.

        The feedback matrix is drawn as W is, from a generator of its own, so that it changes no weight.
        """
        shapes = self.shapes(feedback=feedback, moments=moments)
        values = {name: np.zeros(shape) for name, shape in shapes.items()}
        values["weight"] = self._draw(generator)
        if self.decorrelated:
            values["decorrelator"] = np.eye(self.inputs)
        if feedback:
            values["feedback"] = self._draw(generator.spawn(1)[0])
        if self.standardized:
            values["spread"] = np.ones(self.inputs)
        return DenseParameters(**values)

    def _draw(self, generator: np.random.Generator) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        std = np.sqrt(2.0 / (self.inputs + self.outputs))
        return generator.normal(0.0, std, (self.outputs, self.inputs))

    def forward(self, parameters: DenseParameters, inputs: Array) -> tuple[Array, Array]:
        """Return decorrelated inputs x (B, n) and preactivations a (B, m) of inputs y (B, n)."""
        decorrelated = self.decorrelate(parameters, inputs)
        preactivations = kernels.product(decorrelated, parameters.weight, transposed=True)
        if parameters.bias is not None:
            preactivations = preactivations + parameters.bias[None, :]
        return decorrelated, preactivations

    def standardise(self, parameters: DenseParameters, inputs: Array) -> Array:
        """Return the inputs (B, n) as the layer scales them; as they are where it does not."""
        if parameters.mean is None:
            return inputs
        return standardise(inputs, parameters.mean, parameters.spread)

    def decorrelate(self, parameters: DenseParameters, inputs: Array) -> Array:
        """Return decorrelated inputs x (B, n) of inputs y (B, n)."""
        inputs = self.standardise(parameters, inputs)
        if parameters.decorrelator is None:
            return inputs
        return kernels.product(inputs, parameters.decorrelator, transposed=True)

    def pull_back(
        self, parameters: DenseParameters, perturbations: Array, along: Array | None = None
    ) -> tuple[Array, Array | None]:
        """Return delta W R, shape (B, n), what perturbations (B, m) ask of the inputs y; and ``along`` R.

        The rows ``along`` (k, n) go through R in the same product.
        """
        pulled = kernels.product(perturbations, parameters.weight)
        if parameters.decorrelator is None:
            return pulled, None
        if along is None:
            return kernels.product(pulled, parameters.decorrelator), None
        rows = namespace(pulled).concat([pulled, along], axis=0)
        both = kernels.product(rows, parameters.decorrelator)
        samples = pulled.shape[0]
        return both[:samples, :], both[samples:, :]

    def feed_back(self, parameters: DenseParameters, perturbations: Array) -> Array:
        """Return delta F, shape (B, n): feedback alignment's stand-in for `pull_back`."""
        return kernels.product(perturbations, parameters.feedback)

    def learn(
        self, parameters: DenseParameters, signals: Signals, settings: Settings, rates: Rates, copy: bool | None
    ) -> DenseParameters:
        """Return the parameters after one step; perturbations that are None leave W and b as they are.

        Every sum over the batch that becomes an update is made here.
        """
        learned = parameters
        power = mean_square(signals.decorrelated)
        if parameters.decorrelator is not None and rates.decorrelation is not None:
            sampled = signals.sampled
            sampled_power = power if sampled is signals.decorrelated else mean_square(sampled)
            decorrelator = decorrelate(
                parameters.decorrelator,
                sampled,
                sampled_power,
                signals.pulled,
                rates.decorrelation,
                settings.decorrelation,
                copy,
                rates.share,
            )
            learned = learned._replace(decorrelator=decorrelator)
        if signals.perturbations is None:
            return learned
        if settings.rule == "adam":
            return self._learn_adam(learned, signals.decorrelated, signals.perturbations, settings, rates, copy)
        return self._learn_weights(learned, signals, power, settings, rates, copy)

    def _learn_weights(
        self,
        parameters: DenseParameters,
        signals: Signals,
        power: Array,
        settings: Settings,
        rates: Rates,
        copy: bool | None,
    ) -> DenseParameters:
        """Return the parameters after one step of COPI or along the gradient."""
        rate = step_size(parameters, signals.decorrelated, power, settings, rates)
        weight = kernels.apply(
            parameters.weight, weight_change(parameters, signals, power, settings, rate), copy
        )
        bias = parameters.bias
        if bias is not None:
            bias = infer_bias(bias, signals.perturbations, rate, copy)
        return parameters._replace(weight=weight, bias=bias)

    def _learn_adam(
        self,
        parameters: DenseParameters,
        decorrelated: Array,
        perturbations: Array,
        settings: Settings,
        rates: Rates,
        copy: bool | None,
    ) -> DenseParameters:
        """Return the parameters and moments after one step of Adam."""
        xp = namespace(decorrelated)
        how = rates.weights * rates.share, settings.adam, copy
        gathered = gather(parameters.gathered, settings.adam)
        ascent = xp.matmul(xp.matrix_transpose(perturbations), decorrelated) / decorrelated.shape[0]
        weight, moments = adam_step(parameters.weight, parameters.moments, gathered, ascent, *how)
        bias, bias_moments = parameters.bias, parameters.bias_moments
        if bias is not None:
            mean = xp.mean(perturbations, axis=0)
            bias, bias_moments = adam_step(bias, bias_moments, gathered, mean, *how)
        return parameters._replace(
            weight=weight, moments=moments, bias=bias, bias_moments=bias_moments, gathered=gathered
        )

    def fold(self, parameters: DenseParameters) -> tuple[Dense, DenseParameters]:
        """Return the same layer as one matrix W R, without a decorrelating matrix."""
        weight = parameters.weight
        if parameters.decorrelator is not None:
            weight = namespace(weight).matmul(weight, parameters.decorrelator)
        folded = parameters._replace(weight=weight, decorrelator=None, **dict.fromkeys(_OF_LEARNING))
        return replace(self, decorrelated=False), folded


def step_size(
    parameters: DenseParameters, decorrelated: Array, power: Array, settings: Settings, rates: Rates
) -> Any:
    """Return the step size of a layer's weights, within the bound of the settings.

    A bias is a weight on one more input, of power 1. COPI moves the weights by ``rate`` even where the gain is
    less than 1, and variance-scaled by inputs that are divided by the root of their power.
    """
    if settings.step_bound is None:
        return rates.weights * rates.share
    gain = settings.gain
    if settings.rule == "copi":
        gain = max(gain, 1.0)
        if settings.variance_scaled:
            divisor = scaling_divisor(power, settings.epsilon)
            power = power / divisor
            decorrelated = decorrelated / namespace(divisor).sqrt(divisor)[None, :]
    constant = 0.0 if parameters.bias is None else 1.0
    return rates.share * bounded_rate(rates.weights, gain, decorrelated, power, settings.step_bound, constant)


def weight_change(
    parameters: DenseParameters, signals: Signals, power: Array, settings: Settings, rate: Any
) -> kernels.RankK:
    """Return one step of COPI, or along the gradient; W is inferred from the state without the bias."""
    if settings.rule != "copi":
        return descent(signals.perturbations, signals.decorrelated, rate)
    targets = signals.preactivations + signals.perturbations
    if parameters.bias is not None:
        targets = targets - parameters.bias[None, :]
    epsilon = settings.epsilon if settings.variance_scaled else None
    return inference(targets, signals.decorrelated, power, rate, epsilon)
