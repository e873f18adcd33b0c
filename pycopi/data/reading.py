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
    """Return how many bytes were written to an array: all of it, or fewer where the stream ends.

    Parameters
    ----------
    values : numpy.ndarray, shape (N,), uint8
        Overwritten from its start.
    stream : io.BufferedIOBase
        Read from where it stands.

    Returns
    -------
    int
        From 0 to N.

    Examples
    --------
    >>> import io
    >>> values = np.zeros(4, np.uint8)
    >>> fill(values, io.BytesIO(bytes([5, 6, 7]))), values
    (3, array([5, 6, 7, 0], dtype=uint8))
    """
    view = values.data
    done = 0
    while count := stream.readinto(view[done : done + _PIECE]):
        done += count
    return done


def bad_file(
    path: Path, offset: int, what: str, advice: str = "replace the file by an undamaged copy"
) -> ValueError:
    """Return the error for a bad file, to be raised: one line with its name and the offset.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    offset : int
        Where in it the trouble is, in bytes.
    what : str
        What was expected and what came.
    advice : str, optional
        What to do.

    Returns
    -------
    ValueError
        Not yet raised.
    """
    return ValueError(f"{path}: offset {offset}: {what}; {advice}")


@contextmanager
def damaged(path: Path, offset: int, what: str) -> Iterator[None]:
    """Turn whatever a library raises over a file's bytes into a ValueError that names the file."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise bad_file(path, offset, f"{what} ({reason})") from error
