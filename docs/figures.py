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
    draw_spectra(digits)
    draw_analyses()


def draw_correlation(digits: Dataset) -> None:
    """Write how correlation between pixels of the test digits melts away while others are learned."""
    start = np.eye(64, dtype=np.float32)
    figure, panels = plt.subplots(1, 4, figsize=(10, 3), layout="constrained")
    for axis, count in zip(panels, (0, 50, 300, len(digits.x_train)), strict=True):
        decorrelator = pycopi.decorrelate_stream(start, digits.x_train[:count], rate=RATE).decorrelator
        images = digits.x_test @ decorrelator.T
        picture = axis.imshow(np.abs(analysis.correlation_matrix(images)), vmin=0, vmax=1, cmap="magma_r")
        left = analysis.off_diagonal_correlation(images)
        axis.set(title=f"{count:,} seen: mean {left:.2f}", xticks=[0, 63], yticks=[0, 63], xlabel="pixel")
    figure.colorbar(picture, ax=panels, shrink=0.8, label="absolute correlation")
    figure.savefig(FOLDER / "correlation.png", dpi=144)


def draw_spectra(digits: Dataset) -> None:
    """Write the eigenvalues of the second moments under the learned matrix and under the closed form."""
    x = digits.x_train.astype(float)
    values = np.linalg.eigvalsh(x.T @ x / len(x))
    decorrelator, steps = np.eye(64), 0
    figure, axis = plt.subplots(figsize=(7.2, 3.8), layout="constrained")
    axis.semilogy(values[::-1], color="0.6", label="raw")
    for until, colour in ((10, "C0"), (100, "C1"), (1000, "C2")):
        for _ in range(until - steps):
            rows = x @ decorrelator.T
            decorrelator = pycopi.decorrelation_update(decorrelator, decorrelated=rows, rate=RATE)
        steps, damping = until, 1 / (2 * RATE * until)
        learned = np.linalg.svd(x @ decorrelator.T, compute_uv=False) ** 2 / len(x)
        axis.semilogy(learned, color=colour, label=f"learned, {until:,} steps")
        closed = values * damping / (values + damping)
        axis.semilogy(closed[::-1], "--", color=colour, label=f"closed form, d = {damping:g}")
    axis.set(xlabel="eigenvalue, from the largest", ylabel="size", ylim=(1e-4, 20), xlim=(0, 63))
    axis.legend(ncols=2, fontsize="small")
    figure.savefig(FOLDER / "spectra.png", dpi=144)


def draw_analyses() -> None:
    """Write receptive fields and images in three versions, of a network trained on MNIST for three epochs."""
    mnist = load_dataset("mnist")
    x, images = mnist.x_train, mnist.x_test[:10]
    network = pycopi.mlp([784, 500, 500, 500, 500, 500, 500, 10])
    start, settings = network.init(seed=0), pycopi.presets.PAPER
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
