"""Makes the pictures of the documentation: run it, with matplotlib, when the data or a rule change."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

import pycopi
from pycopi import analysis, plotting
from pycopi.data import Dataset, load_dataset

RATE = 1e-2
FOLDER = Path(__file__).parent / "_static"


def main() -> None:
    """Write every picture; learning-curve.png is what ``pycopi train digits`` draws."""
    digits = load_dataset("digits")
    draw_correlation(digits)
    draw_analyses()


def draw_correlation(digits: Dataset) -> None:
    """Write the correlation between pixels of the test digits before and after decorrelation."""
    start = np.eye(64, dtype=np.float32)
    decorrelator = pycopi.decorrelate_stream(start, digits.x_train, rate=RATE).decorrelator
    pictures = {"raw": digits.x_test, "decorrelated": digits.x_test @ decorrelator.T}
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.5), layout="constrained")
    floor = analysis.correlation_floor(len(digits.x_test))
    for axis, (name, images) in zip(axes, pictures.items(), strict=True):
        left = analysis.off_diagonal_correlation(images)
        matrix = np.abs(analysis.correlation_matrix(images))
        picture = axis.imshow(matrix, vmin=0, vmax=1, cmap="magma_r")
        axis.set(title=f"{name} (mean {left:.3f}, floor {floor:.3f})", xticks=[0, 63], yticks=[0, 63])
        axis.set_xlabel("pixel")
    figure.colorbar(picture, ax=axes, shrink=0.85, label="absolute correlation")
    figure.savefig(FOLDER / "correlation.png", dpi=144)


def draw_analyses() -> None:
    """Write receptive fields and images in three versions, of a network trained on MNIST for three epochs."""
    mnist = load_dataset("mnist")
    x, images = mnist.x_train, mnist.x_test[:10]
    network = pycopi.mlp([784, 500, 500, 500, 500, 500, 500, 10])
    start, settings = network.init(seed=0), pycopi.Settings()
    parameters = pycopi.fit(network, start, x, mnist.y_train, epochs=3, settings=settings).parameters
    fields = analysis.receptive_fields(network, parameters, x, layer=3)
    title = "receptive fields of layer 3"
    plotting.receptive_field_grid(fields, (28, 28), FOLDER / "receptive-fields.png", title=title, units=50)
    rows = {
        "raw": images,
        "decorrelated": network.forward(parameters, images).decorrelated[0],
        "ZCA-whitened": analysis.zca(x).apply(images),
    }
    plotting.image_comparison(rows, (28, 28), FOLDER / "images.png")


if __name__ == "__main__":
    main()
