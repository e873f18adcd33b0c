"""From rows of features to one array of many images, which a single panel shows."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pycopi._array import Array, is_array, to_numpy
from pycopi._checks import check_shape

Values = NDArray[Any]
Shape = tuple[int, ...]
"""Rows and columns of a grey image, or channels (3), rows and columns of a colour image."""

GAP = 0.8
"""Grey between the images."""


def as_images(name: str, rows: Array, shape: Shape) -> Values:
    """Return rows of features (k, n) as float64 images, (k, h, w) or (k, h, w, 3)."""
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] != 3) or min(shape) < 1:
        msg = f"shape is {shape}; expected (rows, columns), or (3, rows, columns) for images in colour"
        raise ValueError(msg)
    if not is_array(rows):
        msg = f"{name} is a {type(rows).__name__}; expected an array of images, a row each"
        raise TypeError(msg)
    check_shape(name, rows, (None, math.prod(shape)), f"an image has shape {shape}")
    if rows.shape[0] == 0:
        msg = f"{name} has no rows; expected at least one image"
        raise ValueError(msg)
    values = to_numpy(rows).astype(np.float64).reshape(-1, *shape)
    return np.moveaxis(values, 1, -1) if len(shape) == 3 else values


def tile(images: Values, columns: int) -> Values:
    """Return images in rows of ``columns`` as one; the lines between are NaN, in colour light grey."""
    count, height, width = images.shape[:3]
    rows, line = -(-count // columns), max(1, height // 14)
    shape = (rows * (height + line) - line, columns * (width + line) - line, *images.shape[3:])
    pixels = np.full(shape, GAP if images.ndim == 4 else np.nan)
    for index, image in enumerate(images):
        top, left = index // columns * (height + line), index % columns * (width + line)
        pixels[top : top + height, left : left + width] = image
    return pixels


def signed_colours(images: Values, limit: float) -> Values:
    """Return signed colour images in [0, 1], with middle grey at 0 and ``limit`` at either end."""
    return np.clip(0.5 + 0.5 * images / limit, 0.0, 1.0)


def columns_for(count: int) -> int:
    """Return the columns of a grid that is about square, without a gap at its end where that can be."""
    least = math.isqrt(count - 1) + 1
    whole = [columns for columns in range(least, 2 * least) if count % columns == 0]
    return whole[0] if whole else least
