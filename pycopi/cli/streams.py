"""The standard streams of the command: they take every character, and fall silent when nobody reads them."""

import codecs
import errno
import io
import os
import select
from typing import Any, TextIO

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ERRORS = "pycopi.escape"


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return what is written for a character that an encoding lacks: a byte of a name itself, else \\u1234."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character, after = error.object[error.start], error.start + 1
    if "\udc80" <= character <= "\udcff":  # how Python reads a byte that it cannot decode
        return bytes([ord(character) - 0xDC00]), after
    return character.encode("ascii", "backslashreplace").decode(), after


class _Tolerant(io.FileIO):
    """An open file that takes everything; what comes after a failure is lost, and ``failure`` says why."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write bytes, and wait where the other end has switched waiting off."""
        if self.failure is None:
            try:
                while (written := super().write(data)) is None:
                    select.select((), (self,), ())
                return written
            except OSError as error:
                self.failure = error
        return len(data)


def tolerant(stream: TextIO | None) -> TextIO:
    """Return a standard stream that no character, no closed terminal and no reader who left makes fail.

    A stream that the process was started without leads nowhere.
    """
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    codecs.register_error(_ERRORS, _escape)
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    try:
        raw = _Tolerant(stream.fileno(), "wb", closefd=False)
    except OSError:  # it is no file of the system
        return stream
    if os.name == "nt":  # where a console takes no bytes
        stream.reconfigure(errors=_ERRORS)
        return stream
    at_once = stream.line_buffering or stream.write_through
    return io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, _ERRORS, line_buffering=at_once)


def lost(stream: TextIO) -> str | None:
    """Return why some of the output is not in the file that should hold it; None where nobody waits for it.

    A reader who left, such as ``head``, has had enough, and behind a closed terminal there is nobody; but a
    file on a full disk lacks what it should have.
    """
    stream.flush()
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    if not isinstance(raw, _Tolerant) or raw.failure is None or raw.failure.errno not in _FULL:
        return None
    return os.strerror(raw.failure.errno)
