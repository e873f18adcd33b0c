"""One run at a time in a folder.

The system frees the lock when its process ends, however it ends: a file left behind by a kill locks nothing.
A child that the process forks gets no hold of it.
"""

import errno
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pycopi._files import lock_file

_NAME = ".lock"
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""What the system says of a lock that somebody else has; anything else means that it has no locks here."""

_TRIES = 20
"""Files of others that may vanish between opening and locking before that is an error."""

_open_files: set[IO[bytes]] = set()


@contextmanager
def locked(folder: str | os.PathLike[str], *, otherwise: str = "name another folder") -> Iterator[None]:
    """Keep every other run out of a folder until the block ends; the folder is made if need be.

    A folder that was made for the block and is empty at its end is removed again. BlockingIOError says that
    another run is at work there, and ``otherwise`` what to do instead of waiting.
    """
    place = Path(folder)
    if place.exists() and not place.is_dir():
        msg = f"{place} is a file; expected a folder"
        raise NotADirectoryError(msg)
    made = _missing(place)
    try:
        file = _take(place, otherwise)
        try:
            yield
        finally:
            _free(place / _NAME, file)
    finally:
        with suppress(OSError):  # one that is not empty stays, and so do those around it
            for one in made:
                one.rmdir()


def _missing(place: Path) -> list[Path]:
    """Return the folder and those around it that do not exist, the innermost first."""
    return [one for one in (place, *place.parents) if not one.exists()]


def _take(folder: Path, otherwise: str) -> IO[bytes]:
    """Return the locked file of a folder."""
    path = folder / _NAME
    for _ in range(_TRIES):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a+b", buffering=0)
        except FileNotFoundError:  # the folder was another run's, which has just removed it
            continue
        try:
            lock_file(file)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                _open_files.add(file)
                return file
        except FileNotFoundError:  # another run has just removed the file
            pass
        except OSError as error:
            if error.errno in _HELD:
                file.close()
                msg = f"another run is at work in {folder}; wait until it ends, or {otherwise}"
                raise BlockingIOError(msg) from error
            msg = f"{folder} is on a file system without locks ({error.strerror}); start no other run in it"
            warnings.warn(msg, RuntimeWarning, stacklevel=5)
            return file
        file.close()
    msg = f"{path} cannot be opened and locked; remove it, or {otherwise}"
    raise OSError(msg)


def _free(path: Path, file: IO[bytes]) -> None:
    """Remove the file of a lock and close it, which frees the lock; a forked child leaves both alone."""
    if file.closed:
        return
    if sys.platform == "win32":  # where no open file can be removed
        file.close()
    path.unlink(missing_ok=True)
    file.close()
    _open_files.discard(file)


def _close_in_child() -> None:
    """Close what a forked child has inherited: the lock would last as long as the child."""
    for file in _open_files:
        file.close()
    _open_files.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
