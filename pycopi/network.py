"""Networks: a frozen stack of layers, with pure functions of its parameters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from pycopi._array import (
    Array,
    HostArray,
    adopted,
    aligned_copy,
    compact,
    from_numpy,
    is_numpy,
    namespace,
    slices,
    to_numpy,
)
from pycopi._checks import (
    as_whole,
    check_array,
    check_features,
    check_finite,
    check_finite_rows,
    check_floats,
    check_reals,
    check_samples,
    common_namespace,
    is_finite,
)
from pycopi._moving import check_movable, take
from pycopi._trees import Tree, first_array, map_arrays, named_arrays
from pycopi.activations import Activation, resolve
from pycopi.layers import Dense, Layer, SubspaceDense, Trace
from pycopi.rules.learning import Learning
from pycopi.rules.standardisation import mean_and_spread
from pycopi.rules.subspace import SubspaceDecorrelation

_LEAST_SHARE = 0.1  # of the usual weights, however few the data are

Parameters = tuple[Any, ...]
"""Parameters of a network: one NamedTuple of arrays a layer, the lowest first."""


class FoldedNetwork(NamedTuple):
    """What `Network.fold` returns: a network without decorrelating matrices, and its parameters."""

    network: "Network"
    parameters: Parameters


@dataclass(frozen=True)
class Network:
    """A stack of layers, each fed by the one before it.

    Parameters
    ----------
    layers : tuple of Layer
        The layers, the lowest first; each takes as many inputs as the one below has outputs.

    Raises
    ------
    ValueError
        If there is no layer, or two neighbours do not fit together.

    Examples
    --------
    >>> import pycopi
    >>> network = pycopi.mlp([64, 128, 10])
    >>> [layer.outputs for layer in network.layers]
    [128, 10]
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        """Check that the layers fit together."""
        if not isinstance(self.layers, tuple) or not self.layers:
            msg = f"layers is {self.layers!r}; expected a tuple of at least one layer"
            raise ValueError(msg)
        if any(layer.standardized for layer in self.layers[1:]):
            msg = "a layer above the first is standardized; expected the first alone, which takes the inputs"
            raise ValueError(msg)
        for index, (below, above) in enumerate(zip(self.layers, self.layers[1:], strict=False), 1):
            if below.outputs != above.inputs:
                msg = (
                    f"layer {index} has {below.outputs} outputs but layer {index + 1} takes "
                    f"{above.inputs} inputs; expected the same number"
                )
                raise ValueError(msg)

    @property
    def inputs(self) -> int:
        """The number of input features."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """The number of outputs."""
        return self.layers[-1].outputs

    def init(
        self,
        seed: int = 0,
        *,
        like: Array | None = None,
        data: Array | None = None,
    ) -> Parameters:
        """Return fresh parameters: the same numbers for the same seed on every library.

        Parameters
        ----------
        seed : int
            Seed of the one NumPy generator that all numbers are drawn from.
        like : array, real floating, or None
            An array whose library, device and dtype the parameters get; None is float32 NumPy.
        data : array, shape (N, n), or None
            Samples whose means and spreads a standardized network takes, of any library. Only such a network
            takes them, and it needs them.

        Returns
        -------
        tuple of DenseParameters
            The parameters of each layer: Xavier-normal weights of standard deviation
            ``sqrt(2 / (n + m))``, the identity as decorrelating matrix, zero biases. Where there are fewer data
            than features, the weights of the first layer are times N / n, but at least 0.1, because training
            leaves them as they are in all directions that the data do not have.

        Raises
        ------
        TypeError
            If ``like`` is not an array of a real floating dtype.
        ValueError
            If the network is standardized and ``data`` are missing, not finite or of another shape, or it is
            not and there are some.

        Examples
        --------
        >>> import pycopi
        >>> parameters = pycopi.mlp([3, 2]).init(seed=0)
        >>> parameters[0].weight.shape, parameters[0].decorrelator.shape
        ((2, 3), (3, 3))
        """
        like = np.empty(0, dtype=np.float32) if like is None else like
        check_floats(like=like)
        scaling = self._scaling(data)
        generator = np.random.default_rng(seed)
        first, *others = (layer.init(generator) for layer in self.layers)
        if data is not None:
            share = min(1.0, max(_LEAST_SHARE, data.shape[0] / self.inputs))
            first = first._replace(weight=first.weight * share, **scaling)
        parameters: Parameters = transferred((first, *others), like)
        return parameters

    def _scaling(self, data: Array | None) -> dict[str, HostArray]:
        """Return what a standardized first layer takes from data, by name; nothing for any other."""
        if self.layers[0].standardized != (data is not None):
            needs = (
                "is standardized, so init needs the"
                if data is None
                else "is not standardized, so init takes no"
            )
            hint = "network.init(seed, data=x_train)" if data is None else "mlp(..., standardized=True)"
            msg = f"the network {needs} data whose mean and spread it should take; use {hint}"
            raise ValueError(msg)
        if data is None:
            return {}
        common_namespace(data=data)
        check_features("data", data, self.inputs)
        check_samples("data", data.shape[0])
        check_finite(data=data)
        mean, spread = mean_and_spread(to_numpy(data))
        return {"mean": mean, "spread": spread}

    def forward(self, parameters: Parameters, inputs: Array) -> Trace:
        """Return the trace of a forward pass.

        Parameters
        ----------
        parameters : tuple of DenseParameters
            Parameters of this network.
        inputs : array, shape (B, n), dtype of the parameters
            A batch of samples, a row each.

        Returns
        -------
        Trace
            Decorrelated inputs and preactivations of every layer, and the outputs.

        Raises
        ------
        TypeError, ValueError
            If library, device, dtype or shape of inputs or parameters do not fit the network.
        """
        self.check_parameters(parameters)
        self.check_inputs(parameters, inputs)
        return self.trace(map_arrays(compact, parameters), compact(inputs))

    def trace(self, parameters: Parameters, inputs: Array, learning: Sequence[Learning] | None = None) -> Trace:
        """Return what `forward` does, without its checks; ``learning`` is how each layer will learn from it."""
        return Trace(tuple(self.records(parameters, inputs, learning)))

    def records(
        self, parameters: Parameters, inputs: Array, learning: Sequence[Learning] | None = None
    ) -> Iterator[Any]:
        """Yield the record of each layer, the lowest first, and keep none."""
        outputs = inputs
        for index, (layer, own) in enumerate(zip(self.layers, parameters, strict=True)):
            record = layer.forward(own, outputs, None if learning is None else learning[index])
            outputs = record.outputs
            yield record

    def predict(self, parameters: Parameters, inputs: Array, *, batch_size: int = 1024) -> Array:
        """Return the outputs for inputs, computed in batches and without a trace.

        Parameters
        ----------
        parameters : tuple of DenseParameters
            Parameters of this network.
        inputs : array, shape (N, n), dtype of the parameters
            Samples, a row each. What is in host memory may go with parameters of any library, its batches
            are moved there one by one: NumPy arrays and memory maps, Dask arrays, and tensors of PyTorch
            and arrays of JAX on the CPU.
        batch_size : int
            Samples at a time, at least 1.

        Returns
        -------
        array, shape (N, m), library, device and dtype of the parameters
            The outputs of the last layer; ``argmax`` over the last axis gives class numbers.

        Raises
        ------
        TypeError, ValueError
            If library, device, dtype or shape do not fit the parameters, or a value is NaN or infinite.
        ArithmeticError
            If an output is NaN or infinite, because the network has diverged.

        Notes
        -----
        The same values give the same bits however they are laid out. NumPy, PyTorch and CuPy arrays that are
        not C-contiguous, aligned and in the machine's byte order are copied first; memory-mapped and read-only
        ones are used where they are. Another ``batch_size``, library, processor or engine may round otherwise.

        Examples
        --------
        >>> import numpy as np, pycopi
        >>> network = pycopi.mlp([3, 2])
        >>> network.predict(network.init(seed=0), np.zeros((5, 3), np.float32)).shape
        (5, 2)
        """
        self.check_parameters(parameters)
        parameters, batches = map_arrays(compact, parameters), []
        for _, batch in self.batches(parameters, inputs, batch_size):
            for layer, own in zip(self.layers, parameters, strict=True):
                batch = layer.forward(own, batch).outputs
            if not is_finite(batch):
                msg = "outputs are not finite although the inputs are: the network has diverged in training"
                msg += "; go back to earlier parameters, such as those that DivergenceError carries"
                raise ArithmeticError(msg)
            batches.append(batch)
        return batches[0] if len(batches) == 1 else namespace(batches[0]).concat(batches, axis=0)

    def batches(self, parameters: Parameters, inputs: Array, batch_size: int) -> Iterator[tuple[slice, Array]]:
        """Yield the rows of each batch of inputs, and the batch, checked and where the parameters are."""
        batch_size = as_whole("batch_size", batch_size)
        like, inputs = first_array(parameters), adopted(inputs)
        check_array("inputs", inputs, like)
        check_features("inputs", inputs, self.inputs)
        check_reals("inputs", inputs, like)
        check_movable("inputs", inputs, like)
        for rows in slices(inputs.shape[0], batch_size) or [slice(0, 0)]:
            batch = compact(take(inputs, rows, like))
            self.check_inputs(parameters, batch)
            check_finite_rows("inputs", batch, rows.start)
            yield rows, batch

    def fold(self, parameters: Parameters) -> FoldedNetwork:
        """Return a network that predicts the same with one matrix, W R, in each layer.

        Parameters
        ----------
        parameters : tuple of DenseParameters
            Parameters of this network; they are not changed.

        Returns
        -------
        FoldedNetwork
            ``network``, whose layers have no decorrelating matrix, and its ``parameters``. Its outputs
            equal this network's to rounding, at the cost of a plain network.
        """
        self.check_parameters(parameters)
        compacted = map_arrays(compact, parameters)
        pairs = [layer.fold(own) for layer, own in zip(self.layers, compacted, strict=True)]
        return FoldedNetwork(Network(tuple(layer for layer, _ in pairs)), tuple(p for _, p in pairs))

    def check_parameters(self, parameters: Parameters) -> Any:
        """Check that parameters are this network's, and return their namespace."""
        wanted = "expected a tuple such as network.init() returns"
        if hasattr(parameters, "parameters"):
            msg = f"parameters are a {type(parameters).__name__}; give its field parameters"
            raise TypeError(msg)
        if not isinstance(parameters, tuple):
            msg = f"parameters are a {type(parameters).__name__}; {wanted}"
            raise TypeError(msg)
        if len(parameters) != len(self.layers):
            msg = f"parameters are of {len(parameters)} layers but the network has {len(self.layers)}; {wanted}"
            raise ValueError(msg)
        named: dict[str, Array] = {}
        for index, (layer, own) in enumerate(zip(self.layers, parameters, strict=True), 1):
            layer.check_parameters(own, f"layer {index}")
            named |= {f"{name} of layer {index}": array for name, array in named_arrays(own).items()}
        return check_floats(**named)

    def check_inputs(self, parameters: Parameters, inputs: Array) -> None:
        """Check that a batch fits the network and the parameters' library, device and dtype."""
        like = first_array(parameters)
        check_array("inputs", inputs, like)
        check_features("inputs", inputs, self.inputs)
        check_reals("inputs", inputs, like)
        common_namespace(parameters=like, inputs=inputs)


