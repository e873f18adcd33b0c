"""CSV files: a line of names, then a line for each sample; one column is the target, all others are inputs."""

import csv
import math
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pycopi.data.dataset import Dataset
from pycopi.data.own import make_dataset, unfit
from pycopi.data.targets import Task

_FILL = "write a number there, or remove the line or the column"
_ENCODE = "write numbers for text, such as a column of 0 and 1 for each value, or remove the column"
_LISTED = 10  # names in a message


def load_csv(path: Path, task: Task | None = None, target: str | None = None) -> Dataset:
    """Return the data set that a CSV file holds, named after the file; it has no test set.

    The file is text in UTF-8: a first line with the names of the columns, commas between values, numbers in
    every column but the target's, which is the last where ``target`` is None. Empty lines are passed over.
    """
    if not path.is_file():
        what = f"{path}: there is no such file; expected a CSV file with a line of names"
        raise FileNotFoundError(what)
    lines = _lines(path)
    names = [name.strip() for name in next(lines, (1, []))[1]]
    column = _target_column(path, names, target)
    name, features = names[column], names[:column] + names[column + 1 :]
    numbers, texts, places = array("d"), list[str](), array("q")
    for line, cells in lines:
        _check_count(path, line, names, cells)
        texts.append(cells.pop(column).strip())
        places.append(line)
        try:
            numbers.extend(map(float, cells))
        except ValueError:
            raise _bad_cell(path, line, features, cells) from None
        if "_" in "".join(cells):
            raise _bad_cell(path, line, features, cells)
    if not texts:
        raise unfit(path, "expected a line of values for each sample after line 1, got none", "add samples")
    inputs = np.frombuffer(numbers).reshape(len(texts), len(features))
    if not (finite := np.isfinite(inputs).all(axis=1)).all():
        row = int(np.argmin(finite))
        raise _bad_cell(path, places[row], features, [str(value) for value in inputs[row]])
    stored = {"x": inputs, "y": _targets(path, texts, places, name, task)}
    return make_dataset(path, stored, task)._replace(target=name, columns=tuple(features))


def load_columns(path: Path, columns: Sequence[str]) -> NDArray[Any]:
    """Return the numbers (N, n) in some columns of a CSV file, in the order of their names.

    The file is one that `load_csv` takes, with these columns at any place; others are passed over.
    """
    if not path.is_file():
        what = f"{path}: there is no such file; expected a CSV file with a line of names"
        raise FileNotFoundError(what)
    lines = _lines(path)
    names = [name.strip() for name in next(lines, (1, []))[1]]
    if absent := [name for name in columns if names.count(name) != 1]:
        what = f"line 1: expected one column of each name that the model has learned, got {listed(names)}"
        raise unfit(path, what, f"name one column {absent[0]!r}")
    places = [names.index(name) for name in columns]
    rows: list[NDArray[Any]] = []
    for line, cells in lines:
        _check_count(path, line, names, cells)
        chosen = [cells[place] for place in places]
        if not all(map(_is_number, chosen)):
            raise _bad_cell(path, line, columns, chosen)
        rows.append(np.array(chosen, np.float64))
    if not rows:
        raise unfit(path, "expected a line of values for each sample after line 1, got none", "add samples")
    return np.stack(rows)


def _check_count(path: Path, line: int, names: Sequence[str], cells: Sequence[str]) -> None:
    if len(cells) != len(names):
        what = f"line {line}: expected {len(names)} values, one for each name in line 1, got {len(cells)}"
        raise unfit(path, what, "put commas between values alone, or quote the text that has some")


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line that is not empty, and its cells."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, skipinitialspace=True, strict=True)
        try:
            yield from ((reader.line_num, cells) for cells in reader if cells)
        except UnicodeDecodeError:
            raise unfit(path, "expected text in UTF-8, got other bytes", "save it as CSV in UTF-8") from None
        except csv.Error as error:
            what = f"line {reader.line_num}: expected values with commas between ({error})"
            raise unfit(path, what, "close every quote, and write one in a text as two") from None


