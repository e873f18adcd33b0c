"""Where data files are looked for, and how they are fetched where they are missing.

Rules of this file:

- a folder that the caller names is the only one searched; otherwise the folder that the environment
  variable ``PYCOPI_DATA`` names, then the user's cache;
- a folder counts only when it holds every file of a set, so files of two sources are never mixed;
- a named folder that does not exist, or holds files that nearly fit, is an error; where the variable's
  has nothing of the set and the cache has it all, a warning says so;
- what is downloaded goes to the first folder searched.
"""

import importlib
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from pycopi.data.reading import one_line

VARIABLE = "PYCOPI_DATA"


class FileSet(NamedTuple):
    """The files of one data set, all of them needed, and where in a folder they may be.

    ``suffixes`` are endings that a file may carry, the preferred one first; ``layouts`` are folders within a
    searched folder, ``""`` for itself, and downloads go to the one that is ``fetched``.
    """

    title: str
    names: tuple[str, ...]
    suffixes: tuple[str, ...]
    layouts: tuple[str, ...]
    fetched: str


def locate(files: FileSet, data_dir: Path | None, fetch: Callable[[Path], list[Path]] | None) -> list[Path]:
    """Return the paths of a set's files, in the order of its names, fetched if they are missing.

    ``fetch`` puts the files into the folder that it is given and returns their paths; None downloads nothing.
    """
    folders = search_folders(data_dir)
    found = _find(files, folders)
    if found is None or not found[0].is_relative_to(folders[0]):
        _judge(files, folders[0], data_dir, found)
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
    """Return the folders to search, first to last, which need not exist; ``~`` stands for the home folder."""
    named = [os.environ.get(VARIABLE) or None, _user_cache()] if data_dir is None else [data_dir]
    return [Path(os.path.expanduser(folder)) for folder in named if folder is not None]


def retrieve(url: str, md5: str, folder: Path) -> Path:
    """Download a file into a folder, unless it is there already, and return its path.

    A file with another checksum is a ValueError, and not kept.
    """
    pooch = importlib.import_module("pooch")
    name = url.rpartition("/")[2]
    try:
        return Path(pooch.retrieve(url, known_hash=f"md5:{md5}", fname=name, path=folder))
    except ValueError as error:
        what = f"{folder / name}: the download from {url} has not the MD5 checksum {md5}"
        message = f"{what} and was not kept; try again, or fetch the file by hand"
        raise ValueError(message) from error


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


def _judge(files: FileSet, folder: Path, data_dir: Path | None, found: list[Path] | None) -> None:
    """Raise or warn if it was the user who named a folder that does not hold the files."""
    by = "data_dir" if data_dir is not None else VARIABLE if os.environ.get(VARIABLE) else ""
    if not by:
        return
    reason = ""
    if not os.path.isdir(folder):
        kind = "is a file" if os.path.exists(folder) else "does not exist"
        reason = f"the folder {folder} that {by} names {kind}"
    elif near := _near(files, folder):
        listed = f"{', '.join(near[:6])}{', ...' if len(near) > 6 else ''}"
        reason = f"the folder {folder} that {by} names has files that nearly fit, {listed}"
    if reason:
        raise FileNotFoundError(_missing(files, [folder], reason))
    if found is not None:
        what = f"{by} names {folder}, which has no files of {files.title}"
        warnings.warn(f"{what}; those in {found[0].parent} are used", stacklevel=2)


def _near(files: FileSet, folder: Path) -> list[str]:
    """Return the files under a folder, three levels deep, with names like those of a set; not downloads."""
    wanted = tuple(_key(name) for name in files.names)
    near = []
    for place, inner, names in os.walk(folder):
        here = Path(place).relative_to(folder)
        inner[:] = sorted(inner) if len(here.parts) < 3 else []
        if here != Path(files.fetched):  # what an interrupted download left is completed
            near += [str(here / name) for name in sorted(names) if _key(name).endswith(wanted)]
    return near


def _key(name: str) -> str:
    """Return what names that people take for the same have in common."""
    stem = re.sub(r"\(\d+\)|\.(gz|zip|z|bz2|xz|bin|txt|idx|dat)$", "", name.lower())
    return re.sub(r"(idx\d)?(ubyte)?$", "", re.sub(r"[^a-z0-9]", "", stem))


def _missing(files: FileSet, folders: Iterable[Path], reason: str) -> str:
    names = ", ".join(files.names)
    ends = ", ".join(end for end in files.suffixes if end)
    inner = ", ".join(f"{layout}/" for layout in files.layouts if layout)
    searched = ", ".join(map(str, folders))
    return (
        f"{files.title} was not found: {reason}; searched {searched} (and {inner} in each) for "
        f"{names}{f' (plain or {ends})' if ends else ''}; put them there by these "
        f"names, or name their folder with data_dir or the environment variable {VARIABLE}"
    )
