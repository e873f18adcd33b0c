"""CIFAR-10, from its binary files: records of one label byte and 3,072 pixel bytes, no header."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pycopi.data.dataset import DIGITS, Dataset, Floats, class_numbers, scale_bytes
from pycopi.data.locate import FileSet, locate, retrieve
from pycopi.data.reading import bad_file

FILES = FileSet(
    title="CIFAR-10",
    names=(*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"),
    suffixes=("",),
    layouts=("", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"),
    fetched="cifar10/cifar-10-batches-bin",
)
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
RECORDS = 10_000  # in each file
PIXELS = 3 * 32 * 32
RECORD = 1 + PIXELS


def load_cifar10(data_dir: Path | None, download: bool) -> Dataset:
    """Return CIFAR-10: 50,000 training and 10,000 test images of 3 x 32 x 32, flattened, in [0, 1].

    A row has the red plane before the green before the blue. Each file goes straight into its rows of the
    result: about 30 MB more than the arrays returned.
    """
    paths = locate(FILES, data_dir, _fetch if download else None)
    x_train, y_train = _read(paths[:-1])
    x_test, y_test = _read(paths[-1:])
    return Dataset("cifar10", x_train, y_train, x_test, y_test, DIGITS)


def _read(paths: list[Path]) -> tuple[Floats, NDArray[np.int64]]:
    for path in paths:  # all sizes first: nothing is allocated for a file that cannot be read
        _check_size(path, path.stat().st_size)
    x = np.empty((len(paths) * RECORDS, PIXELS), np.float32)
    y = np.empty(len(x), np.int64)
    for i, path in enumerate(paths):
        rows = slice(i * RECORDS, (i + 1) * RECORDS)
        values = np.fromfile(path, np.uint8, RECORDS * RECORD)
        _check_size(path, values.size)
        records = values.reshape(RECORDS, RECORD)
        y[rows] = class_numbers(path, records[:, 0], 0, RECORD)
        scale_bytes(records[:, 1:], 255, out=x[rows])
    return x, y


def _check_size(path: Path, size: int) -> None:
    """Raise unless a file holds exactly its records; the format has no other mark to check."""
    wanted = RECORDS * RECORD
    if size != wanted:
        what = f"expected {wanted} bytes ({RECORDS} records of {RECORD}), got {size}"
        raise bad_file(path, min(size, wanted), what)


def _fetch(folder: Path) -> list[Path]:
    """Download the archive into ``<folder>/cifar10`` and unpack its data files there."""
    from pycopi.data.archive import unpack

    archive = retrieve(URL, MD5, folder / "cifar10")
    members = [f"cifar-10-batches-bin/{name}" for name in FILES.names]
    return unpack(archive, members, RECORDS * RECORD, folder / FILES.fetched)
