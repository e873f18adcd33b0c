"""The operations of learning in C: products, and the rules by which W and R change."""

from collections.abc import Set
from typing import Any

import numpy as np

from pycopi.export.c_text import number
from pycopi.rules.inference import COPI
from pycopi.rules.weights import scaling_divisor
from pycopi.settings import Settings

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


def epsilon_of(rule: Any) -> str | None:
    """Return what is added to the power of an input before it divides; None where nothing does."""
    if not isinstance(rule, COPI) or not rule.variance_scaled:
        return None
    return number(float(scaling_divisor(np.zeros(1, np.float32), rule.epsilon)[0]))


def operations(settings: Settings, rules: Set[str], *, identity: bool) -> str:
    """Return the operations that settings need, with these rules for R, which may begin as the identity."""
    rule, copi = settings.method.rule, isinstance(settings.method.rule, COPI)
    epsilon = epsilon_of(rule)
    columns = _COLUMNS["gradient" if not copi else "copi" if epsilon is None else "scaled"]
    code = _HELPERS % {
        "given": "const float *a, " if copi else "",
        "state": "a[i] + delta[i] - (b ? b[i] : 0.0f)" if copi else "delta[i]",
        "columns": columns.format(epsilon=epsilon),
    }
    if epsilon is not None and settings.step_bound is not None:
        code += _SCALED_POWER % {"epsilon": epsilon}
    code += _IDENTITY if identity else ""
    return code + "".join({"covariance": _COVARIANCE, "local": _LOCAL}[one] for one in sorted(rules))
