"""By how much one sample moves R: the plain rule with its bound, and recursive least squares."""

from typing import Any, NamedTuple

from pycopi._array import Namespace


class SampleRule(NamedTuple):
    """How R learns from one sample x = R y.

    Row i is multiplied by ``base + slope x_i^2`` and then gains ``step x_i v``, where ``v = x R``; the three
    numbers are those of `coefficients`. ``bound`` is infinite for none. With ``recursive``, ``rate`` is the
    share that a sample has in the second moments.
    """

    rate: Any
    whitening: float = 0.0
    bound: float = float("inf")
    recursive: bool = False


def coefficients(rule: SampleRule, power: Any, xp: Namespace) -> tuple[Any, Any, Any]:
    """Return base, slope and step for a sample with ``power = |x|^2``, a float or a 0-d array."""
    return _recursive(rule, power) if rule.recursive else _bounded(rule, power, xp)


def _bounded(rule: SampleRule, power: Any, xp: Namespace) -> tuple[Any, Any, Any]:
    """Return what ``R - rate M R`` needs, M = (1 - kappa) x x.T + (2 kappa - 1) diag(x^2) - kappa.

    No eigenvalue of M is beyond ``max(kappa, 1 - kappa) |x|^2 + kappa``, and the rate times that is kept within
    the bound.
    """
    rate, kappa = rule.rate, rule.whitening
    excess = (max(kappa, 1.0 - kappa) * power + kappa) * (rate / rule.bound)
    if isinstance(excess, float):
        rate = rate / max(excess, 1.0)
    else:
        rate = rate / xp.maximum(excess, xp.ones_like(excess))
    return 1.0 + rate * kappa, rate * (1.0 - 2.0 * kappa), -rate * (1.0 - kappa)


def _recursive(rule: SampleRule, power: Any) -> tuple[Any, Any, Any]:
    """Return what ``(R - beta x v.T) / sqrt(1 - rate)`` needs, beta = (1 - root) / |x|^2.

    With root = sqrt(keep / (keep + rate |x|^2)) and keep = 1 - rate; written so that nothing is divided by
    ``|x|^2``, which may be 0.
    """
    keep = 1.0 - rule.rate
    growth = keep**-0.5
    total = keep + rule.rate * power
    return growth, 0.0, (-growth * rule.rate) / (total * (1.0 + (keep / total) ** 0.5))
