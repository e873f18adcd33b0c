"""Loss, accuracy and correlation of a run against the epoch."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pycopi.plotting.style import (
    TEST,
    TRAINING,
    add_legend,
    count_epochs,
    new_figure,
    plot_epochs,
    scale_from_zero,
    series_style,
    write_figure,
)
from pycopi.state import EpochRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CROWDED = 4  # lines from which on the legend stands beside the panel


def learning_curve(history: Sequence[EpochRecord], path: str | os.PathLike[str]) -> None:
    """Draw loss, accuracy and correlation of a run against the epoch.

    Parameters
    ----------
    history : sequence of EpochRecord
        The records of a run, at least one, as in `State.history`.
    path : path
        The picture to write; its ending names the format (``.png``, ``.svg``, ``.pdf``). It appears
        in one moment, when it is complete.

    Raises
    ------
    ValueError
        If the history is empty, or Matplotlib does not know the format.
    ImportError, OSError
        If Matplotlib is not installed, or the picture cannot be written; what was there before is kept.

    Notes
    -----
    Training values are means over an epoch's batches, each taken before its step; test values,
    those of the validation data, are taken after the epoch. Epochs that leave the weights alone are
    shaded. There is no panel of accuracy for real-valued targets. The axis of
    accuracy begins at the lowest value of an epoch in which the weights learned; another axis is
    logarithmic where values spread widely.

    Examples
    --------
    >>> import pathlib, tempfile, pycopi
    >>> record = pycopi.EpochRecord(1, 0.5, 0.9, 0.6, 0.8, (0.1, 0.2), 1e-3, 1e-3, 72, 0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "learning-curve.png"
    ...     learning_curve([record], path)
    ...     path.stat().st_size > 0
    True
    """
    if not history:
        msg = "history is empty; expected the records of at least one epoch"
        raise ValueError(msg)
    panels = [_draw_loss, _draw_correlation]
    if history[0].accuracy is not None:
        panels.insert(0, _draw_accuracy)
    beside = 1.4 if len(history[0].correlation) > _CROWDED else 0.0
    figure = new_figure(4.2 * len(panels) + beside, 3.6)
    grid = figure.subplots(1, len(panels), gridspec_kw={"wspace": 0.06})
    for axes, draw in zip(grid, panels, strict=True):
        draw(axes, history)
        _finish(axes, history)
    write_figure(figure, path)


def _draw_accuracy(axes: "Axes", history: Sequence[EpochRecord]) -> None:
    _draw_pair(axes, history, "accuracy", 100.0, ".1f", " %")
    axes.set_ylabel("accuracy (% of samples)")
    learned = [record for record in history if record.weight_rate > 0] or history
    pairs = [(record.accuracy, record.validation_accuracy) for record in learned]
    least = 100.0 * min(value for pair in pairs for value in pair if value is not None)
    margin = 0.05 * (100.0 - least) or 1.0
    axes.set_ylim(least - margin, 100.0 + margin)  # late epochs stay apart; decorrelating ones fall below


def _draw_loss(axes: "Axes", history: Sequence[EpochRecord]) -> None:
    _draw_pair(axes, history, "loss", 1.0, ".4f", "")
    axes.set_ylabel("loss (mean per sample)")


def _draw_correlation(axes: "Axes", history: Sequence[EpochRecord]) -> None:
    for index in range(len(history[0].correlation)):
        values = [record.correlation[index] for record in history]
        label = f"layer {index + 1}: {values[-1]:.3f}"
        _draw_line(axes, history, values, label, **series_style(index))
    axes.set_ylabel("correlation left (mean |r|, 0 to 1)")


def _draw_pair(
    axes: "Axes",
    history: Sequence[EpochRecord],
    field: str,
    factor: float,
    form: str,
    unit: str,
) -> None:
    """Draw the training and, where there are any, the test values of a field."""
    sources = ((field, "training", TRAINING, "o"), (f"validation_{field}", "test", TEST, "s"))
    for name, source, color, marker in sources:
        values = [getattr(record, name) for record in history]
        if None not in values:
            scaled = [factor * value for value in values]
            label = f"{source}: {scaled[-1]:{form}}{unit}"
            _draw_line(axes, history, scaled, label, color=color, marker=marker)


def _draw_line(
    axes: "Axes", history: Sequence[EpochRecord], values: Sequence[float], label: str, **style: Any
) -> None:
    epochs = [record.epoch for record in history]
    plot_epochs(axes, epochs, values, label, linewidth=1.5, markersize=4, **style)


def _finish(axes: "Axes", history: Sequence[EpochRecord]) -> None:
    """Add what all panels have: epochs, shading, grid, legend."""
    scale_from_zero(axes)
    label: str | None = "decorrelation only"
    for record in history:
        if record.weight_rate == 0:
            span = record.epoch - 0.5, record.epoch + 0.5
            axes.axvspan(*span, color="#BBBBBB", alpha=0.5, linewidth=0, label=label)
            label = None
    axes.set_xlabel("epoch")
    axes.set_xlim(history[0].epoch - 0.5, history[-1].epoch + 0.5)
    count_epochs(axes)
    axes.grid(alpha=0.3)
    crowded = len(axes.get_lines()) > _CROWDED
    add_legend(axes, f"after epoch {history[-1].epoch}", where="beside" if crowded else "best")