def _target_column(path: Path, names: Sequence[str], target: str | None) -> int:
    """Return which column has the targets, once the first line has been found to be one of names."""
    if len(names) < 2:
        what = (
            f"line 1: expected the names of two columns or more, with commas between, got {','.join(names)!r}"
        )
        raise unfit(path, what, "save the table with commas between its columns")
    if "" in names:  # as pandas writes the numbers of rows, which are no input
        what = f"line 1: expected a name for each column, got none for column {names.index('') + 1}"
        raise unfit(path, what, "name the column, or remove it (in pandas: to_csv(..., index=False))")
    if _are_values(names):
        what = f"line 1: expected the names of the columns, got values ({listed(names)})"
        raise unfit(path, what, "write a line of names above them")
    if twins := [name for name in names if names.count(name) > 1 and name != target]:
        count = names.count(twins[0])
        what = f"line 1: expected a name of its own for each column, got {twins[0]!r} {count} times"
        raise unfit(path, what, "rename or remove one of them")
    if target is None:
        return len(names) - 1
    if (count := names.count(target)) != 1:
        found = f"{count} columns" if count else "no column"
        what = f"line 1: {found} of the name {target!r} among {listed(names)}"
        raise unfit(path, what, "name one column of the targets, as line 1 does")
    return names.index(target)


def _are_values(names: Sequence[str]) -> bool:
    """Return whether the first line is that of a sample: numbers, but for a target.

    The inputs may be named by whole numbers that rise, such as years, where the target has a name.
    """
    numbers = [name for name in names if not _is_text(name)]
    if len(numbers) < len(names) - 1:
        return False
    if len(numbers) == len(names) or not all(name.isdecimal() and len(name) < 10 for name in numbers):
        return True
    return any(int(one) >= int(other) for one, other in pairwise(numbers))


def _targets(
    path: Path, texts: Sequence[str], places: Sequence[int], name: str, task: Task | None
) -> NDArray[Any]:
    """Return targets as numbers where all are numbers, and as text where none is, or classes are wanted."""
    others = [row for row, text in enumerate(texts) if not _is_number(text)]
    if not others:
        return np.array([float(text) for text in texts])
    if "" in texts:
        what = f"{_place(places[texts.index('')], name)}: expected a target, got an empty cell"
        raise unfit(path, what, "write one there, or remove the line")
    if task == "classes" or (task is None and len(others) == len(texts)):
        return np.array(texts)
    what = f"{_place(places[others[0]], name)}: expected a number, got {texts[others[0]]!r}"
    raise unfit(path, what, "write a number there, or take the targets as classes")


def _bad_cell(path: Path, line: int, names: Sequence[str], cells: Sequence[str]) -> ValueError:
    """Return the error for the first cell of a line that is no number."""
    name, text = next(pair for pair in zip(names, cells, strict=True) if not _is_number(pair[1]))
    got = repr(text.strip()) if text.strip() else "an empty cell"
    advice = _ENCODE if _is_text(text) else _FILL
    return unfit(path, f"{_place(line, name)}: expected a finite number, got {got}", advice)


def _place(line: int, name: str) -> str:
    return f"line {line}, column {name!r}"


def _is_number(text: str) -> bool:
    try:
        return "_" not in text and math.isfinite(float(text))  # Python reads 1_1 as 11
    except ValueError:
        return False


def _is_text(cell: str) -> bool:
    """Return whether a cell holds words, and not a number, nan or nothing."""
    try:
        float(cell)
    except ValueError:
        return bool(cell.strip())
    return False


def listed(names: Sequence[Any]) -> str:
    """Return names for a message, at most so many."""
    return ", ".join(map(str, names[:_LISTED])) + (", ..." if len(names) > _LISTED else "")
