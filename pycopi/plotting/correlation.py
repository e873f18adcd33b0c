"""Correlation matrices before and after decorrelation, side by side."""

import os
from collections.abc import Mapping

import numpy as np

from pycopi._array import Array, to_numpy
from pycopi.analysis import mean_off_diagonal
from pycopi.plotting.style import DIVERGING, colour_map, new_figure, write_figure


def correlation_matrices(
    matrices: Mapping[str, Array], path: str | os.PathLike[str], *, feature: str = "feature"
) -> None:
    """Draw correlation matrices side by side, with the mean of each off its diagonal.

    Parameters
    ----------
    matrices : mapping of str to array, shape (n, n)
        Correlation matrices by the titles of their panels, of any library, as from
        `pycopi.analysis.correlation_matrix` or the fields of `pycopi.analysis.LayerCorrelation`.
    path : path
        The picture to write; its ending names the format. It appears in one moment, when it is complete.
    feature : str
        What a row and a column stand for, such as ``"pixel"``.

    Raises
    ------
    ValueError, TypeError
        If nothing is there to draw, a matrix is not square, or Matplotlib does not know the format.
    ImportError, OSError
        If Matplotlib is not installed, or the picture cannot be written; what was there before is kept.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> before = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "correlation.png"
    ...     correlation_matrices({"before": before, "after": np.eye(2)}, path)
    ...     path.stat().st_size > 0
    True
    """
    if not matrices:
        msg = "matrices is empty; expected at least one correlation matrix"
        raise ValueError(msg)
    figure = new_figure(4.0 * len(matrices) + 0.8, 4.1)
    panels = np.ravel(figure.subplots(1, len(matrices)))
    for axes, (title, matrix) in zip(panels, matrices.items(), strict=True):
        mean = mean_off_diagonal(matrix)
        shown = axes.imshow(to_numpy(matrix), cmap=colour_map(DIVERGING), vmin=-1.0, vmax=1.0)
        ends = [0, matrix.shape[0] - 1]
        axes.set_title(f"{title}\nmean |r| off the diagonal: {mean:.3f}", fontsize="medium")
        axes.set(xticks=ends, yticks=ends, xticklabels=[end + 1 for end in ends])
        axes.set(yticklabels=[end + 1 for end in ends], xlabel=feature, ylabel=feature)
    figure.colorbar(shown, ax=list(panels), shrink=0.8, label="correlation r, not centred")
    write_figure(figure, path)
