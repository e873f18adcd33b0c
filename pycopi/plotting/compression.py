"""Accuracy against the number of layers that were removed."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from pycopi.plotting.style import MARKERS, add_legend, new_figure, series_style, write_figure

_ABOVE: Any = {"xytext": (5, 5), "textcoords": "offset points", "ha": "left", "fontsize": "small"}


def compression_curves(
    curves: Mapping[str, Sequence[float]], path: str | os.PathLike[str], *, samples: str = "test samples"
) -> None:
    """Draw accuracy against layers removed.

    Parameters
    ----------
    curves : mapping of str to sequence of float
        Accuracies in [0, 1] with 0, 1, 2, ... layers removed, as `pycopi.analysis.compression_curve` returns
        them, by the names of the networks.
    path : path
        The picture to write; its ending names the format. It appears in one moment, when it is complete.
    samples : str
        What the accuracy is a share of.

    Raises
    ------
    ValueError
        If nothing is there to draw, or Matplotlib does not know the format.
    ImportError, OSError
        If Matplotlib is not installed, or the picture cannot be written; what was there before is kept.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "compression.png"
    ...     compression_curves({"COPI": [0.983, 0.981, 0.845]}, path)
    ...     path.stat().st_size > 0
    True
    """
    if not curves or not all(len(values) for values in curves.values()):
        msg = f"curves is {dict(curves)}; expected at least one accuracy for each name"
        raise ValueError(msg)
    figure = new_figure(5.4, 3.8)
    from matplotlib.ticker import MaxNLocator

    axes = figure.subplots()
    for index, (name, values) in enumerate(curves.items()):
        style = {**series_style(index + 4), "marker": MARKERS[index % len(MARKERS)]}  # blue, vermilion, ...
        percent = [100.0 * value for value in values]
        axes.plot(range(len(values)), percent, label=name, linewidth=1.5, markersize=5, **style)
        for removed, value in enumerate(percent if len(curves) == 1 else []):
            axes.annotate(f"{value:.2f}", (removed, value), **_ABOVE)
    axes.margins(x=0.12, y=0.12)
    axes.set_xlabel("upper layers removed, with one linear layer for them")
    axes.set_ylabel(f"accuracy (% of {samples})")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    if len(curves) > 1:
        add_legend(axes, where="lower left")  # accuracy falls to the right
    write_figure(figure, path)
