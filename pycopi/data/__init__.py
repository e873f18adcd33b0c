"""The data room: named sets and files of the user's own, as NumPy arrays.

The handwritten digits come with pycopi; MNIST and CIFAR-10 are looked for in a folder that the
caller names, or else in the one that ``PYCOPI_DATA`` names and in the user's cache, and fetched
where they are missing; an ``.npz`` file with arrays x and y (and x_test, y_test) is a data set as well,
and so is a CSV file.

Rules of this room: of pycopi it imports `_files` alone; parsers check magic numbers, sizes and ranges
before they allocate; a bad file is a ValueError of one line that names the file; nothing is
unpickled or executed.
"""

import os
from pathlib import Path

from pycopi.data.dataset import Dataset
from pycopi.data.targets import TASKS, Task

__all__ = ["NAMES", "Dataset", "load_dataset"]

NAMES = ("digits", "mnist", "cifar10")
"""The named sets; anything else is a file."""


def load_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = True,
    task: Task | None = None,
    target: str | None = None,
) -> Dataset:
    """Return a data set by its name, or from an ``.npz`` or ``.csv`` file.

    Parameters
    ----------
    name_or_path : str or os.PathLike
        ``"digits"`` (embedded), ``"mnist"``, ``"cifar10"``, or the path of an ``.npz`` or
        ``.csv`` file. A CSV file has names of columns in its first line and commas between values.
    data_dir : str or os.PathLike, optional
        The folder that holds MNIST and CIFAR-10; no other is searched then. By default these are
        ``PYCOPI_DATA`` and the user's cache.
    download : bool, default True
        Whether to fetch them where they are missing, with pooch, into the first of these folders.
    task : {"classes", "regression"} or None
        What the targets of a file are for. None takes integers, booleans and text for labels of
        classes, and floats as well if all are whole numbers of 2 to 20 different values, each of
        which occurs twice or more on average. Numbers in a CSV file are floats. The named sets have
        classes whatever it says.
    target : str or None
        The column of a CSV file that is to be predicted; None takes the last. The others are inputs.

    Returns
    -------
    Dataset
        New arrays. For the named sets inputs are float32 (N, features) in [0, 1] and targets int64
        class numbers (N,). For an ``.npz`` file uint8 inputs are divided by 255, other values stay
        as they are (as float32, or float64 where stored so); labels are numbered in their sorted
        order, and ``classes`` keeps them.

    Raises
    ------
    FileNotFoundError
        If a named folder does not exist or holds files that nearly fit, or a file is not there and
        cannot be fetched; the message says what to put where.
    ValueError
        If the name, the task or the target is unknown, or a file is damaged or holds something else.

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
    if task not in (None, *TASKS):
        what = f"task is {task!r}; expected one of {', '.join(TASKS)}, or None"
        raise ValueError(what)
    if target is not None and not name.lower().endswith(".csv"):
        what = f"target is {target!r}, but {name} is no CSV file, whose columns have names; leave target out"
        raise ValueError(what)
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

        return load_npz(Path(name), task)
    if name.lower().endswith(".csv"):
        from pycopi.data.table import load_csv

        return load_csv(Path(name), task, target)
    what = f"{name!r}: expected digits, mnist, cifar10, or the path of a file that ends in .npz or .csv"
    raise ValueError(what)
