"""Data sets of the user's own: ``.npz`` files with x and y, and optionally x_test and y_test."""

import zipfile
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pycopi.data.dataset import Dataset, scale_bytes
from pycopi.data.members import check_contents, check_members
from pycopi.data.npy import read_member
from pycopi.data.reading import damaged

Arrays = dict[str, NDArray[Any]]

TEST = ("x_test", "y_test")
_ALIKE = 0.9  # of the letters of a name: one letter of ``x_test.npy`` may be another


def load_npz(path: Path) -> Dataset:
    """Return the data set that an ``.npz`` file holds.

    Parameters
    ----------
    path : pathlib.Path
        A file as ``numpy.savez`` and ``numpy.savez_compressed`` write it. Other arrays in it are
        passed over, once their checksums have been found right.

    Returns
    -------
    Dataset
        Named after the file. Inputs are flattened to (N, features): uint8 is divided by 255 and
        becomes float32, other integers and float16 become float32, float32 and float64 stay, wider
        floats become float64. Targets that are integers are class numbers and become int64 (N,);
        floats, (N,) or (N, outputs), are for regression and keep their dtype by the same rule.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, or an array is missing, misspelt, not numeric, of the wrong rank or
        length, not finite, or a test array has another dtype or row shape than its training array.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "corners.npz")
    >>> np.savez(path, x=np.array([[0, 255], [51, 0]], np.uint8), y=[1, 0])
    >>> data = load_npz(path)
    >>> data.name, data.x_train, data.y_train, data.x_test
    ('corners', array([[0. , 1. ],
           [0.2, 0. ]], dtype=float32), array([1, 0]), None)
    """
    if not path.is_file():
        what = f"{path}: there is no such file; expected an .npz file with arrays x and y"
        raise FileNotFoundError(what)
    stored = _read(path)
    _check_twins(path, stored)
    arrays = {name: _convert(path, name, array) for name, array in stored.items()}
    for end in ("", "_test") if "x_test" in arrays else ("",):
        rows, targets = len(arrays[f"x{end}"]), len(arrays[f"y{end}"])
        if rows != targets:
            what = f"expected as many rows in y{end} as the {rows} in x{end}, got {targets}"
            raise _unfit(path, what, "save one target for each row")
    x_test, y_test = arrays.get("x_test"), arrays.get("y_test")
    return Dataset(path.stem, arrays["x"], arrays["y"], x_test, y_test)


def _read(path: Path) -> Arrays:
    """Return the stored arrays of the known names."""
    with path.open("rb") as file:
        with damaged(path, 0, "expected an .npz file"):
            archive = zipfile.ZipFile(file)
        check_members(path, file, archive)
        members = archive.namelist()
        there = {name[:-4] for name in members if name.endswith(".npy")}
        names = ["x", "y", *(TEST if there.intersection(TEST) else ())]
        if not there.issuperset(names):
            got = ", ".join(sorted(there)) or "none"
            what = f"expected arrays {', '.join(names)}, got {got}"
            raise _unfit(path, what, "save them by these names with numpy.savez")
        if len(names) == 2:
            _check_alike(path, members)
        arrays = {name: read_member(path, archive, name) for name in names}
        check_contents(path, archive, sorted(set(members) - {f"{name}.npy" for name in names}))
        return arrays


def _check_alike(path: Path, members: list[str]) -> None:
    """Raise if a file without a test set has a member whose name is almost that of one."""
    for name in TEST:
        for member in members:
            if SequenceMatcher(None, member.casefold(), f"{name}.npy").ratio() >= _ALIKE:
                what = f"expected a test set by the names {' and '.join(TEST)}, or none, got {member}"
                raise _unfit(path, what, "give the array one of these names, or one that is less like them")


def _check_twins(path: Path, stored: Arrays) -> None:
    """Raise unless a test array has the dtype and the row shape of its training array."""
    for name in ("x", "y") if "x_test" in stored else ():
        train, test = stored[name], stored[f"{name}_test"]
        wanted, got = train.shape[1:], test.shape[1:]
        if (train.dtype, wanted) != (test.dtype, got):
            what = f"expected {name}_test of dtype {train.dtype} with rows of shape {wanted}"
            advice = f"save {name} and {name}_test in one form"
            raise _unfit(path, f"{what} as in {name}, got {test.dtype} and {got}", advice)


def _convert(path: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return a stored array as the inputs or targets that its name says it holds."""
    if name.startswith("x"):
        return _inputs(path, name, array)
    if array.dtype.kind in "iu":
        return _class_numbers(path, name, array)
    if array.ndim > 2:
        what = f"expected {name} of shape (N,) or (N, outputs), got {array.shape}"
        raise _unfit(path, what, "save one value or one row of values for each row of x")
    return _finite(path, name, array)


def _inputs(path: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return inputs as floating rows, one for each first index."""
    if array.ndim < 2:
        what = f"expected {name} of shape (N, features) or (N, ...), got {array.shape}"
        raise _unfit(path, what, f"save {name}.reshape(-1, 1) for a single feature")
    if array.dtype == np.uint8:
        return scale_bytes(array, 255)
    return _finite(path, name, array.reshape(len(array), -1))


def _finite(path: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array as float64 where it is that wide, otherwise as float32, once it is finite."""
    wide = array.dtype.kind == "f" and array.dtype.itemsize >= 8
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is reported as infinite
        values = array.astype(np.float64 if wide else np.float32, copy=False)
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        what = f"expected finite values in {name}, got NaN or infinity in row {np.argmin(finite)}"
        raise _unfit(path, what, "remove such rows or replace the values")
    return values


def _class_numbers(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.int64]:
    """Return integer targets as int64 class numbers."""
    if array.ndim != 1:
        what = f"expected class numbers {name} of shape (N,), got {array.shape}"
        raise _unfit(path, what, f"save {name}.ravel(), or argmax(axis=1) of one-hot rows")
    wrong = (array < 0) | (array > np.iinfo(np.int64).max)
    if wrong.any():
        row = int(np.argmax(wrong))
        what = f"expected class numbers 0, 1, 2, ... in {name}, got {array[row]} in row {row}"
        raise _unfit(path, what, "number the classes from 0, or save floats for regression")
    return array.astype(np.int64)


def _unfit(path: Path, what: str, advice: str) -> ValueError:
    """Return the error for a sound file with the wrong content, to be raised."""
    return ValueError(f"{path}: {what}; {advice}")
