"""Where data files are looked for, and how they are fetched where they are missing.

Search order: the folder that the caller names, the folder that the environment variable
``PYCOPI_DATA`` names, the user's cache. A folder counts only when it holds every file of a set, so
files of two sources are never mixed. What is downloaded goes to the first folder of that order.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

VARIABLE = "PYCOPI_DATA"


class FileSet(NamedTuple):
    """The files of one data set and where in a folder they may lie.

    Attributes
    ----------
    title : str
        The name that people know it by.
    names : tuple of str
        The files, all of them needed.
    suffixes : tuple of str
        Endings that a file may carry, the preferred one first.
    layouts : tuple of str
        Folders within a searched folder, ``""`` for itself.
    """

    title: str
    names: tuple[str, ...]
    suffixes: tuple[str, ...]
    layouts: tuple[str, ...]


def locate(files: FileSet, data_dir: Path | None, fetch: Callable[[Path], list[Path]] | None) -> list[Path]:
    """Return the paths of a set's files, in the order of its names, fetched if they are missing.

    Parameters
    ----------
    files : FileSet
        What to look for.
    data_dir : pathlib.Path or None
        The folder to search before the others.
    fetch : callable or None
        Puts the files into the folder that it is given and returns their paths; None: do not
        download.

    Returns
    -------
    list of pathlib.Path
        One path for each name.

    Raises
    ------
    FileNotFoundError
        If the files are not there and cannot be fetched; the message says what to put where.
    ValueError
        If a downloaded file is not the expected one.
    """
    folders = search_folders(data_dir)
    found = _find(files, folders)
    if found is not None:
        return found
    if fetch is None:
        raise FileNotFoundError(_missing(files, folders, "downloading is switched off"))
    try:
        return fetch(folders[0])
    except ImportError:
        reason = 'downloading needs pooch (pip install "pycopi[cli]")'
        raise FileNotFoundError(_missing(files, folders, reason)) from None
    except OSError as error:
        reason = f"downloading failed ({one_line(error)})"
        raise FileNotFoundError(_missing(files, folders, reason)) from error


def search_folders(data_dir: Path | None) -> list[Path]:
    """Return the folders to search, first to last; ``~`` stands for the home folder in each.

    Parameters
    ----------
    data_dir : pathlib.Path or None
        The folder that the caller names.

    Returns
    -------
    list of pathlib.Path
        One to three folders, which need not exist.
    """
    named = [data_dir, os.environ.get(VARIABLE) or None, _user_cache()]
    return [Path(os.path.expanduser(folder)) for folder in named if folder is not None]


def retrieve(url: str, md5: str, folder: Path) -> Path:
    """Download a file into a folder, unless it is there already, and return its path.

    Parameters
    ----------
    url : str
        Where the file is.
    md5 : str
        Its checksum, in hexadecimal.
    folder : pathlib.Path
        Where to put it; made if it does not exist.

    Returns
    -------
    pathlib.Path
        The checked file.

    Raises
    ------
    ImportError
        If pooch is not installed.
    OSError
        If the server cannot be reached or the folder cannot be written.
    ValueError
        If what came has another checksum; it is not kept.
    """
    pooch = importlib.import_module("pooch")
    name = url.rpartition("/")[2]
    try:
        return Path(pooch.retrieve(url, known_hash=f"md5:{md5}", fname=name, path=folder))
    except ValueError as error:
        what = f"{folder / name}: the download from {url} has not the MD5 checksum {md5}"
        message = f"{what} and was not kept; try again, or fetch the file by hand"
        raise ValueError(message) from error


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line.

    Parameters
    ----------
    error : BaseException
        Any error.

    Returns
    -------
    str
        Its message with single spaces, or its type's name where it has none.
    """
    return " ".join(str(error).split()) or type(error).__name__


def _user_cache() -> str:
    """Return the user's cache folder for pycopi, by the custom of the operating system."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return f"{base}/pycopi"


def _find(files: FileSet, folders: Iterable[Path]) -> list[Path] | None:
    """Return the paths in the first folder and layout that hold all the files."""
    for place in (folder / layout for folder in folders for layout in files.layouts):
        candidates = [[place / f"{name}{end}" for end in files.suffixes] for name in files.names]
        paths = [next((p for p in ends if os.path.isfile(p)), None) for ends in candidates]
        found = [path for path in paths if path is not None]
        if len(found) == len(files.names):
            return found
    return None


def _missing(files: FileSet, folders: Iterable[Path], reason: str) -> str:
    """Return the message for files that are not there."""
    names = ", ".join(files.names)
    ends = ", ".join(end for end in files.suffixes if end)
    inner = ", ".join(f"{layout}/" for layout in files.layouts if layout)
    searched = ", ".join(map(str, folders))
    return (
        f"{files.title} was not found: {reason}; searched {searched} (and {inner} in each) for "
        f"{names}{f' (plain or {ends})' if ends else ''}; put them there, or name their folder "
        f"with data_dir or the environment variable {VARIABLE}"
    )
