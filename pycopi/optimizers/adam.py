"""Adam: the optimiser that the paper's backpropagation baseline uses."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pycopi._array import Array, astype, device, is_numpy, namespace, slices, wide_floats
from pycopi._checks import as_float
from pycopi._trees import Tree
from pycopi.optimizers.base import Optimizer

CORRECTIONS = ("exact", "constant")

_LEAST = 1e-30  # square of a gradient that still counts
_BLOCK = 1 << 15  # elements of the parameters that are swept at a time: their moments stay in the cache


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """How the moments of the gradient make a step.

    Parameters
    ----------
    beta1, beta2 : float
        Shares of the first and second moment that a step keeps, in [0, 1).
    epsilon : float
        Added to the root of the second moment, in units of the gradient.
    correction : {"exact", "constant"}
        What the moments, which start at zero, are divided by: ``exact`` is Adam's ``1 - beta**t``;
        ``constant`` is ``1 - beta`` in every step, as in the published experiments on COPI, whose steps
        are thereby ``sqrt(1 - beta2) / (1 - beta1) = 0.316`` of Adam's once the moments have settled.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    correction: Literal["exact", "constant"] = "exact"

    def __post_init__(self) -> None:
        """Check the fields."""
        for name in ("beta1", "beta2"):
            value = as_float(name, getattr(self, name))
            if value >= 1.0:
                msg = f"{name} is {value}; expected a number of at least 0 and less than 1"
                raise ValueError(msg)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "epsilon", as_float("epsilon", self.epsilon))
        if self.correction not in CORRECTIONS:
            msg = f"correction is {self.correction!r}; expected one of {', '.join(CORRECTIONS)}"
            raise ValueError(msg)

    rescales: ClassVar[bool] = True

    def check(self, parameter: Array) -> None:
        """Check that squares of gradients are within the range of the parameters' dtype."""
        if namespace(parameter).finfo(parameter.dtype).smallest_normal > _LEAST:
            msg = f"the optimizer is Adam but parameters have dtype {parameter.dtype}, in which the squares of "
            msg += "small gradients are 0; make parameters of dtype bfloat16 or float32"
            raise TypeError(msg)

    def init(self, parameter: Array) -> dict[str, Array]:
        """Return the ``moments`` (2, ...), which begin at zero, and the ``corrections`` (2,) of their start."""
        xp, nothing = namespace(parameter), {"dtype": parameter.dtype, "device": device(parameter)}
        moments = xp.zeros((2, *parameter.shape), **nothing)
        return {"moments": moments, "corrections": xp.zeros((2,), **nothing)}

    def step(self, parameter: Array, memory: Tree, change: Array, rate: Any) -> tuple[Array, Tree]:
        """Return a parameter and its moments after a step, in fresh arrays."""
        corrections = next_corrections(memory["corrections"], self)
        parts = parameter, memory["moments"][0, ...], memory["moments"][1, ...], change
        stepped, *moments = _average(*parts, rate, self, corrections)
        return stepped, {"moments": namespace(parameter).stack(moments), "corrections": corrections}

    def overwrite(self, parameter: Array, memory: Tree, change: Array, rate: Any) -> tuple[Array, Tree]:
        """Return a parameter and its moments after a step, in the same arrays, some rows at a time."""
        if not is_numpy(parameter):
            return super().overwrite(parameter, memory, change, rate)
        moments = memory["moments"]
        corrections = next_corrections(memory["corrections"], self)
        rows = max(1, _BLOCK // max(1, parameter[0].size))
        for block in slices(parameter.shape[0], rows):
            parts = parameter[block], moments[0, block], moments[1, block]
            for part, value in zip(
                parts, _average(*parts, change[block], rate, self, corrections), strict=True
            ):
                part[...] = value
        memory["corrections"][...] = corrections
        return parameter, memory


def next_corrections(corrections: Array, adam: Adam) -> Array:
    """Return the corrections ``1 - beta**t`` (2,) of both moments, one step later."""
    first, second = (
        adam.beta1 * corrections[:1] + (1.0 - adam.beta1),
        adam.beta2 * corrections[1:] + (1.0 - adam.beta2),
    )
    return namespace(corrections).concat([first, second])


def _average(
    parameter: Array,
    first: Array,
    second: Array,
    ascent: Array,
    rate: Any,
    adam: Adam,
    corrections: Array,
) -> tuple[Array, Array, Array]:
    """Return parameter, first and second moment after one step, computed in at least 32 bits.

    ``ascent`` is minus the gradient g, in the shape of the parameter; ``corrections`` are those of this step.
    With the averages ``m' = beta1 m + (1 - beta1) g`` and ``v' = beta2 v + (1 - beta2) g^2`` the step is
    ``rate m' / c1 / (sqrt(v' / c2) + epsilon)`` (Kingma and Ba, arXiv 1412.6980, algorithm 1).
    """
    xp = namespace(parameter)
    dtype = parameter.dtype
    divisors: tuple[Any, Any] = 1.0 - adam.beta1, 1.0 - adam.beta2
    if adam.correction == "exact":
        divisors = corrections[0], corrections[1]
    parameter, first, second, ascent = map(wide_floats, (parameter, first, second, ascent))
    first = adam.beta1 * first + (1.0 - adam.beta1) * ascent
    second = adam.beta2 * second + (1.0 - adam.beta2) * xp.square(ascent)
    spread = xp.sqrt(second / divisors[1]) + adam.epsilon
    stepped = parameter + (rate / divisors[0]) * (first / spread)
    return astype(stepped, dtype), astype(first, dtype), astype(second, dtype)
