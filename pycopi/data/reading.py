"""What the parsers share: filling an array from a stream, and the errors for a bad file."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

DEFLATE_RATIO = 1032  # a deflate stream never unpacks to more than this many times its own size
_PIECE = 1 << 20  # bytes read at a time, so that unpacking needs no second copy


def fill(values: Bytes, stream: BufferedIOBase) -> int:
    """Return how many bytes were written to an array: all of it, or fewer where the stream ends."""
    view = values.data
    done = 0
    while count := stream.readinto(view[done : done + _PIECE]):
        done += count
    return done


def bad_file(
    path: Path, offset: int, what: str, advice: str = "replace the file by an undamaged copy"
) -> ValueError:
    """Return the error for a bad file, to be raised: one line with its name and the offset."""
    return ValueError(f"{path}: offset {offset}: {what}; {advice}")


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line, or the name of its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def damaged(path: Path, offset: int, what: str) -> Iterator[None]:
    """Turn whatever a library raises over a file's bytes into a ValueError that names the file."""
    try:
        yield
    except Exception as error:
        raise bad_file(path, offset, f"{what} ({one_line(error)[:200]})") from error
