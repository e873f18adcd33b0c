"""Files that are either there whole or not at all.

A new file is written in a *room*, a folder beside its target that only its owner may enter, and takes the
target's name when it is complete. Its writer holds the lock of the room, which the system frees when the
writer ends, however it ends: a room whose lock is free is what a kill has left, and the next writer of the
same target removes it.
"""

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from zlib import crc32

_LOCK = "lock"
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path; what was written there takes the place of ``path`` when the block ends.

    If the block raises, what was written is removed and whatever was at ``path`` is left as it was. Where
    ``path`` is a link, the file that it leads to is replaced. A file that is replaced hands on its
    permissions, and its owner and group where the system allows it. Anything but a file, such as a device,
    is refused with an OSError.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        msg = f"{target}: the folder {target.parent} does not exist; create it first"
        raise FileNotFoundError(msg)
    replaced = _replaceable(path)
    _clear(target)
    with _room(target) as room:
        temporary = room / target.name
        temporary.touch(exist_ok=False)
        usual = temporary.stat().st_mode  # the permissions that new files get here
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(usual if replaced is None else _take_over(temporary, replaced))
        temporary.replace(target)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text in UTF-8, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def lock_file(file: IO[bytes]) -> None:
    """Take the lock of a file, which the system frees when the file is closed; raise OSError if it is taken."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _replaceable(path: str | os.PathLike[str]) -> os.stat_result | None:
    """Return what is known of the file at a path, None where there is none; raise if it is not a file."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(there.st_mode):
        kind = _KINDS.get(stat.S_IFMT(there.st_mode), "something else")
        msg = f"{path}: expected a file or nothing here, got {kind}, which is not replaced; name another file"
        raise OSError(msg)
    return there


def _take_over(temporary: Path, replaced: os.stat_result) -> int:
    """Give a file the owner and group of the one that it replaces; return the permissions that it gets.

    Where the group cannot be given, the group of the new file may do no more than everybody may.
    """
    mode = stat.S_IMODE(replaced.st_mode)
    if not hasattr(os, "chown"):
        return mode
    for owner, group in ((-1, replaced.st_gid), (replaced.st_uid, -1)):
        with suppress(PermissionError):
            os.chown(temporary, owner, group)
    given = temporary.stat()
    if given.st_uid != replaced.st_uid:
        mode &= 0o777  # not another user's right to act as its owner
    if given.st_gid != replaced.st_gid:
        mode = mode & 0o707 | (mode & 0o007) << 3
    return mode


@contextmanager
def _room(target: Path) -> Iterator[Path]:
    """Give a new locked folder beside a target, and remove it when the block ends."""
    room, lock = _take_room(target)
    try:
        yield room
    finally:
        (room / target.name).unlink(missing_ok=True)
        lock.close()
        _remove(room)


def _take_room(target: Path) -> tuple[Path, IO[bytes]]:
    """Return a new room and the open file that locks it."""
    for _ in range(100):  # another writer may take a room that is not locked yet for an abandoned one
        room = target.with_name(f"{_prefix(target)}{secrets.token_hex(4)}")
        room.mkdir(0o700)
        with suppress(FileNotFoundError):
            lock = (room / _LOCK).open("xb")
            if _holds(lock) and (room / _LOCK).exists():
                return room, lock
            lock.close()
    msg = f"{target}: other processes remove what is being written here; wait for them"
    raise OSError(msg)


def _holds(lock: IO[bytes]) -> bool:
    """Return whether nobody else has taken a new room; where there are no locks, nobody can."""
    try:
        lock_file(lock)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks
        pass
    return True


def _clear(target: Path) -> None:
    """Remove the rooms of a target that killed writers of this user have left."""
    for room in target.parent.glob(f"{_prefix(target)}*"):
        with suppress(OSError):  # somebody is at work there, or has removed it
            if _is_own_folder(room) and {path.name for path in room.iterdir()} <= {_LOCK, target.name}:
                _abandon(room, target.name)


def _abandon(room: Path, name: str) -> None:
    """Remove a room unless somebody holds its lock, which is an OSError."""
    try:
        lock = (room / _LOCK).open("r+b")
    except FileNotFoundError:  # its writer has not come to that yet, or was killed before
        room.rmdir()
        return
    with lock:
        lock_file(lock)
        (room / name).unlink(missing_ok=True)
        with suppress(PermissionError):  # Windows keeps what is open: there it goes below
            (room / _LOCK).unlink()
    _remove(room)


def _remove(room: Path) -> None:
    """Remove a room that is empty but for its lock."""
    with suppress(OSError):
        (room / _LOCK).unlink(missing_ok=True)
        room.rmdir()


def _is_own_folder(room: Path) -> bool:
    """Return whether a path is a folder, not a link to one, and belongs to the user of this process."""
    there = room.lstat()
    mine = not hasattr(os, "geteuid") or there.st_uid == os.geteuid()
    return mine and stat.S_ISDIR(there.st_mode)


def _prefix(target: Path) -> str:
    """Return what the names of a target's rooms begin with; short, whatever the length of its own name."""
    return f".pycopi-writing-{crc32(os.fsencode(target.name)):08x}-"
