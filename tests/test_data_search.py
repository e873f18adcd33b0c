"""Where named data sets are searched for, and their download, from a server on this machine."""

import functools
import hashlib
import http.server
import os
import re
import sys
import tarfile
import threading
from pathlib import Path

import pytest
from datafiles import (
    assert_dataset,
    assert_raises,
    cifar_records,
    expected_cifar10,
    tar_members,
    write_cifar10,
    write_mnist,
)

from pycopi.data import archive, cifar10, load_dataset, locate, mnist

pytestmark = pytest.mark.usefixtures("cache")
MNIST_NAMES = ", ".join(mnist.FILES.names)


@pytest.fixture
def server(tmp_path):
    """Serve the folder ``tmp_path / "www"`` on this machine; return its address."""
    (tmp_path / "www").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=tmp_path / "www")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}/"
        web.shutdown()
        thread.join()


def test_search_order(tmp_path, cache, monkeypatch):
    load = functools.partial(load_dataset, "mnist", download=False)
    write_mnist(cache, train=4)
    assert len(load().x_train) == 4
    write_mnist(tmp_path / "variable", train=3)
    monkeypatch.setenv("PYCOPI_DATA", str(tmp_path / "variable"))
    assert len(load().x_train) == 3
    write_mnist(tmp_path / "named", train=2)
    assert len(load(data_dir=tmp_path / "named").x_train) == 2


@pytest.fixture
def elsewhere(tmp_path, cache, monkeypatch):
    """Put MNIST where it is found if nobody names a folder."""
    write_mnist(cache, train=4)
    write_mnist(tmp_path / "variable", train=3)
    return functools.partial(monkeypatch.setenv, "PYCOPI_DATA"), tmp_path / "variable"


@pytest.mark.parametrize("by", ["data_dir", "PYCOPI_DATA"])
def test_a_named_folder_is_not_passed_over(tmp_path, elsewhere, by):
    """Neither for another folder that has the data, nor by a download."""
    name, variable = elsewhere
    name(str(variable))
    folder = tmp_path / "named"

    def load():
        if by == "PYCOPI_DATA":
            name(str(folder))
        return load_dataset("mnist", data_dir=folder if by == "data_dir" else None)

    def refused(why):
        reason = f"the folder {folder} that {by} names {why}"
        assert_raises(FileNotFoundError, missing_mnist(reason, folder), load)

    refused("does not exist")
    folder.write_text("")
    refused("is a file")
    folder.unlink()
    paths = write_mnist(folder, train=2)
    other = paths[2].rename(folder / "t10k-images.idx3-ubyte")
    near = [other.name, paths[3].name, paths[0].name, paths[1].name]
    refused(f"has files that nearly fit, {', '.join(near)}")
    other.rename(paths[2])  # the advice, followed
    assert len(load().x_train) == 2
    inner = folder / "fashion" / "raw"
    write_mnist(inner, end=".gz")
    for path in paths:
        path.unlink()
    near = sorted(str((inner / f"{path.name}.gz").relative_to(folder)) for path in paths)
    refused(f"has files that nearly fit, {', '.join(near)}")
    assert len(load_dataset("mnist", data_dir=inner).x_train) == 5


@pytest.mark.parametrize(
    "name",
    [
        "train-images-idx3-ubyte.zip",
        "train-images-idx3-ubyte (1).gz",
        "train_images.idx3-ubyte",
        "Train-Images.gz",
        "emnist-letters-train-images-idx3-ubyte.gz",
    ],
)
def test_names_that_nearly_fit(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(FileNotFoundError, match=f"nearly fit, {re.escape(name)}; searched"):
        load_dataset("mnist", data_dir=tmp_path)


def test_cifar10_in_another_format_nearly_fits(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_text("")
    with pytest.raises(FileNotFoundError, match="nearly fit, cifar-10-batches-py/data_batch_1; "):
        load_dataset("cifar10", data_dir=tmp_path)


def test_a_variable_for_other_sets_is_passed_over_with_a_warning(tmp_path, elsewhere, cache):
    name, _ = elsewhere
    folder = tmp_path / "others"
    write_cifar10(folder)
    name(str(folder))
    message = f"PYCOPI_DATA names {folder}, which has no files of MNIST; those in {cache} are used"
    with pytest.warns(UserWarning, match=re.escape(message)):
        assert len(load_dataset("mnist").x_train) == 4


@pytest.mark.parametrize(
    ("platform", "variable", "value", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "", "HOME/.cache/pycopi"),
        ("linux", "XDG_CACHE_HOME", "/c", "/c/pycopi"),
        ("darwin", "XDG_CACHE_HOME", "/c", "HOME/Library/Caches/pycopi"),
        ("win32", "LOCALAPPDATA", "/c", "/c/pycopi"),
        ("win32", "LOCALAPPDATA", "", "HOME/AppData/Local/pycopi"),
    ],
)
def test_user_cache(monkeypatch, platform, variable, value, expected):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, value)
    home = os.path.expanduser("~")
    assert locate.search_folders(None) == [Path(expected.replace("HOME", home))]
    assert locate.search_folders(Path("~/d"))[0] == Path(home, "d")


