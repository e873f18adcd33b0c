"""Adam: the optimiser that the paper's backpropagation baseline uses."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pycopi import kernels
from pycopi._array import Array, astype, is_numpy, is_writable, namespace, slices, wide_floats
from pycopi._checks import as_float
from pycopi.optimizers.base import Change, Changes, Optimizer, changed

CORRECTIONS = ("exact", "constant")

_LEAST = 1e-30  # square of a gradient that still counts
_MOMENTS = {"weight": "moments", "bias": "bias_moments"}  # of the parameters that have some
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

    needs_moments: ClassVar[bool] = True

    def check_range(self, parameter: Array) -> None:
        """Check that squares of gradients are within the range of the parameters' dtype."""
        if namespace(parameter).finfo(parameter.dtype).smallest_normal > _LEAST:
            msg = f"rule is 'adam' but parameters have dtype {parameter.dtype}, in which the squares of small "
            msg += "gradients are 0; make parameters of dtype bfloat16 or float32"
            raise TypeError(msg)

    def apply(self, own: Any, changes: Changes, copy: bool | None, rate: Any = None) -> Any:
        """Return parameters and moments after a step.

        Changes of weights and biases are those of the gradient form at a rate of 1; what has no moments, such
        as R, takes its change as it is.
        """
        values: dict[str, Array] = {}
        if "weight" in changes:
            values["gathered"] = gather(own.gathered, self)
        for name, change in changes.items():
            if name not in _MOMENTS:
                values[name] = changed(name, getattr(own, name), change, copy)
                continue
            moments = getattr(own, _MOMENTS[name])
            parts = getattr(own, name), moments, values["gathered"], _ascent(change)
            values[name], values[_MOMENTS[name]] = adam_step(*parts, rate, self, copy)
        return own._replace(**values)

    def direction(self, own: Any, name: str, change: Change) -> Array:
        """Return what a step at a rate of 1 adds to the parameter of this name."""
        nothing = namespace(own.gathered).zeros_like(getattr(own, name))
        moments, gathered = getattr(own, _MOMENTS[name]), gather(own.gathered, self)
        return adam_step(nothing, moments, gathered, _ascent(change), 1.0, self, True)[0]


def _ascent(change: Change) -> Array:
    """Return the mean over the batch that a change of rate 1 adds."""
    if not isinstance(change, kernels.RankK):
        return change
    xp = namespace(change.left)
    return xp.matmul(xp.matrix_transpose(change.left), change.right) / (1.0 / change.scale)


def gather(gathered: Array, adam: Adam) -> Array:
    """Return what the averages of both moments have gathered, ``1 - beta**t`` (2,), one step later."""
    first, second = (
        adam.beta1 * gathered[:1] + (1.0 - adam.beta1),
        adam.beta2 * gathered[1:] + (1.0 - adam.beta2),
    )
    return namespace(gathered).concat([first, second])


def adam_step(
    parameter: Array, moments: Array, gathered: Array, ascent: Array, rate: Any, adam: Adam, copy: bool | None
) -> tuple[Array, Array]:
    """Return a parameter (m, ...) and its moments (2, m, ...) after one step.

    ``ascent`` is minus the gradient, shape (m, ...); ``gathered`` is that of this step. With the averages
    ``m' = beta1 m + (1 - beta1) g`` and ``v' = beta2 v + (1 - beta2) g^2`` the step is
    ``rate m' / c1 / (sqrt(v' / c2) + epsilon)`` (Kingma and Ba, arXiv 1412.6980, algorithm 1).
    """
    if adam.correction == "exact":
        first, second = gathered[0], gathered[1]
    else:
        first, second = 1.0 - adam.beta1, 1.0 - adam.beta2
    corrections = first, second
    if copy is True or not (is_numpy(parameter) and is_writable(parameter) and is_writable(moments)):
        xp = namespace(parameter)
        stepped, *kept = _average(parameter, moments[0, ...], moments[1, ...], ascent, rate, adam, corrections)
        return stepped, xp.stack(kept)
    rows = max(1, _BLOCK // max(1, parameter[0].size))
    for block in slices(parameter.shape[0], rows):
        parts = parameter[block], moments[0, block], moments[1, block]
        for part, value in zip(parts, _average(*parts, ascent[block], rate, adam, corrections), strict=True):
            part[...] = value
    return parameter, moments


def _average(
    parameter: Array,
    first: Array,
    second: Array,
    ascent: Array,
    rate: Any,
    adam: Adam,
    corrections: tuple[Any, Any],
) -> tuple[Array, Array, Array]:
    """Return parameter, first and second moment after one step, computed in at least 32 bits."""
    xp = namespace(parameter)
    dtype = parameter.dtype
    parameter, first, second, ascent = map(wide_floats, (parameter, first, second, ascent))
    first = adam.beta1 * first + (1.0 - adam.beta1) * ascent
    second = adam.beta2 * second + (1.0 - adam.beta2) * xp.square(ascent)
    spread = xp.sqrt(second / corrections[1]) + adam.epsilon
    stepped = parameter + (rate / corrections[0]) * (first / spread)
    return astype(stepped, dtype), astype(first, dtype), astype(second, dtype)
