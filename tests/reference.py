"""The plain equations, one after the other, in float64 NumPy: what the package must agree with.

Unlike the package, they form the covariance matrix, and take one sample at a time where the text says so.
"""

import numpy as np

Matrix = np.ndarray


def rank_k(matrix: Matrix, left: Matrix, right: Matrix, scale=1.0, row_scale=None, column_scale=None) -> Matrix:
    m, n = matrix.shape
    rows = np.ones(m) if row_scale is None else row_scale
    columns = np.ones(n) if column_scale is None else column_scale
    result = np.diag(rows) @ matrix @ np.diag(columns)
    for a, b in zip(left, right, strict=True):
        result = result + scale * np.outer(a, b)
    return result


def copi(weight: Matrix, targets: Matrix, x: Matrix, rate: float, epsilon: float | None = None) -> Matrix:
    batch = x.shape[0]
    power = (x**2).mean(axis=0)
    change = targets.T @ x / batch - weight @ np.diag(power)
    if epsilon is not None:
        change = change @ np.diag(1.0 / (power + epsilon))
    return weight + rate * change


def covariance(x: Matrix) -> tuple[Matrix, Matrix]:
    second = x.T @ x / x.shape[0]
    power = np.diag(np.diag(second))
    return second - power, power


def decorrelation(
    r: Matrix, x: Matrix, rate: float, rule: str = "covariance", whitening: float = 0.0
) -> Matrix:
    c, power = covariance(x)
    bracket = (1 - whitening) * c + whitening * (power - np.eye(len(power)))
    return r - rate * (bracket @ r if rule == "covariance" else r @ bracket)


def stream(r: Matrix, samples: Matrix, rate: float, whitening: float = 0.0) -> tuple[Matrix, Matrix]:
    rows = []
    for sample in samples:
        x = r @ sample
        rows.append(x)
        r = decorrelation(r, x[None, :], rate, whitening=whitening)
    return np.array(rows).reshape(samples.shape), r
