"""The arrays of an ``.npz`` file: x and y, and optionally x_test and y_test."""

import zipfile
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pycopi.data.dataset import Dataset
from pycopi.data.members import check_contents, check_members
from pycopi.data.npy import read_member
from pycopi.data.own import Arrays, inputs_of, make_dataset, unfit
from pycopi.data.reading import damaged
from pycopi.data.targets import Task

TEST = ("x_test", "y_test")
_ALIKE = 0.9  # of the letters of a name: one letter of ``x_test.npy`` may be another


def load_npz(path: Path, task: Task | None = None) -> Dataset:
    """Return the data set that an ``.npz`` file holds, named after the file; see `make_dataset`.

    Other arrays in it are passed over, once their checksums have been found right.
    """
    if not path.is_file():
        what = f"{path}: there is no such file; expected an .npz file with arrays x and y"
        raise FileNotFoundError(what)
    return make_dataset(path, _read(path), task)


def load_rows(path: Path) -> NDArray[Any]:
    """Return the inputs (N, n) of an ``.npz`` file, its array x, as `load_npz` does; it may have no targets."""
    if not path.is_file():
        what = f"{path}: there is no such file; expected an .npz file with an array x"
        raise FileNotFoundError(what)
    return inputs_of(path, "x", _read(path, ("x",))["x"])


def _read(path: Path, wanted: Sequence[str] = ()) -> Arrays:
    """Return the arrays of some names, or x, y and where there is one the test set."""
    with path.open("rb") as file:
        with damaged(path, 0, "expected an .npz file"):
            archive = zipfile.ZipFile(file)
        check_members(path, file, archive)
        members = archive.namelist()
        there = {name[:-4] for name in members if name.endswith(".npy")}
        names = list(wanted) or ["x", "y", *(TEST if there.intersection(TEST) else ())]
        if not there.issuperset(names):
            got = ", ".join(sorted(there)) or "none"
            what = f"expected {'arrays' if len(names) > 1 else 'an array'} {', '.join(names)}, got {got}"
            raise unfit(path, what, "save them by these names with numpy.savez")
        if names == ["x", "y"]:
            _check_alike(path, members)
        kinds = {name: "iuf" if name.startswith("x") else "iufbUS" for name in names}
        arrays = {name: read_member(path, archive, name, kinds[name]) for name in names}
        check_contents(path, archive, sorted(set(members) - {f"{name}.npy" for name in names}))
        return arrays


def _check_alike(path: Path, members: list[str]) -> None:
    """Raise if a file without a test set has a member whose name is almost that of one."""
    for name in TEST:
        for member in members:
            if SequenceMatcher(None, member.casefold(), f"{name}.npy").ratio() >= _ALIKE:
                what = f"expected a test set by the names {' and '.join(TEST)}, or none, got {member}"
                raise unfit(path, what, "give the array one of these names, or one that is less like them")
