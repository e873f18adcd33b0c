"""Unpacking of expected files from a downloaded ``.tar.gz``.

Rules of this file: only regular members of the expected names and the expected size are read; a
file is written under the last part of a name that the caller gave; nothing in the archive decides
where a byte goes.
"""

import gzip
import shutil
import tarfile
import zlib
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from pycopi._files import whole_file
from pycopi.data.reading import one_line

_PIECE = 1 << 20


def unpack(archive: Path, members: list[str], size: int, folder: Path) -> list[Path]:
    """Return the paths of the expected members of a ``.tar.gz`` file, unpacked into a folder.

    ``members`` are names within the archive, each of ``size`` bytes; all are needed, any others are passed
    over. Nothing appears in the folder before the whole archive has been found sound.
    """
    wanted = {name: folder / PurePosixPath(name).name for name in members}
    missing = set(members)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as complete, tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if member.name in missing and member.isreg():
                    target = complete.enter_context(whole_file(wanted[member.name]))
                    _write(archive, tar, member, size, target)
                    missing.remove(member.name)
            if missing:
                raise _bad(archive, f"expected members are missing: {', '.join(sorted(missing))}")
            while tar.fileobj and tar.fileobj.read(_PIECE):  # to the end, where the checksum is
                pass
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _bad(archive, f"the archive is damaged ({one_line(error)})") from error
    return list(wanted.values())


def _write(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, size: int, target: Path) -> None:
    if member.size != size:
        what = f"offset {member.offset} unpacked: expected {size} bytes in {member.name}"
        raise _bad(archive, f"{what}, got {member.size}")
    source = tar.extractfile(member)
    assert source is not None  # it is a regular file
    with source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)


def _bad(archive: Path, what: str) -> ValueError:
    return ValueError(f"{archive}: {what}; delete it and try again")
