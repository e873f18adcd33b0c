"""A picture of the race: test accuracy against epochs, arithmetic and seconds."""

import os
from collections.abc import Iterable
from statistics import fmean, stdev
from typing import Any

from benchmarks.tuned.tables import Found, compared, in_operations
from pycopi.plotting.style import new_figure, series_style, write_figure

TITLES = {"cifar10": "CIFAR-10, 3072-1000x4-10", "mnist": "MNIST, 784-500x6-10"}
"""The networks that are drawn, one below the other, and what stands above each."""

_AXES = ("epochs", "arithmetic (10¹² operations)", "processor time (s)")
_DEPTH = 0.1  # what is further below the best accuracy is out of the picture


def draw(found: Iterable[Found], path: str | os.PathLike[str]) -> None:
    """Draw the complete runs of each network: the mean over seeds, and one standard deviation to each side."""
    ran = [one for one in found if one.runs]
    names = list(dict.fromkeys(one.name for one in ran))
    networks = [name for name in TITLES if any(one.entry.network == name for one in ran)]
    figure = new_figure(10.0, 0.6 + 3.0 * len(networks))
    panels = figure.subplots(len(networks), len(_AXES), squeeze=False, sharey="row")
    lines: dict[str, Any] = {}
    for row, network in zip(panels, networks, strict=True):
        own = compared(network, (one for one in ran if one.entry.network == network))
        for one in own:
            work = in_operations(network, one)
            per_epoch = (1.0, None if work is None else work.epoch_seconds, one.epoch_seconds)
            for axes, unit in zip(row, per_epoch, strict=True):
                if unit is not None:
                    lines[one.name] = _line(axes, one, unit, names.index(one.name))
        means = [fmean(seeds.values()) for one in own for seeds in one.runs.values()]
        shown = [mean for mean in means if mean > max(means) - _DEPTH]
        margin = 0.1 * (max(shown) - min(shown)) or 0.01
        row[0].set_ylim(100 * (min(shown) - margin), 100 * (max(shown) + margin))
        row[0].set(title=TITLES[network], ylabel="test accuracy (%)")
        for axes, label in zip(row, _AXES, strict=True):
            axes.set(xlabel=label)
            axes.set_xlim(left=0.0)
            axes.grid(alpha=0.3)
    figure.legend(lines.values(), lines, loc="outside upper center", ncols=3, fontsize="small", frameon=False)
    write_figure(figure, path)


def _line(axes: Any, one: Found, unit: float, style: int) -> Any:
    """Draw the runs of a method at their lengths, in a unit of the horizontal axis for each epoch."""
    means = [100 * fmean(seeds.values()) for seeds in one.runs.values()]
    spreads = [100 * stdev(seeds.values()) if len(seeds) > 1 else 0.0 for seeds in one.runs.values()]
    x = [unit * epochs for epochs in one.runs]
    return axes.errorbar(x, means, spreads, capsize=2, linewidth=1.6, markersize=4.5, **series_style(style))
