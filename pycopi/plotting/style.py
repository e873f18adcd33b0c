"""What all pictures share: colours, lines, how a figure begins and how it is written.

Rules of this room: Matplotlib is imported when a picture is drawn, and its global state is left alone; a
picture file is there whole or not at all.
"""

import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pycopi._files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

TRAINING, TEST = "#0072B2", "#D55E00"
"""Blue and vermilion of the palette of Okabe and Ito, which the colour-blind can tell apart."""

COLORS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7")
MARKERS = "osD^vPX"
LINES = ("-", "--", ":")  # for series beyond the seven colours

DIVERGING = "RdBu_r"
"""The map for signed fields, safe for the colour-blind: white is 0."""

SHARE = 99.5
"""Per cent of signed values that the colours of an image tell apart; the rest is drawn as the extremes."""

_WIDE_RANGE = 30.0  # ratio of extremes from which on an axis is logarithmic


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of a size in inches, or say how to install Matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        msg = 'pictures need Matplotlib, which is not installed; pip install "pycopi[cli]"'
        raise ImportError(msg) from error
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def write_figure(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Write a figure to a file, whose ending names the format."""
    with whole_file(path) as temporary:
        figure.savefig(temporary)


def colour_map(name: str) -> "Colormap":
    """Return a map of Matplotlib on which what is missing is light grey."""
    from matplotlib import colormaps

    return colormaps[name].with_extremes(bad="#CCCCCC")


def series_style(index: int) -> dict[str, Any]:
    """Return colour, marker and kind of line of one series among many."""
    return {
        "color": COLORS[index % len(COLORS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINES[index // len(COLORS) % len(LINES)],
    }


def is_wide(least: float, most: float) -> bool:
    """Return whether values between these are drawn on a logarithmic axis."""
    return least > 0 and most > _WIDE_RANGE * least


def count_epochs(axes: "Axes") -> None:
    """Put whole numbers at the horizontal axis, a few of them."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def plot_epochs(axes: "Axes", x: Any, values: Any, label: str, **style: Any) -> None:
    """Draw one number an epoch as a line, with about ten markers."""
    axes.plot(x, values, label=label, markevery=max(1, len(values) // 10), **style)


def scale_from_zero(axes: "Axes") -> None:
    """Begin the vertical axis at zero, or make it logarithmic where its values spread widely.

    An axis that has its limits already keeps them.
    """
    if not axes.get_autoscaley_on():
        return
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.get_lines()])
    finite = values[np.isfinite(values)]
    least, most = float(finite.min(initial=np.inf)), float(finite.max(initial=0.0))
    if is_wide(least, most):
        axes.set_yscale("log")
    else:
        axes.set_ylim(0.0, 1.08 * most or 1.0)


def add_legend(
    axes: "Axes", title: str | None = None, *, where: Literal["best", "lower left", "beside"] = "best"
) -> None:
    """Add the legend, within the panel or beside it."""
    axes.legend(
        title=title,
        loc="upper left" if where == "beside" else where,
        bbox_to_anchor=(1.0, 1.02) if where == "beside" else None,
        fontsize="small",
        title_fontsize="small",
        framealpha=0.7,
        edgecolor="none",
    )
