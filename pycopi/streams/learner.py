"""What classifier and regressor share: a network that grows with its stream, and one step on one row."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from pycopi._array import HostArray
from pycopi._checks import as_float, as_whole
from pycopi.credit import Problem
from pycopi.layers import Dense, DenseParameters
from pycopi.layers.row import RowPass
from pycopi.network import Network, Parameters, mlp
from pycopi.presets import FILES
from pycopi.rules.decorrelation import Decorrelation
from pycopi.rules.learning import Learning
from pycopi.settings import Rates, Settings
from pycopi.state import State, start
from pycopi.streams.features import FeatureIndex
from pycopi.streams.scaling import NOTHING, readable
from pycopi.training.divergence import DivergenceError
from pycopi.training.step import learn

_TERM = 256  # samples after which step sizes are set anew


@dataclass(eq=False, repr=False)
class StreamLearner:
    """A network that learns from one sample at a time."""

    hidden_layer_sizes: tuple[int, ...] = FILES.hidden
    activation: str = FILES.activation
    rate: float = 1e-5
    gain: float = 1e5
    decorrelation_rate: float = FILES.settings.decorrelations[0].rate
    decorrelated_layers: int | None = 1
    step_bound: float | None = FILES.settings.step_bound
    forgetting: float = 0.0
    seed: int = 0

    _loss: ClassVar[str] = "squared_error"
    _state: State = field(init=False)
    _how: tuple[Learning, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._index = FeatureIndex()
        self._scale = NOTHING
        self._inner: Network | None = None
        self._rows: RowPass | None = None
        self._settings = Settings(
            rate=self.rate,
            gain=self.gain,
            loss=self._loss,
            step_bound=self.step_bound,
            decorrelation=Decorrelation(rate=self.decorrelation_rate, step_bound=self.step_bound),
        )
        self._most = 1.0 / max(as_float("forgetting", self.forgetting, most=1.0), 1e-300)

    @property
    def features(self) -> list[Any]:
        """The names of the features in the order of the columns; those of arrays are 0, 1, 2, ..."""
        return list(self._index.columns)

    @property
    def network_(self) -> Network:
        """The network, which scales its inputs itself, for the functions of pycopi; see `parameters_`."""
        first, *others = self._begun().layers
        assert isinstance(first, Dense)
        return Network((replace(first, standardized=True), *others))

    @property
    def parameters_(self) -> Parameters:
        """A copy of the parameters of `network_`."""
        self._begun()
        first, *others = (own.map(np.copy) for own in self._settled())
        spread = np.maximum(self._scale.spread, np.finfo(np.float32).tiny)
        mean, spread = (part.astype(np.float32) for part in (self._scale.mean, spread))
        return (first._replace(mean=mean, spread=spread), *others)

    def _begun(self) -> Network:
        if self._inner is None:
            msg = f"this {type(self).__name__} has no network yet, which the first sample makes; call learn_one"
            raise AttributeError(msg)
        return self._inner

    def _learn(self, features: Any, wanted: HostArray) -> None:
        """Take one step on a sample towards outputs (1, m), of which there may be more than before."""
        row = readable(self._index.row(features, learning=True))
        if not len(row):
            return
        if self._inner is None or (self._inner.inputs, self._inner.outputs) != (len(row), wanted.shape[1]):
            self._grow(len(row), wanted.shape[1])
        self._scale = self._scale.after(row, self._most)
        inputs = self._scale.standardised(row)
        self._step(inputs, wanted)
        if self._state.step % _TERM == 0:
            self._set_rates()

    def _step(self, inputs: HostArray, wanted: HostArray) -> None:
        """Take one step on a scaled row (1, n)."""
        network, settings, rows = self._begun(), self._settings, self._ready()
        loss, gain = settings.method.loss, settings.gain
        if rows is not None:
            outputs = rows.forward(inputs)
            self._check(outputs)
            rows.learn(gain * loss.error(outputs, wanted, network.layers[-1].activation))
        else:
            state = self._state
            trace = network.trace(state.parameters, inputs, self._how)
            self._check(trace.outputs)
            problem = Problem(network.layers, state.parameters, inputs, wanted, trace, loss, gain=gain)
            self._state = learn(network, state, trace, problem, settings, self._how, False)
        self._state = self._state._replace(step=self._state.step + 1)

    def _ready(self) -> RowPass | None:
        """Return the calls of the C core for one row, where it may do them; else all parameters are settled."""
        if self._rows is None or self._rows.allowed():
            return self._rows
        self._rows.settle()
        return None

    def _settled(self) -> Parameters:
        """Return the parameters with all that was learned in them."""
        if self._rows is not None:
            self._rows.settle()
        return self._state.parameters

    def _check(self, outputs: HostArray) -> None:
        """Raise a DivergenceError where outputs are not finite."""
        if not np.isfinite(outputs).all():
            msg = "the outputs for a sample are not finite, so these parameters have diverged before"
            msg += "; set step_bound=0.5"
            raise DivergenceError(msg, len(self._begun().layers), self._settled())

    def _outputs(self, features: Any) -> HostArray:
        """Return what the network answers to a sample, shape (m,), float64.

        The sample is scaled as it would be if it were learned.
        """
        row = readable(self._index.row(features))
        inputs = self._scale.after(row, self._most).standardised(row)
        rows = self._ready()
        if rows is not None:
            outputs = rows.outputs(inputs)
        else:
            outputs = self._begun().trace(self._state.parameters, inputs).outputs
        return np.asarray(outputs[0, :], np.float64)

    def _grow(self, inputs: int, outputs: int) -> None:
        """Make a network of this size, or give the one that is there more inputs and outputs.

        It then answers as before: what is new begins with weights of zero.
        """
        self._scale = self._scale.widened(inputs)
        if self._inner is None:
            self._begin(inputs, outputs)
        else:
            parameters = list(self._settled())
            parameters[0] = _widened(parameters[0], inputs - self._inner.inputs)
            parameters[-1] = _heightened(parameters[-1], outputs - self._inner.outputs)
            layers: list[Any] = list(self._inner.layers)
            layers[0] = replace(layers[0], inputs=inputs)
            layers[-1] = replace(layers[-1], outputs=outputs)
            self._inner = Network(tuple(layers))
            self._state = self._state._replace(parameters=tuple(parameters))
        self._set_rates()

    def _set_rates(self) -> None:
        """Let the matrices R settle: constant steps on single rows would change them without end."""
        rate = self.decorrelation_rate
        rates = Rates(self.rate, rate / (1.0 + rate * self._state.step))
        layers, parameters = self._begun().layers, self._settled()
        self._how = self._settings.for_layers(rates, len(layers))
        known = RowPass.takes(layers, parameters, self._how)
        self._rows = RowPass(layers, parameters, self._how) if known else None

    def _begin(self, inputs: int, outputs: int) -> None:
        hidden = self.hidden_layer_sizes
        network = mlp([inputs, *hidden, outputs], activation=self.activation, bias=True)
        count = self.decorrelated_layers
        if count is not None:
            count = as_whole("decorrelated_layers", count, least=0)
            layers: Any = enumerate(network.layers)
            network = Network(tuple(replace(layer, decorrelated=place < count) for place, layer in layers))
        self._state = start(network, self._settings, self.seed)
        self._inner = network


def _widened(own: DenseParameters, more: int) -> DenseParameters:
    """Return the parameters of a layer with more inputs, which have weights of 0."""
    weight = np.pad(own.weight, ((0, 0), (0, more)))
    decorrelator: Any = own.decorrelator
    if decorrelator is not None:
        n = len(decorrelator)
        decorrelator = np.pad(decorrelator, (0, more))
        decorrelator[range(n, n + more), range(n, n + more)] = 1.0
    return own._replace(weight=weight, decorrelator=decorrelator)


def _heightened(own: DenseParameters, more: int) -> DenseParameters:
    """Return the parameters of a layer with more outputs, which are 0."""
    return own._replace(
        weight=np.pad(own.weight, ((0, more), (0, 0))), bias=np.pad(np.asarray(own.bias), (0, more))
    )
