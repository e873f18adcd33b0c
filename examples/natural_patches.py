"""Whiten patches of photographs
=============================

Learns to whiten patches as they stream past. Draws patches.png, some patches and filters of the learned matrix
and of ZCA, the symmetric whitening of all patches. Prints how alike the two are, and the correlation left::

    cosine of learned and ZCA filters 0.99
    correlation of unseen patches 0.878, by the learned matrix 0.043, by ZCA 0.040
"""

import numpy as np
from matplotlib.figure import Figure
from skimage import color, data

import pycopi
from pycopi.analysis import off_diagonal_correlation, zca

SIDE, SHOWN = 10, 8


def patches(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return random patches of photographs, around 0 and of a power of about 1, with a little noise."""
    images = [color.rgb2gray(image) for image in (data.coffee(), data.chelsea(), data.rocket())]
    rows = []
    for _ in range(count):
        image = images[rng.integers(len(images))]
        top, left = rng.integers(np.array(image.shape) - SIDE)
        rows.append(image[top : top + SIDE, left : left + SIDE].ravel())
    return (np.array(rows) - np.mean(rows)) / np.std(rows) + 0.05 * rng.normal(size=(count, SIDE**2))


def draw(panels: dict[str, np.ndarray]) -> None:
    """Draw rows of each matrix as images."""
    figure = Figure(figsize=(9, 6.2), dpi=120, layout="constrained")
    axes = figure.subplots(len(panels), SHOWN)
    for line, (title, rows) in zip(axes, panels.items(), strict=True):
        limit = np.percentile(np.abs(rows), 98.5)
        for panel, row in zip(line, rows, strict=True):
            panel.imshow(row.reshape(SIDE, SIDE), cmap="RdBu_r", vmin=-limit, vmax=limit)
            panel.axis("off")
        line[0].set_title(title, loc="left", fontsize="medium")
    figure.savefig("patches.png")


def main() -> None:
    seen, later = np.split(patches(12_000, np.random.default_rng(0)), [10_000])
    learned = pycopi.decorrelate_stream(np.eye(SIDE**2), seen, rate=5e-4, rule="rls").decorrelator
    exact = zca(seen, epsilon=0.0).matrix.T
    cosine = np.sum(learned * exact) / np.linalg.norm(learned) / np.linalg.norm(exact)
    print(f"cosine of learned and ZCA filters {cosine:.2f}")
    left = [off_diagonal_correlation(later @ matrix.T) for matrix in (np.eye(SIDE**2), learned, exact)]
    print("correlation of unseen patches {:.3f}, by the learned matrix {:.3f}, by ZCA {:.3f}".format(*left))
    some, centre = later[np.argsort(later.std(axis=1))[-8 * SHOWN :: 8]], slice(41, 41 + SHOWN)
    whitened = {"whitened by the learned matrix": some @ learned.T, "whitened by ZCA": some @ exact.T}
    draw({"patches": some, **whitened, "filters learned": learned[centre], "filters of ZCA": exact[centre]})


if __name__ == "__main__":
    main()
