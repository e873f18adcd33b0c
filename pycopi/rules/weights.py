"""How a layer's weights learn: COPI, and the plain gradient as its baseline."""

from typing import Any

from pycopi import kernels
from pycopi._array import Array, namespace
from pycopi._checks import as_float, check_finite, check_floats, check_samples, check_shape
from pycopi.rules.power import mean_square

EPSILON = 1e-8
"""Added to the power of an input before it divides (variance-scaled COPI)."""


def copi_update(
    weight: Array,
    *,
    targets: Array,
    decorrelated: Array,
    rate: float,
    variance_scaled: bool = False,
    epsilon: float = EPSILON,
    copy: bool | None = True,
) -> Array:
    """Return the weights after one step of constrained parameter inference.

    Parameters
    ----------
    weight : array, shape (m, n), real floating
        Forward weights W of a layer with n inputs and m outputs.
    targets : array, shape (B, m), dtype of ``weight``
        Perturbed states z = a + delta that the weights are inferred from.
    decorrelated : array, shape (B, n), dtype of ``weight``
        Decorrelated inputs x of the layer.
    rate : float
        Step size, dimensionless, at least 0.
    variance_scaled : bool
        Divide the step of each column by the power of its input, so that all columns converge at the
        same speed.
    epsilon : float
        Added to that power, in squared units of ``decorrelated``.
    copy : bool or None
        True (the default) never changes ``weight``; None may overwrite it; False must.

    Returns
    -------
    array, shape (m, n), dtype of ``weight``
        The updated weights.

    Raises
    ------
    TypeError
        If the arrays differ in library or dtype, or are not real floating.
    ValueError
        If shapes do not fit together, a value is NaN or infinite, or a hyperparameter is out of range.

    Notes
    -----
    ``W' = W diag(1 - rate s2) + (rate / B) z.T x`` with ``s2 = mean(x**2)`` over the batch; variance-scaled,
    both terms are divided by ``s2 + epsilon``. With decorrelated inputs each weight is inferred alone, and
    the fixed point ``W = E[z x.T] / E[x**2]`` is the least-squares solution (Ahmad, Schrader and van
    Gerven, *Constrained Parameter Inference as a Principle for Learning*, TMLR 2023, the weight update).
    A layer with a bias b is inferred from z - b, since the constant input of a bias is not decorrelated
    from x. Neither form looks at the values of ``weight``. Costs 2Bmn operations.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> weight, targets, x = np.zeros((1, 2)), np.array([[4.0]]), np.array([[1.0, 2.0]])
    >>> pycopi.copi_update(weight, targets=targets, decorrelated=x, rate=0.5)
    array([[2., 4.]])
    """
    rate = _check(weight, "targets", targets, decorrelated, rate)
    epsilon = as_float("epsilon", epsilon)
    power = mean_square(decorrelated)
    added = epsilon if variance_scaled else None
    return kernels.apply(weight, inference(targets, decorrelated, power, rate, added), copy)


def gradient_update(
    weight: Array, *, perturbations: Array, decorrelated: Array, rate: float, copy: bool | None = True
) -> Array:
    """Return the weights after one step in the direction of the perturbations: the plain gradient form.

    Parameters
    ----------
    weight : array, shape (m, n), real floating
        Forward weights W of a layer with n inputs and m outputs.
    perturbations : array, shape (B, m), dtype of ``weight``
        Wanted changes delta of the layer's preactivations.
    decorrelated : array, shape (B, n), dtype of ``weight``
        Inputs x of the layer, decorrelated or not.
    rate : float
        Step size, dimensionless, at least 0.
    copy : bool or None
        True (the default) never changes ``weight``; None may overwrite it; False must.

    Returns
    -------
    array, shape (m, n), dtype of ``weight``
        The updated weights.

    Raises
    ------
    TypeError
        If the arrays differ in library or dtype, or are not real floating.
    ValueError
        If shapes do not fit together, a value is NaN or infinite, or ``rate`` is out of range.

    Notes
    -----
    ``W' = W + (rate / B) delta.T x``. Costs 2Bmn operations.

    Examples
    --------
    >>> import numpy as np, pycopi
    >>> weight, perturbations, x = np.zeros((1, 2)), np.array([[4.0]]), np.array([[1.0, 2.0]])
    >>> pycopi.gradient_update(weight, perturbations=perturbations, decorrelated=x, rate=0.5)
    array([[2., 4.]])
    """
    rate = _check(weight, "perturbations", perturbations, decorrelated, rate)
    return kernels.apply(weight, descent(perturbations, decorrelated, rate), copy)


def inference(
    targets: Array, decorrelated: Array, power: Array, rate: Any, epsilon: float | None
) -> kernels.RankK:
    """Return the COPI step; ``epsilon=None`` is the plain form, a number the variance-scaled one."""
    scale = rate / decorrelated.shape[0]
    if epsilon is None:
        return kernels.RankK(targets, decorrelated, scale, None, 1.0 - rate * power)
    divisor = scaling_divisor(power, epsilon)
    kept = 1.0 - rate * (power / divisor)
    return kernels.RankK(targets, decorrelated / divisor[None, :], scale, None, kept)


def scaling_divisor(power: Array, epsilon: float) -> Array:
    """Return what each input's step is divided by, ``power + epsilon``; an input that is always 0 stays out."""
    least = namespace(power).finfo(power.dtype).smallest_normal
    return power + max(epsilon, float(least))


def descent(perturbations: Array, decorrelated: Array, rate: Any) -> kernels.RankK:
    """Return the plain gradient step."""
    return kernels.RankK(perturbations, decorrelated, rate / decorrelated.shape[0])


def _check(weight: Array, name: str, states: Array, decorrelated: Array, rate: Any) -> Any:
    """Check the arguments of a rule, and return the rate as a Python float."""
    check_floats(**{"weight": weight, name: states, "decorrelated": decorrelated})
    check_shape("weight", weight, (None, None), "it must be a matrix")
    m, n = weight.shape
    check_shape("decorrelated", decorrelated, (None, n), f"weight has {n} columns")
    samples = decorrelated.shape[0]
    check_shape(name, states, (samples, m), f"decorrelated has {samples} rows and weight {m} rows")
    check_samples("decorrelated", samples)
    check_finite(**{name: states, "decorrelated": decorrelated})
    return as_float("rate", rate)
