"""MNIST, from its four IDX files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pycopi.data.dataset import DIGITS, Dataset, class_numbers, scale_bytes
from pycopi.data.idx import read_idx
from pycopi.data.locate import FileSet, locate, retrieve
from pycopi.data.reading import Bytes, bad_file

FILES = FileSet(
    title="MNIST",
    names=(
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ),
    suffixes=("", ".gz"),
    layouts=("", "mnist", "MNIST/raw"),
    fetched="mnist",
)
URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


def load_mnist(data_dir: Path | None, download: bool) -> Dataset:
    """Return MNIST: 60,000 training and 10,000 test images of 28 x 28, flattened, in [0, 1].

    Sets that stand in for MNIST under the same file names (Fashion-MNIST, KMNIST) load as well, with any number
    of images.
    """
    paths = locate(FILES, data_dir, _fetch if download else None)
    x_train, y_train = _read_pair(paths[0], paths[1])
    x_test, y_test = _read_pair(paths[2], paths[3])
    return Dataset("mnist", scale_bytes(x_train, 255), y_train, scale_bytes(x_test, 255), y_test, DIGITS)


def _read_pair(images: Path, labels: Path) -> tuple[Bytes, NDArray[np.int64]]:
    y = class_numbers(labels, read_idx(labels, (None,)), 8, 1)
    x = read_idx(images, (None, 28, 28))
    if len(x) != len(y):
        what = f"expected {len(x)} labels, one for each image of {images}, got {len(y)}"
        raise bad_file(labels, 4, what)
    return x, y


def _fetch(folder: Path) -> list[Path]:
    return [retrieve(URL + name, md5, folder / FILES.fetched) for name, md5 in MD5.items()]
