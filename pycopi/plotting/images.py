"""The same images raw and after one transformation or another, row under row."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pycopi._array import Array
from pycopi.plotting.mosaic import Values, as_images, signed_colours, tile
from pycopi.plotting.style import DIVERGING, SHARE, colour_map, new_figure, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def image_comparison(rows: Mapping[str, Array], shape: tuple[int, ...], path: str | os.PathLike[str]) -> None:
    """Draw the same images in several versions: raw, decorrelated, whitened.

    Parameters
    ----------
    rows : mapping of str to array, shape (k, n)
        The versions by name, from top to bottom, each with the same k images, a row each, of any library.
    shape : tuple of int
        Rows and columns of an image, or 3, rows and columns for colour, as ``pycopi.data`` has them.
    path : path
        The picture to write; its ending names the format. It appears in one moment, when it is complete.

    Raises
    ------
    ValueError, TypeError
        If nothing is there to draw, or the shapes do not fit together, or Matplotlib does not know the format.
    ImportError, OSError
        If Matplotlib is not installed, or the picture cannot be written; what was there before is kept.

    Notes
    -----
    Versions without a negative value are drawn from black (0) to white (their largest value); others on a
    map with white at 0 and the same range on both sides, beyond which lie 0.5 % of the values. Signed
    images in colour are drawn around a middle grey.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> raw = np.random.default_rng(0).random((5, 16))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "images.png"
    ...     image_comparison({"raw": raw, "centred": raw - raw.mean(axis=0)}, (4, 4), path)
    ...     path.stat().st_size > 0
    True
    """
    if not rows:
        msg = "rows is empty; expected at least one version of the images"
        raise ValueError(msg)
    versions = {name: as_images(name, images, shape) for name, images in rows.items()}
    counts = {name: len(images) for name, images in versions.items()}
    if len(set(counts.values())) > 1:
        msg = f"rows have {counts} images; expected the same number in each"
        raise ValueError(msg)
    count = max(counts.values())
    height = 0.35 + 8.6 / count * shape[-2] / shape[-1]
    figure = new_figure(10.0, height * len(versions))
    for axes, (name, images) in zip(np.ravel(figure.subplots(len(versions), 1)), versions.items(), strict=True):
        _draw(figure, axes, name, images)
    write_figure(figure, path)


def _draw(figure: "Figure", axes: "Axes", name: str, images: Values) -> None:
    """Draw one version, with a colour bar where colours stand for numbers."""
    signed = bool(images.min() < 0)
    limit = float(np.percentile(np.abs(images), SHARE if signed else 100.0)) or 1.0
    axes.set(xticks=[], yticks=[])
    axes.set_ylabel(name)
    axes.spines[:].set_visible(False)
    if images.ndim == 4:
        colours = signed_colours(images, limit) if signed else images / limit
        axes.imshow(tile(colours, len(images)))
        axes.set_xlabel(f"middle grey is 0, full colour ±{limit:.2g}" if signed else "", fontsize="small")
        return
    low, name = (-limit, DIVERGING) if signed else (0.0, "gray")
    shown = axes.imshow(tile(images, len(images)), cmap=colour_map(name), vmin=low, vmax=limit)
    bar = figure.colorbar(shown, ax=axes, pad=0.01, extend="both" if signed else "neither")
    bar.set_label("pixel value", fontsize="small")
    bar.ax.tick_params(labelsize="small")