def missing_mnist(reason, *folders):
    return (
        f"MNIST was not found: {reason}; searched {', '.join(map(str, folders))} (and mnist/, "
        f"MNIST/raw/ in each) for {MNIST_NAMES} (plain or .gz); put them there by these names, or name "
        "their folder with data_dir or the environment variable PYCOPI_DATA"
    )


def test_missing_without_download(tmp_path):
    message = missing_mnist("downloading is switched off", tmp_path)
    options = {"data_dir": tmp_path, "download": False}
    assert_raises(FileNotFoundError, message, load_dataset, "mnist", **options)
    message = (
        f"CIFAR-10 was not found: downloading is switched off; searched {tmp_path} (and "
        "cifar-10-batches-bin/, cifar10/cifar-10-batches-bin/ in each) for data_batch_1.bin, "
        "data_batch_2.bin, data_batch_3.bin, data_batch_4.bin, data_batch_5.bin, test_batch.bin; "
        "put them there by these names, or name their folder with data_dir or the environment variable "
        "PYCOPI_DATA"
    )
    assert_raises(FileNotFoundError, message, load_dataset, "cifar10", **options)


def test_missing_without_pooch(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    message = missing_mnist('downloading needs pooch (pip install "pycopi[cli]")', cache)
    assert_raises(FileNotFoundError, message, load_dataset, "mnist")


def test_missing_and_offline(cache, monkeypatch):
    pytest.importorskip("pooch")
    monkeypatch.setattr(mnist, "URL", "http://127.0.0.1:1/")
    before, after = missing_mnist("downloading failed (REASON)", cache).split("REASON")
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(before)}.*{re.escape(after)}$"):
        load_dataset("mnist")


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_download_of_mnist(tmp_path, cache, server, monkeypatch):
    pytest.importorskip("pooch")
    paths = write_mnist(tmp_path / "www", end=".gz")
    monkeypatch.setattr(mnist, "URL", server)
    monkeypatch.setattr(mnist, "MD5", {path.name: md5(path) for path in paths})
    first = load_dataset("mnist")
    assert sorted(path.name for path in (cache / "mnist").iterdir()) == sorted(mnist.MD5)
    assert_dataset(load_dataset("mnist", download=False), *first)


def test_a_download_into_a_named_folder_goes_on_where_it_ended(tmp_path, server, monkeypatch):
    pytest.importorskip("pooch")
    paths = write_mnist(tmp_path / "www", end=".gz")
    monkeypatch.setattr(mnist, "URL", server)
    monkeypatch.setattr(mnist, "MD5", {path.name: md5(path) for path in paths})
    folder = tmp_path / "named"
    folder.mkdir()
    first = load_dataset("mnist", data_dir=folder)
    assert (folder / "mnist" / paths[0].name).exists()
    (folder / "mnist" / paths[3].name).unlink()
    assert_dataset(load_dataset("mnist", data_dir=folder), *first)


def test_download_with_a_wrong_checksum(tmp_path, cache, server, monkeypatch):
    pytest.importorskip("pooch")
    name = write_mnist(tmp_path / "www", end=".gz")[0].name
    monkeypatch.setattr(mnist, "URL", server)
    message = (
        f"{cache / 'mnist' / name}: the download from {server}{name} has not the MD5 checksum "
        f"{mnist.MD5[name]} and was not kept; try again, or fetch the file by hand"
    )
    assert_raises(ValueError, message, load_dataset, "mnist")
    assert list((cache / "mnist").iterdir()) == []


def cifar_members():
    names = [f"cifar-10-batches-bin/{name}" for name in cifar10.FILES.names]
    contents = [cifar_records(seed).tobytes() for seed in range(6)]
    return list(zip(map(tarfile.TarInfo, names), contents, strict=True))


def test_download_of_cifar10_unpacks_only_what_is_expected(tmp_path, cache, server, monkeypatch):
    pytest.importorskip("pooch")
    monkeypatch.setattr(cifar10, "RECORDS", 3)
    link = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
    link.type, link.linkname = tarfile.SYMTYPE, "../../../evil"
    hostile = [(tarfile.TarInfo("../../evil"), b"1"), (tarfile.TarInfo("/evil"), b"2"), (link, b"")]
    path = tar_members(tmp_path / "www" / "cifar.tar.gz", hostile + cifar_members())
    monkeypatch.setattr(cifar10, "URL", f"{server}cifar.tar.gz")
    monkeypatch.setattr(cifar10, "MD5", md5(path))
    assert_dataset(load_dataset("cifar10"), *expected_cifar10())
    assert_dataset(load_dataset("cifar10", download=False), *expected_cifar10())
    written = {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()}
    inner = {f"cifar10/cifar-10-batches-bin/{name}" for name in cifar10.FILES.names}
    assert written == inner | {"cifar10/cifar.tar.gz"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([(tarfile.TarInfo("d/other"), b"12")], "expected members are missing: d/file"),
        (
            [(tarfile.TarInfo("d/file"), b"1")],
            "offset 0 unpacked: expected 2 bytes in d/file, got 1",
        ),
        (b"no archive at all", "the archive is damaged (not a gzip file)"),
    ],
)
def test_bad_archive(tmp_path, content, message):
    path = tmp_path / "a.tar.gz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        tar_members(path, content)
    message = f"{path}: {message}; delete it and try again"
    assert_raises(ValueError, message, archive.unpack, path, ["d/file"], 2, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
