"""The pictures of ``pycopi analyse``."""

from pathlib import Path

import numpy as np

from pycopi._array import HostArray, namespace, to_numpy
from pycopi.analysis import receptive_fields, zca
from pycopi.cli.findings import Findings, Subject

FIELDS, MATRICES = "receptive-fields.png", "correlation.png"
IMAGES, COMPRESSION = "images.png", "compression.png"

SHAPES: dict[str, tuple[int, ...]] = {"digits": (8, 8), "mnist": (28, 28), "cifar10": (3, 32, 32)}
"""Shapes of the images of the data sets that are made of images."""

_SHOWN = 10  # images in a row


def draw_pictures(
    folder: Path, subject: Subject, findings: Findings, layer: int, data: str
) -> tuple[list[str], list[str]]:
    """Draw what there is to be drawn; return the names of the files, and what was left out and why."""
    from pycopi.plotting import compression_curves, correlation_matrices

    before, after = findings.correlations[layer - 1]
    feature = "pixel" if layer == 1 and data in SHAPES else "input"
    titles = (f"inputs of layer {layer}, raw", f"inputs of layer {layer}, decorrelated")
    pair = dict(zip(titles, (before, after), strict=True))
    if subject.state.parameters[layer - 1].decorrelator is None:
        pair = {titles[0]: before}
    correlation_matrices(pair, folder / MATRICES, feature=feature)
    files, notes = [MATRICES], []
    if findings.accuracies is not None:
        compression_curves({"network": findings.accuracies}, folder / COMPRESSION)
        files.append(COMPRESSION)
    if data in SHAPES:
        files += _draw_images(folder, subject, layer, SHAPES[data])
    else:
        notes.append(f"no receptive fields and no images: the shape of an image of {data} is not known")
    return files, notes


def _draw_images(folder: Path, subject: Subject, layer: int, shape: tuple[int, ...]) -> list[str]:
    """Draw what is made of images: receptive fields, and some samples in several versions."""
    from pycopi.plotting import image_comparison, receptive_field_grid

    network, parameters, inputs = subject.network, subject.state.parameters, subject.train[0]
    fields = receptive_fields(network, parameters, inputs, layer=layer)
    receptive_field_grid(fields, shape, folder / FIELDS, title=f"receptive fields of layer {layer}")
    xp = namespace(inputs)
    images = inputs[:_SHOWN, ...]
    rows = {"raw": images}
    if parameters[0].decorrelator is not None:
        rows["decorrelated"] = xp.matmul(images, xp.matrix_transpose(parameters[0].decorrelator))
    rows["ZCA-whitened"] = _whitened(to_numpy(inputs), _SHOWN)
    image_comparison(rows, shape, folder / IMAGES)
    return [FIELDS, IMAGES]


def _whitened(inputs: HostArray, count: int) -> HostArray:
    """Return the first images whitened, by NumPy: not every library has eigenvalues."""
    images: HostArray = np.asarray(zca(inputs).apply(inputs[:count]))
    return images
