"""The data room: named sets and files of the user's own, as NumPy arrays.

The handwritten digits come with pycopi; MNIST and CIFAR-10 are looked for in a folder that the
caller names, in the folder that ``PYCOPI_DATA`` names and in the user's cache, and fetched where
they are missing; an ``.npz`` file with arrays x and y (and x_test, y_test) is a data set as well.

Rules of this room: of pycopi it imports `_files` alone; parsers check magic numbers, sizes and ranges
before they allocate; a bad file is a ValueError of one line that names the file; nothing is
unpickled or executed.
"""

import os
from pathlib import Path

from pycopi.data.dataset import Dataset

__all__ = ["Dataset", "load_dataset"]


def load_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> Dataset:
    """Return a data set by its name, or from an ``.npz`` file.

    Parameters
    ----------
    name_or_path : str or os.PathLike
        ``"digits"`` (embedded), ``"mnist"``, ``"cifar10"``, or the path of an ``.npz`` file.
    data_dir : str or os.PathLike, optional
        The folder to search for MNIST and CIFAR-10 before ``PYCOPI_DATA`` and the user's cache.
    download : bool, default True
        Whether to fetch them where they are found nowhere, with pooch, into the first of these
        folders.

    Returns
    -------
    Dataset
        New arrays. For the named sets inputs are float32 (N, features) in [0, 1] and targets int64
        class numbers (N,). For an ``.npz`` file uint8 inputs are divided by 255, other values stay
        as they are (as float32, or float64 where stored so), float targets are for regression.

    Raises
    ------
    FileNotFoundError
        If a file is not there and cannot be fetched; the message says what to put where.
    ValueError
        If the name is unknown, or a file is damaged or holds something else.

    Notes
    -----
    Test images of the digits are every fifth one: 0, 5, 10, ...

    Examples
    --------
    >>> digits = load_dataset("digits")
    >>> digits.x_train.shape, digits.x_train.dtype, digits.y_train[:5]
    ((1437, 64), dtype('float32'), array([1, 2, 3, 4, 6]))
    """
    name = os.fspath(name_or_path)
    folder = None if data_dir is None else Path(data_dir)
    if name == "digits":
        from pycopi.data.digits import load_digits

        return load_digits()
    if name == "mnist":
        from pycopi.data.mnist import load_mnist

        return load_mnist(folder, download)
    if name == "cifar10":
        from pycopi.data.cifar10 import load_cifar10

        return load_cifar10(folder, download)
    if name.lower().endswith(".npz"):
        from pycopi.data.npz import load_npz

        return load_npz(Path(name))
    what = f"{name!r}: expected digits, mnist, cifar10, or the path of a file that ends in .npz"
    raise ValueError(what)
