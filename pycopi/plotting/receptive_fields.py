"""The receptive fields of a layer as a grid of images."""

import os

import numpy as np

from pycopi._array import Array
from pycopi._checks import as_whole
from pycopi.plotting.mosaic import as_images, columns_for, signed_colours, tile
from pycopi.plotting.style import DIVERGING, SHARE, colour_map, new_figure, write_figure


def receptive_field_grid(
    fields: Array,
    shape: tuple[int, ...],
    path: str | os.PathLike[str],
    *,
    title: str = "receptive fields",
    units: int = 100,
) -> None:
    """Draw the receptive fields of the first units of a layer.

    Parameters
    ----------
    fields : array, shape (m, n)
        A field a row, of any library, as `pycopi.analysis.receptive_fields` returns them.
    shape : tuple of int
        Rows and columns of an image, or 3, rows and columns for colour.
    path : path
        The picture to write; its ending names the format. It appears in one moment, when it is complete.
    title : str
        What stands above the grid, before the number of units.
    units : int
        How many units to draw at most, at least 1.

    Raises
    ------
    ValueError, TypeError
        If the fields are no images of this shape, or Matplotlib does not know the format.
    ImportError, OSError
        If Matplotlib is not installed, or the picture cannot be written; what was there before is kept.

    Notes
    -----
    Each field is divided by its own largest absolute value, but for the 0.5 % of its values that are
    largest, so that weak units show as well; 0 is white, in colour middle grey.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> fields = np.random.default_rng(0).normal(size=(12, 16))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "fields.png"
    ...     receptive_field_grid(fields, (4, 4), path)
    ...     path.stat().st_size > 0
    True
    """
    every = as_images("fields", fields, shape)
    images = every[: as_whole("units", units)]
    count, total = len(images), len(every)
    limits = np.percentile(np.abs(images).reshape(count, -1), SHARE, axis=1)
    limits = np.where(limits > 0, limits, 1.0)
    scaled = np.clip(images / limits.reshape(-1, *[1] * (images.ndim - 1)), -1.0, 1.0)
    columns = columns_for(count)
    height = -(-count // columns) / columns * shape[-2] / shape[-1]
    figure = new_figure(7.4, 0.4 + 6.2 * height)
    axes = figure.subplots()
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    number = f"{total} units" if count == total else f"units 1 to {count} of {total}"
    axes.set_title(f"{title}, {number}")
    if images.ndim == 4:
        axes.imshow(tile(signed_colours(scaled, 1.0), columns))
        axes.set_xlabel("middle grey is 0, full colour the largest value of a unit", fontsize="small")
    else:
        shown = axes.imshow(tile(scaled, columns), cmap=colour_map(DIVERGING), vmin=-1.0, vmax=1.0)
        bar = figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.02)
        bar.set_label("field, relative to its own largest value")
    write_figure(figure, path)
