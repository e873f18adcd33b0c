"""Several runs in one panel: a mean over seeds with a band, against the epoch or against seconds."""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pycopi.plotting.style import count_epochs, is_wide, new_figure, plot_epochs, series_style, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

_COLUMNS = 2  # of the legend above the panel


class Curve(NamedTuple):
    """One line of a picture.

    ``values`` and ``seconds`` hold a sequence for each seed, one number an epoch, the seconds counted from the
    beginning of the run; sequences may differ in length. ``style`` picks colour and marker. ``published``
    is a value to mark by a dotted line, if there is one.
    """

    label: str
    values: Sequence[Sequence[float]]
    seconds: Sequence[Sequence[float]] = ()
    style: int = 0
    published: float | None = None


def compare_curves(
    curves: Sequence[Curve],
    path: str | os.PathLike[str],
    *,
    label: str,
    against: Literal["epoch", "seconds"] = "epoch",
    factor: float = 1.0,
    skipped: int = 0,
    from_zero: bool = False,
    note: str = "",
) -> None:
    """Draw curves in one panel, each the mean over its seeds with a band of one standard deviation.

    Parameters
    ----------
    curves : sequence of Curve
        At least one, each with at least one value.
    path : path
        The picture to write; its ending names the format.
    label : str
        What the values are, with their unit, beside the vertical axis.
    against : {"epoch", "seconds"}
        The horizontal axis: epochs counted from 1, or the mean training time behind them.
    factor : float
        What values are multiplied with, such as 100 for shares in percent.
    skipped : int
        Epochs at the start that do not count for the limits of the vertical axis. A curve without more of
        them is left out, unless none has more.
    from_zero : bool
        Whether that axis begins at 0.
    note : str
        What to say of the horizontal axis, behind its label.

    Raises
    ------
    ValueError
        If there is nothing to draw.
    ImportError, OSError
        If Matplotlib is not installed, or the picture cannot be written.

    Notes
    -----
    The band is the sample standard deviation of the seeds that reached an epoch; there is none for one seed.
    An axis whose values are positive and spread by more than a factor of 30 is logarithmic.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "curves.png"
    ...     compare_curves([Curve("a method", [[0.1, 0.8], [0.1, 0.9]])], path, label="accuracy (share)")
    ...     path.stat().st_size > 0
    True
    """
    lengths = [max(map(len, curve.values), default=0) for curve in curves]
    least = skipped if max(lengths, default=0) > skipped else 0
    drawn = [curve for curve, length in zip(curves, lengths, strict=True) if length > least]
    if not drawn:
        msg = "curves hold no values; expected at least one epoch of one run"
        raise ValueError(msg)
    rows = -(-len(drawn) // _COLUMNS)
    figure = new_figure(5.2, 3.3 + 0.22 * rows)
    axes = figure.subplots()
    shown = [_draw(axes, curve, against, factor) for curve in drawn]
    counting = [values[skipped:] for values in shown if len(values) > skipped]
    _set_limits(axes, counting or shown)
    if from_zero:
        axes.set_ylim(bottom=0.0)
    axes.set_xlabel(("epoch" if against == "epoch" else "training time (s)") + (f"; {note}" if note else ""))
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    if against == "epoch":
        count_epochs(axes)
    else:
        axes.set_xlim(left=0.0)
    figure.legend(loc="outside upper left", ncols=_COLUMNS, fontsize="small", frameon=False)
    write_figure(figure, path)


def _draw(axes: "Axes", curve: Curve, against: str, factor: float) -> Floats:
    """Draw one curve, and return its mean."""
    values = factor * _padded(curve.values)
    mean = _over_seeds(np.nanmean, values)
    x = np.arange(1, len(mean) + 1) if against == "epoch" else _over_seeds(np.nanmean, _padded(curve.seconds))
    style: dict[str, Any] = series_style(curve.style)
    plot_epochs(axes, x, mean, curve.label, linewidth=1.6, markersize=4.5, **style)
    if len(values) > 1:
        band = np.nan_to_num(_over_seeds(np.nanstd, values, ddof=1))
        axes.fill_between(x, mean - band, mean + band, color=style["color"], alpha=0.13, linewidth=0)
    if curve.published is not None:
        axes.axhline(factor * curve.published, color=style["color"], linestyle=":", linewidth=1.2)
    return mean


def _padded(values: Sequence[Sequence[float]]) -> Floats:
    """Return a row for each seed, those that are too short continued by NaN."""
    length = max(map(len, values))
    return np.array([[*row, *[np.nan] * (length - len(row))] for row in values], np.float64)


def _over_seeds(statistic: Callable[..., Any], values: Floats, **how: Any) -> Floats:
    with warnings.catch_warnings():  # an epoch without any finite value stays NaN
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(statistic(values, axis=0, **how))


def _set_limits(axes: "Axes", shown: Sequence[Floats]) -> None:
    """Fit the vertical axis to the values that count, or make it logarithmic where they spread widely."""
    values = np.concatenate(shown)
    values = values[np.isfinite(values)]
    if not values.size:
        return
    least, most = float(values.min()), float(values.max())
    if is_wide(least, most):
        axes.set_yscale("log")
        axes.set_ylim(0.8 * least, 1.25 * most)
        return
    marked = [
        float(np.asarray(line.get_ydata())[0]) for line in axes.get_lines() if line.get_linestyle() == ":"
    ]
    least, most = min([least, *marked]), max([most, *marked])
    margin = 0.05 * (most - least) or 0.5
    axes.set_ylim(least - margin, most + margin)
