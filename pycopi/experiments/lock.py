"""One process at a time in a folder."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder until the block ends, however the process ends.

    Raises
    ------
    BlockingIOError
        If another process is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _NAME).open("a+b") as file:
        try:
            _take(file)
        except OSError as error:
            msg = f"another process is at work in {folder}; wait for it, or name another folder with --output"
            raise BlockingIOError(msg) from error
        yield


def _take(file: IO[bytes]) -> None:
    """Take the lock of a file, which the system frees when the file is closed; raise OSError if it is taken."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
