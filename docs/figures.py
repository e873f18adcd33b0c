"""Makes a picture of the documentation: run it, with matplotlib, when the data or the rule change."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

import pycopi
from pycopi.data import load_dataset

RATE = 1e-2


def main() -> None:
    """Write the correlation between pixels of the test digits before and after decorrelation."""
    digits = load_dataset("digits")
    start = np.eye(64, dtype=np.float32)
    decorrelator = pycopi.decorrelate_stream(start, digits.x_train, rate=RATE).decorrelator
    pictures = {"raw": digits.x_test, "decorrelated": digits.x_test @ decorrelator.T}
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.5), layout="constrained")
    for axis, (name, images) in zip(axes, pictures.items(), strict=True):
        left = pycopi.analysis.off_diagonal_correlation(images)
        picture = axis.imshow(correlation(images), vmin=0, vmax=1, cmap="magma_r")
        axis.set(title=f"{name} (mean {left:.3f})", xticks=[0, 63], yticks=[0, 63])
        axis.set_xlabel("pixel")
    figure.colorbar(picture, ax=axes, shrink=0.85, label="absolute correlation")
    figure.savefig(Path(__file__).parent / "_static" / "correlation.png", dpi=144)


def correlation(images: np.ndarray) -> np.ndarray:
    """Return the absolute correlation, not centred, between the columns; 0 where a column is 0."""
    moments = images.T @ images
    power = np.sqrt(np.diag(moments))
    scale = np.divide(1.0, power, out=np.zeros_like(power), where=power > 0)
    return np.abs(scale[:, None] * moments * scale[None, :])


if __name__ == "__main__":
    main()