def transferred(tree: Tree, like: Array) -> Tree:
    """Return NumPy arrays in the library and device of ``like``, floats in its dtype."""

    def move(values: HostArray) -> Array:
        if values.dtype.kind != "f":
            return from_numpy(values, like)
        return (
            aligned_copy(values, like.dtype) if is_numpy(like) else from_numpy(values, like, dtype=like.dtype)
        )

    return map_arrays(move, tree)


def mlp(
    sizes: Sequence[int],
    *,
    activation: str | Activation = "leaky_relu",
    output_activation: str | Activation = "identity",
    bias: bool = False,
    decorrelated: bool | SubspaceDecorrelation = True,
    standardized: bool = False,
) -> Network:
    """Return a multilayer perceptron.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of features from the inputs to the outputs, at least two.
    activation : str or Activation
        Activation of the hidden layers: ``leaky_relu`` (slope 0.1, the paper's), ``relu``, ``tanh``,
        ``sigmoid``, ``identity``, or an object of `pycopi.activations`.
    output_activation : str or Activation
        Activation of the last layer.
    bias : bool
        Whether each layer has a bias; the paper's have none.
    decorrelated : bool or SubspaceDecorrelation
        Whether each layer decorrelates its inputs, by a matrix that learns to; False gives a plain network. A
        `SubspaceDecorrelation` does so in closed form, in few directions: its layers are `SubspaceDense`.
    standardized : bool
        Whether the network centres its inputs, divides each feature by its spread and clips it to 3 of these,
        so that it takes data of any scale; `Network.init` then takes ``data``.

    Returns
    -------
    Network
        A frozen, hashable description; ``init`` makes its parameters.

    Raises
    ------
    ValueError
        If there are fewer than two sizes, a size is not a positive whole number, or a name is unknown.

    Examples
    --------
    >>> import pycopi
    >>> len(pycopi.mlp([784, 500, 500, 10]).layers)
    3
    """
    sizes = tuple(sizes)
    if len(sizes) < 2:
        msg = f"sizes is {sizes}; expected at least two: the inputs and the outputs"
        raise ValueError(msg)
    hidden, last = resolve(activation), resolve(output_activation)
    kind: Any = SubspaceDense if isinstance(decorrelated, SubspaceDecorrelation) else Dense
    activations = [hidden] * (len(sizes) - 2) + [last]
    layers = (
        kind(*pair, activation, bias, decorrelated, standardized and index == 0)
        for index, (pair, activation) in enumerate(zip(pairwise(sizes), activations, strict=True))
    )
    return Network(tuple(layers))
