"""One process at a time in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pycopi._files import lock_file

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
            lock_file(file)
        except OSError as error:
            msg = f"another process is at work in {folder}; wait for it, or name another folder with --output"
            raise BlockingIOError(msg) from error
        yield
