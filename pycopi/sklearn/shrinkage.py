"""How far the eigenvalues of a sample are from those of the rows to come, judged from the sample alone."""

import numpy as np

from pycopi._array import HostArray

_LEAST_ROWS = 12  # of the formula where there are more features than rows
_ROOT = np.sqrt(5.0)
_FAR = 100.0  # widths of a kernel


def shrunk(values: HostArray, rows: float) -> HostArray:
    """Return the power of later rows along each eigenvector of a sample, for its eigenvalues (p,), rising.

    These are estimates above 0 of ``u.T S u`` for each eigenvector u, where S are the true second moments.
    ``rows`` are those of the sample that are independent, less one where their mean was taken off.

    The analytical nonlinear shrinkage of Ledoit and Wolf, Annals of Statistics 48(5), 2020. With c = p / N, the
    density f of the eigenvalues and its Hilbert transform H, both from kernels whose width is a share N^(-1/3)
    of each eigenvalue, the estimate is ``d = e / ((pi c e f(e))^2 + (1 - c - pi c e H(e))^2)``.

    Small eigenvalues are raised and large ones lowered by a share of themselves, so that strong correlations
    are still taken off in full. With fewer than 12 rows the linear shrinkage of Chen, Wiesel, Eldar and Hero,
    IEEE Transactions on Signal Processing 58(10), 2010, equation 23, takes its place. Costs p^2 operations.
    """
    features = len(values)
    if features < 2:
        return values
    if rows < _LEAST_ROWS:
        share = linear_share(values, rows)
        return np.asarray((1.0 - share) * values + share * values.mean())
    count = int(min(features, rows))
    live = np.maximum(values[features - count :], np.finfo(float).tiny)
    width = rows ** (-1.0 / 3.0)
    density, transform = _kernels(live, width)
    if features <= rows:
        c = features / rows
        rest = 1.0 - c - np.pi * c * live * transform
        return np.asarray(live / ((np.pi * c * live * density) ** 2 + rest**2))
    found = np.empty(features)
    found[features - count :] = live / ((np.pi * live) ** 2 * (density**2 + transform**2))
    at_zero = 0.3 / width**2 + 0.75 / _ROOT / width * (1.0 - 0.2 / width**2) * np.log(
        (1.0 + _ROOT * width) / (1.0 - _ROOT * width)
    )
    at_zero *= np.mean(1.0 / live) / np.pi
    found[: features - count] = rows / (np.pi * (features - rows) * at_zero)
    return found


def linear_share(values: HostArray, rows: float) -> float:
    """Return the share of the mean eigenvalue in a linear shrinkage, in [0, 1]."""
    p, trace, square = len(values), values.sum(), (values**2).sum()
    over = (rows + 1.0 - 2.0 / p) * (square - trace**2 / p)
    share = (1.0 - 2.0 / p) * square + trace**2
    return float(min(1.0, share / over)) if over > 0 else 1.0


def _kernels(values: HostArray, width: float) -> tuple[HostArray, HostArray]:
    """Return density and Hilbert transform at each eigenvalue, by Epanechnikov kernels."""
    widths = width * values[None, :]
    x = (values[:, None] - values[None, :]) / widths
    inside = 1.0 - x**2 / 5.0
    density = 0.75 / _ROOT * (np.maximum(inside, 0.0) / widths).mean(axis=1)
    ratio = np.abs((_ROOT - x) / (_ROOT + x + (x == -_ROOT)))
    log = np.log(np.where((ratio == 0) | (np.abs(x) == _ROOT), 1.0, ratio))
    transform = -0.3 * x + 0.75 / _ROOT * inside * log
    far = np.abs(x) > _FAR  # where the two terms cancel: by the moments of the kernel, 1, 1 and 15/7
    outside = 1.0 / np.where(far, x, 1.0)
    series = -outside * (1.0 + outside**2 * (1.0 + 15.0 / 7.0 * outside**2))
    return density, (np.where(far, series, transform) / np.pi / widths).mean(axis=1)
