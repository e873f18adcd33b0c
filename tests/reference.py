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


def stream(
    r: Matrix, samples: Matrix, rate: float, whitening: float = 0.0, bound: float | None = None
) -> tuple[Matrix, Matrix]:
    rows = []
    for sample in samples:
        x = r @ sample
        rows.append(x)
        largest = max(whitening, 1 - whitening) * (x @ x) + whitening
        own = rate if bound is None or rate * largest <= bound else bound / largest
        r = decorrelation(r, x[None, :], own, whitening=whitening)
    return np.array(rows).reshape(samples.shape), r


def recursive_stream(r: Matrix, samples: Matrix, rate: float) -> tuple[Matrix, Matrix]:
    """Return samples whitened by recursive least squares, one after the other, and the last matrix."""
    rows = []
    for sample in samples:
        x = r @ sample
        rows.append(x)
        power = x @ x
        shrunk = np.sqrt((1 - rate) / (1 - rate + rate * power))
        along = np.outer(x, x) / power if power else 0.0 * np.outer(x, x)
        r = (r - (1 - shrunk) * along @ r) / np.sqrt(1 - rate)
    return np.array(rows).reshape(samples.shape), r


def inferred_map(a: Matrix, x: Matrix, epsilon: float) -> Matrix:
    """Return E[a x^T] / max(E[x^2], epsilon max E[x^2]), one element after the other."""
    result = np.zeros((a.shape[1], x.shape[1]))
    least = epsilon * np.max(np.mean(x**2, axis=0)) or 1.0
    for i, j in np.ndindex(result.shape):
        result[i, j] = np.mean(a[:, i] * x[:, j]) / max(np.mean(x[:, j] ** 2), least)
    return result


def correlation(x: Matrix) -> Matrix:
    """Return the correlation that is not centred, 0 for features that are zero throughout."""
    result = np.zeros((x.shape[1], x.shape[1]))
    for i, j in np.ndindex(result.shape):
        norms = np.linalg.norm(x[:, i]) * np.linalg.norm(x[:, j])
        result[i, j] = x[:, i] @ x[:, j] / norms if norms > 0 else 0.0
    return result


def zca(y: Matrix, epsilon: float, *, centred: bool = False) -> Matrix:
    """Return the inverse root of the second moments by a singular value decomposition."""
    rows = y - y.mean(axis=0) if centred else y
    _, singular, v = np.linalg.svd(rows, full_matrices=True)
    power = np.zeros(y.shape[1])
    power[: len(singular)] = singular**2 / len(y)
    return v.T @ np.diag((power + epsilon) ** -0.5) @ v


def degrees(one: Matrix, other: Matrix) -> float:
    """Return the angle between two arrays, each as one vector, by the law of cosines."""
    u, v = one.ravel() / np.linalg.norm(one), other.ravel() / np.linalg.norm(other)
    return float(np.degrees(np.arccos(np.clip(u @ v, -1.0, 1.0))))


def damped_moments(y: Matrix, rank: int, damping: float) -> tuple[Matrix, float]:
    """Return M + d I and d: M with its leading eigenvalues, and the mean of the others in place of each."""
    moments = y.T @ y / len(y)
    values, vectors = np.linalg.eigh(moments)
    n = len(values)
    if rank < n:
        values[: n - rank] = np.mean(values[: n - rank])
    d = damping * (np.trace(moments) / n or 1.0)
    return vectors @ np.diag(values + d) @ vectors.T, d


def closed_form(y: Matrix, rank: int, damping: float) -> Matrix:
    """Return R = (I + M / d)^(-1/2)."""
    moments, d = damped_moments(y, rank, damping)
    values, vectors = np.linalg.eigh(moments / d)
    return vectors @ np.diag(values**-0.5) @ vectors.T


def root_in_directions(vectors: Matrix, powers: Matrix, damping: float) -> Matrix:
    """Return R = (M + d I)^(-1/2) of what a layer knows: k directions, and the mean power of all n."""
    k, n = vectors.shape
    values, power = powers[:k], powers[k]
    rest = max(0.0, n * power - np.sum(values)) / max(1, n - k) if k < n else 0.0
    d = damping * (power or 1.0)
    moments = rest * np.eye(n)
    for value, vector in zip(values, vectors, strict=True):
        moments = moments + (value - rest) * np.outer(vector, vector)
    found, turn = np.linalg.eigh(moments + d * np.eye(n))
    return turn @ np.diag(found**-0.5) @ turn.T
