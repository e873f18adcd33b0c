"""Whether the members of a zip archive are all there.

The directory at the end of an archive says what is in it. Damage to the directory can hide a member, and an
``.npz`` file without a test set is a sound one. So what else tells of members must agree with it: the number
of entries that the end of the archive declares, and the headers that stand before the members themselves.
"""

import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from pycopi.data.reading import bad_file, damaged

_END = struct.Struct("<4s4H2LH")  # the record that ends an archive; the fifth is the number of entries
_LOCAL = struct.Struct("<4s5H3L2H")  # the header before a member; the last are the lengths that follow it
_LOCAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x05\x06"
_MANY = 0xFFFF  # entries, of which there may be more: then the record does not say how many
_LONGEST_TAIL = 64  # bytes; what may follow a member is its sizes once more, in 24 at most
_PIECE = 1 << 20


def check_members(path: Path, file: IO[bytes], archive: zipfile.ZipFile) -> None:
    """Raise unless the directory of an archive names every member in it.

    ``file`` is the same file, open, and ``archive`` has read its directory.
    """
    entries = sorted(archive.infolist(), key=lambda info: info.header_offset)
    declared = _declared(path, file, archive)
    if declared not in (len(entries), _MANY):
        what = f"the directory has {len(entries)} entries, but the end of the archive declares {declared}"
        raise bad_file(path, archive.start_dir, what)
    end = 0
    for info in entries:
        _check_gap(path, file, end, info.header_offset)
        end = _end_of(path, file, info)
    _check_gap(path, file, end, archive.start_dir)


def check_contents(path: Path, archive: zipfile.ZipFile, names: Iterable[str]) -> None:
    """Raise unless the contents of some members are as their checksums say."""
    for name in names:
        info = archive.getinfo(name)
        what = f"array {name.removesuffix('.npy')} cannot be unpacked"
        with damaged(path, info.header_offset, what), archive.open(info) as stream:
            while stream.read(_PIECE):
                pass


def _declared(path: Path, file: IO[bytes], archive: zipfile.ZipFile) -> int:
    offset = path.stat().st_size - _END.size - len(archive.comment)
    mark, *_, entries, _, _, _ = _END.unpack(_read(path, file, offset, _END.size))
    if mark != _END_MARK:
        raise bad_file(path, offset, "expected the end of an .npz file")
    return int(entries)


def _end_of(path: Path, file: IO[bytes], info: zipfile.ZipInfo) -> int:
    start = info.header_offset
    mark, *_, name, extra = _LOCAL.unpack(_read(path, file, start, _LOCAL.size))
    if mark != _LOCAL_MARK:
        raise bad_file(path, start, "expected a member here, of which the directory tells")
    return int(start + _LOCAL.size + name + extra + info.compress_size)


def _check_gap(path: Path, file: IO[bytes], start: int, stop: int) -> None:
    """Raise if a member begins between two places that the directory knows."""
    if stop < start:
        raise bad_file(path, stop, f"a member begins here, but the one before it ends at {start}")
    if _LOCAL_MARK in _read(path, file, start, min(stop - start, _LONGEST_TAIL)):
        raise bad_file(path, start, "a member begins here that is not in the directory")


def _read(path: Path, file: IO[bytes], offset: int, size: int) -> bytes:
    """Return so many bytes of a file, which must have them."""
    with damaged(path, max(0, offset), "expected an .npz file"):
        file.seek(offset)
        content = file.read(size)
        if len(content) < size:
            message = f"it ends {size - len(content)} bytes too early"
            raise ValueError(message)
    return content
