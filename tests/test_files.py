"""Files that are written whole: what is refused, what is kept of the old file, what a kill leaves."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from assertions import exactly

import pycopi
from pycopi._files import whole_file

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="permissions, owners and pipes are POSIX's")
ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")

WRITER = """
import sys, time
from pycopi._files import whole_file
with whole_file(sys.argv[1]) as path:
    path.write_text("half")
    print("writing", flush=True)
    sys.stdin.readline()
    path.write_text("whole")
"""


def write(path, text):
    with whole_file(path) as temporary:
        temporary.write_text(text)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def writer(tmp_path):
    """Start processes that have half written a file and wait; end those that a test has left."""
    started = []

    def start(name):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "writing\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def make_device(path):
    """Make a null device of the test's own: no test may come near a device of the machine."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("devices are for root to make")


NOT_FILES = {
    "pipe": (make_pipe, "a named pipe"),
    "socket": (make_socket, "a socket"),
    "device": (make_device, "a device"),
    "folder": (Path.mkdir, "a folder"),
}


@POSIX
@pytest.mark.parametrize("linked", [False, True], ids=["itself", "by a link"])
@pytest.mark.parametrize(("make", "kind"), NOT_FILES.values(), ids=NOT_FILES)
def test_what_is_not_a_file_is_refused_and_left_as_it_is(tmp_path, monkeypatch, make, kind, linked):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    path = Path("thing")
    make(path)
    before = path.stat()
    if linked:
        path = Path("link")
        path.symlink_to("thing")
    message = f"{path}: expected a file or nothing here, got {kind}, which is not replaced; name another file"
    network = pycopi.mlp([3, 2])
    for save in (lambda: write(path, "new"), lambda: pycopi.save(path, network, network.init())):
        with pytest.raises(OSError, match=exactly(message)):
            save()
    assert os.path.samestat(before, path.stat())
    assert set(os.listdir()) <= {"thing", "link"}


@POSIX
@pytest.mark.parametrize("kept", [0o600, 0o640, 0o444, 0o666])
def test_a_replaced_file_keeps_its_permissions(tmp_path, kept):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(kept)
    write(path, "new")
    assert mode(path) == kept
    assert path.read_text() == "new"


@POSIX
def test_a_new_file_gets_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    write(tmp_path / "new", "new")
    assert mode(tmp_path / "new") == mode(tmp_path / "usual")


@POSIX
def test_nobody_else_can_read_a_private_file_while_it_is_written(tmp_path):
    path = tmp_path / "file"
    path.touch(0o600)
    with whole_file(path) as temporary:
        temporary.write_text("secret")
        assert mode(temporary.parent) == 0o700


@POSIX
@ROOT
def test_root_leaves_a_file_to_its_owner(tmp_path):
    path = tmp_path / "file"
    path.touch()
    os.chown(path, 1234, 4321)
    path.chmod(0o640)
    write(path, "new")
    assert (path.stat().st_uid, path.stat().st_gid, mode(path)) == (1234, 4321, 0o640)


@POSIX
def test_a_group_that_cannot_be_kept_hands_on_no_rights(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o664)
    there = path.stat()

    def refused(*args):
        raise PermissionError

    monkeypatch.setattr(os, "chown", refused)
    monkeypatch.setattr("pycopi._files._replaceable", lambda path: Other(there))
    write(path, "new")
    assert mode(path) == 0o644


class Other:
    """A file's status, but of another group."""

    def __init__(self, there):
        self.st_mode, self.st_uid, self.st_gid = there.st_mode, there.st_uid, there.st_gid + 1


def test_what_a_killed_writer_left_goes_at_the_next_write(tmp_path, writer):
    path = tmp_path / "file"
    killed = writer("file")
    killed.kill()
    killed.wait()
    assert len(os.listdir(tmp_path)) == 1
    write(tmp_path / "other", "of another file")
    assert len(os.listdir(tmp_path)) == 2
    write(path, "new")
    assert sorted(os.listdir(tmp_path)) == ["file", "other"]
    assert path.read_text() == "new"


@POSIX
def test_a_writer_that_is_only_stopped_keeps_what_it_writes(tmp_path, writer):
    waiting = writer("file")
    waiting.send_signal(signal.SIGSTOP)
    write(tmp_path / "file", "first")
    assert len(os.listdir(tmp_path)) == 2
    waiting.send_signal(signal.SIGCONT)
    waiting.communicate("\n", timeout=60)
    assert waiting.returncode == 0
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "whole"


def test_two_threads_write_one_file_and_the_last_to_end_wins(tmp_path):
    path = tmp_path / "file"
    with whole_file(path) as outer:
        outer.write_text("outer")
        thread = threading.Thread(target=write, args=(path, "inner"))
        thread.start()
        thread.join()
        assert path.read_text() == "inner"
    assert path.read_text() == "outer"
    assert os.listdir(tmp_path) == ["file"]


def rooms_of(tmp_path):
    """Return the name that a room of "file" has, found while one is there."""
    with whole_file(tmp_path / "file") as temporary:
        return temporary.parent.name


def test_a_folder_with_anything_else_in_it_is_nobody_s_to_remove(tmp_path):
    room = tmp_path / rooms_of(tmp_path)
    room.mkdir()
    for name in ("lock", "file", "mine"):
        (room / name).write_text("mine")
    write(tmp_path / "file", "new")
    assert sorted(os.listdir(room)) == ["file", "lock", "mine"]


@POSIX
def test_a_link_to_a_folder_is_not_followed(tmp_path):
    name = rooms_of(tmp_path)
    (tmp_path / "mine").mkdir()
    for inner in ("lock", "file"):
        (tmp_path / "mine" / inner).write_text("mine")
    (tmp_path / name).symlink_to("mine")
    write(tmp_path / "file", "new")
    assert sorted(os.listdir(tmp_path / "mine")) == ["file", "lock"]


@POSIX
@ROOT
def test_what_another_user_has_left_stays(tmp_path):
    room = tmp_path / rooms_of(tmp_path)
    room.mkdir()
    os.chown(room, 1234, 4321)
    write(tmp_path / "file", "new")
    assert room.is_dir()


def test_a_folder_of_a_writer_killed_before_its_lock_goes_too(tmp_path):
    (tmp_path / rooms_of(tmp_path)).mkdir()
    write(tmp_path / "file", "new")
    assert os.listdir(tmp_path) == ["file"]


def test_a_writer_whose_room_is_taken_for_an_abandoned_one_takes_another(tmp_path, monkeypatch):
    """Between the making of a room and its lock another writer may remove it."""
    from pycopi import _files

    lock_file, seen = _files.lock_file, []

    def slow(lock):
        seen.append(lock)
        if len(seen) == 1:
            write(tmp_path / "file", "of the other")
        return lock_file(lock)

    monkeypatch.setattr(_files, "lock_file", slow)
    write(tmp_path / "file", "mine")
    assert len(seen) > 2
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_system_without_locks_is_written_to_and_nothing_is_taken_for_abandoned(tmp_path, monkeypatch):
    from pycopi import _files

    def unsupported(lock):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(_files, "lock_file", unsupported)
    with whole_file(tmp_path / "file") as outer:
        outer.write_text("outer")
        write(tmp_path / "file", "inner")
    assert (tmp_path / "file").read_text() == "outer"


def test_the_longest_name_can_be_written(tmp_path):
    name = "n" * 255
    write(tmp_path / name, "new")
    assert os.listdir(tmp_path) == [name]
