"""The rules that a stream can learn by, by name, and the limit of the rows of its matrix."""

import functools
import math
from typing import Any, Literal

from pycopi import kernels
from pycopi._array import Array, diagonal, is_readable, namespace, number
from pycopi._checks import as_float
from pycopi.rules.stability import checked_bound

StreamRule = Literal["covariance", "rls"]
RULES = ("covariance", "rls")


def sample_rule(rate: Any, rule: str, whitening: Any, step_bound: Any) -> kernels.SampleRule:
    """Return the rule that these arguments of a stream describe, checked."""
    plain = type(rate) is float and type(whitening) is float and type(step_bound) in (float, type(None))
    return (_known if plain else _checked)(rate, rule, whitening, step_bound)


def _checked(rate: Any, rule: str, whitening: Any, step_bound: Any) -> kernels.SampleRule:
    if rule not in RULES:
        msg = f"rule is {rule!r}; expected one of {', '.join(RULES)}"
        raise ValueError(msg)
    rate, whitening = as_float("rate", rate), as_float("whitening", whitening, most=1.0)
    bound = checked_bound(step_bound)
    bound = math.inf if bound is None else bound
    if rule == "covariance":
        return kernels.SampleRule(rate, whitening, bound)
    if whitening != 0.0:
        msg = f"whitening is {whitening}, but rule='rls' always whitens; expected 0"
        raise ValueError(msg)
    if isinstance(rate, float) and rate >= 1.0:
        msg = f"rate is {rate}; with rule='rls' it is a sample's share in the second moments: expected below 1"
        raise ValueError(msg)
    return kernels.SampleRule(rate, recursive=True)


_known = functools.lru_cache(maxsize=64)(_checked)  # a check takes as long as a small sample


def grows(rule: kernels.SampleRule) -> bool:
    """Return whether a row of R grows where its inputs are always 0."""
    return rule.recursive or (isinstance(rule.whitening, float) and rule.whitening > 0.0)


def gain_limit(gains: Array) -> Array | None:
    """Return the factors of rows that keep their own gains |R_ii| (n,) at most 1 / eps; None where all are 1.

    An input that is always 0 has no power to bring to 1, and its row would grow without end. Beyond 1 / eps,
    the rounding of inputs of size 1 is what would be whitened.
    """
    xp = namespace(gains)
    excess = xp.abs(gains) * float(xp.finfo(gains.dtype).eps)
    largest = xp.max(excess)
    if is_readable(largest) and not number(largest) > 1.0:
        return None
    return 1.0 / xp.maximum(excess, xp.ones_like(excess))


def limited(decorrelator: Array) -> Array:
    """Return the matrix with no row's own gain beyond the limit; it may be overwritten."""
    scale = gain_limit(diagonal(decorrelator))
    if scale is None:
        return decorrelator
    nothing = decorrelator[:0, :]
    return kernels.apply(decorrelator, kernels.RankK(nothing, nothing, 1.0, scale))
