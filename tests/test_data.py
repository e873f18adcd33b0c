"""The data room: values, search order and downloads (from a local server), errors word for word."""

import functools
import gzip
import hashlib
import http.server
import io
import os
import re
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from pycopi.data import Dataset, archive, cifar10, digits, idx, load_dataset, locate, mnist
from pycopi.data.dataset import scale_bytes

REAL_DATA = os.environ.get("PYCOPI_DATA")  # before the fixture below hides it
REPLACE = "; replace the file by an undamaged copy"
MORE_CLASSES = (
    "; if this is a set of more classes, save x and y with numpy.savez and name that file; if not, replace it"
)
MNIST_NAMES = ", ".join(mnist.FILES.names)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep every test away from the data and the cache of the person who runs it."""
    monkeypatch.delenv("PYCOPI_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "pycopi"


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


def idx_bytes(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.tobytes()


def write_mnist(folder, train=5, test=3, end="", labels=None):
    """Write small files in the layout of MNIST and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (train + test, 28, 28), np.uint8)
    y = np.arange(train + test, dtype=np.uint8) % 10 if labels is None else labels
    parts = [pixels[:train], y[:train], pixels[train:], y[train:]]
    paths = [folder / f"{name}{end}" for name in mnist.FILES.names]
    for path, part in zip(paths, parts, strict=True):
        raw = idx_bytes(part)
        path.write_bytes(gzip.compress(raw) if end else raw)
    return paths


def cifar_records(seed):
    records = np.random.default_rng(seed).integers(0, 256, (cifar10.RECORDS, 3073), np.uint8)
    records[:, 0] %= 10
    return records


def write_cifar10(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(cifar10.FILES.names):
        (folder / name).write_bytes(cifar_records(seed).tobytes())


def assert_raises(error, message, call, *args, **options):
    """Raise unless the call raises this error with exactly this message, of one line."""
    with pytest.raises(error) as caught:
        call(*args, **options)
    assert str(caught.value) == message
    assert "\n" not in message


def assert_dataset(data, name, x_train, y_train, x_test, y_test, classes=tuple(range(10)), target=None):
    """Raise unless a data set has this name, classes and arrays: dtype, shape and every value."""
    assert isinstance(data, Dataset)
    assert (data.name, data.classes, data.target) == (name, classes, target)
    for got, wanted in zip(data[1:5], (x_train, y_train, x_test, y_test), strict=True):
        if got is None or wanted is None:
            assert got is wanted
            continue
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        assert got.flags.c_contiguous
        assert np.array_equal(got, wanted)


def f32(values):
    return np.asarray(values, np.float32)


def i64(values):
    return np.asarray(values, np.int64)


def test_helpers_fail_on_wrong_input():
    def fail(message):
        raise ValueError(message)

    data = Dataset("a", f32([[1]]), i64([0]), None, None)
    assert_raises(ValueError, "b", fail, "b")
    assert_dataset(data, *data)
    with pytest.raises(AssertionError):
        assert_raises(ValueError, "c", fail, "b")
    other = (
        {"name": "b"},
        {"classes": (1,)},
        {"target": "c"},
        {"x_train": f32([[2]])},
        {"y_train": f32([0])},
        {"x_test": i64(1)},
    )
    for wrong in other:
        with pytest.raises(AssertionError):
            assert_dataset(data, *data._replace(**wrong))


# ---- names and paths


@pytest.mark.parametrize("name", ["MNIST", "", "data.npy"])
def test_unknown_name(name):
    accepted = "expected digits, mnist, cifar10, or the path of a file that ends in .npz or .csv"
    assert_raises(ValueError, f"{name!r}: {accepted}", load_dataset, name)


def test_missing_npz(tmp_path):
    path = tmp_path / "a.npz"
    message = f"{path}: there is no such file; expected an .npz file with arrays x and y"
    assert_raises(FileNotFoundError, message, load_dataset, path)


def test_import_is_light():
    code = "import sys, pycopi.data; print({'pooch', 'requests', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# ---- digits


def test_digits_are_the_published_numbers():
    images = idx.read_idx(digits.FOLDER / "digits-images-idx3-ubyte.gz", (1797, 8, 8))
    labels = idx.read_idx(digits.FOLDER / "digits-labels-idx1-ubyte.gz", (1797,))
    checksum = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    assert checksum == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def test_digits_split():
    images = idx.read_idx(digits.FOLDER / "digits-images-idx3-ubyte.gz", (1797, 8, 8))
    labels = idx.read_idx(digits.FOLDER / "digits-labels-idx1-ubyte.gz", (1797,))
    x, y, order = f32(images.reshape(1797, 64) / 16), i64(labels), np.arange(1797)
    rest = order[order % 5 != 0]
    assert_dataset(load_dataset("digits"), "digits", x[rest], y[rest], x[::5], y[::5])
    assert (len(rest), len(x[::5]), x.min(), x.max()) == (1437, 360, 0, 1)


def test_digits_equal_those_of_scikit_learn():
    reference = pytest.importorskip("sklearn.datasets", exc_type=ImportError).load_digits()
    data = load_dataset("digits")
    assert np.array_equal(data.x_test * 16, reference.data[::5])
    assert np.array_equal(data.x_train * 16, np.delete(reference.data, np.s_[::5], axis=0))
    assert np.array_equal(data.y_test, reference.target[::5])
    assert np.array_equal(data.y_train, np.delete(reference.target, np.s_[::5]))


def test_digits_are_small_and_attributed():
    assert sum(path.stat().st_size for path in digits.FOLDER.glob("digits*")) < 100_000
    text = (digits.FOLDER / "digits-ATTRIBUTION.txt").read_text()
    assert "https://creativecommons.org/licenses/by/4.0/" in text
    assert "E. Alpaydin and C. Kaynak" in text


def test_digits_with_a_bad_pixel(tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "FOLDER", tmp_path)
    path, pixels = tmp_path / "digits-images-idx3-ubyte.gz", np.zeros((1797, 8, 8), np.uint8)
    pixels[1, 0, 2] = 17
    path.write_bytes(gzip.compress(idx_bytes(pixels)))
    message = f"{path}: offset 82: expected a pixel from 0 to 16, got 17{REPLACE}"
    assert_raises(ValueError, message, load_dataset, "digits")


# ---- MNIST


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("layout", ["", "mnist", "MNIST/raw"])
def test_mnist(tmp_path, layout, end):
    write_mnist(tmp_path / layout, end=end)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 784), np.uint8)
    x, y = f32(pixels) / f32(255), i64(range(8))
    data = load_dataset("mnist", data_dir=tmp_path, download=False)
    assert_dataset(data, "mnist", x[:5], y[:5], x[5:], y[5:])


def test_mnist_counts_must_agree(tmp_path):
    images, labels = write_mnist(tmp_path)[:2]
    labels.write_bytes(idx_bytes(np.zeros(4, np.uint8)))
    message = f"{labels}: offset 4: expected 5 labels, one for each image of {images}, got 4"
    assert_raises(ValueError, message + REPLACE, load_dataset, "mnist", data_dir=tmp_path)


def test_mnist_label_out_of_range(tmp_path):
    path = write_mnist(tmp_path, labels=np.array([0, 1, 2, 10, 11, 0, 0, 0], np.uint8))[1]
    message = f"{path}: offset 11: expected a label from 0 to 9, got 10 (the labels go up to 11)"
    message += f"{MORE_CLASSES} by an undamaged copy"
    assert_raises(ValueError, message, load_dataset, "mnist", data_dir=tmp_path)


def test_a_set_of_more_classes_is_taken_as_a_file(tmp_path):
    """The letters of EMNIST are numbered from 1 to 26; the advice of the message, followed."""
    labels = np.repeat(np.arange(1, 27, dtype=np.uint8), 2)
    paths = write_mnist(tmp_path, train=40, test=12, labels=labels)
    with pytest.raises(ValueError, match=r"save x and y with numpy\.savez"):
        load_dataset("mnist", data_dir=tmp_path)
    x, y = idx.read_idx(paths[0], (None, 28, 28)), idx.read_idx(paths[1], (None,))
    np.savez(tmp_path / "letters.npz", x=x, y=y)
    data = load_dataset(tmp_path / "letters.npz")
    assert_dataset(data, "letters", scale_bytes(x, 255), i64(y) - 1, None, None, tuple(range(1, 21)))


# ---- search order and downloads


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


# ---- CIFAR-10


@pytest.fixture
def small_cifar10(monkeypatch):
    monkeypatch.setattr(cifar10, "RECORDS", 3)


def expected_cifar10():
    records = np.concatenate([cifar_records(seed) for seed in range(6)])
    x, y = f32(records[:, 1:]) / f32(255), i64(records[:, 0])
    return "cifar10", x[:15], y[:15], x[15:], y[15:]


@pytest.mark.usefixtures("small_cifar10")
@pytest.mark.parametrize("layout", cifar10.FILES.layouts)
def test_cifar10(tmp_path, layout):
    write_cifar10(tmp_path / layout)
    assert_dataset(load_dataset("cifar10", data_dir=tmp_path), *expected_cifar10())


@pytest.mark.usefixtures("small_cifar10")
@pytest.mark.parametrize("size", [0, 3073, 9218, 9220])
def test_cifar10_of_the_wrong_size(tmp_path, size):
    write_cifar10(tmp_path)
    path = tmp_path / "data_batch_4.bin"
    path.write_bytes(bytes(size))
    what = f"offset {min(size, 9219)}: expected 9219 bytes (3 records of 3073), got {size}"
    load = functools.partial(load_dataset, data_dir=tmp_path)
    assert_raises(ValueError, f"{path}: {what}{REPLACE}", load, "cifar10")


@pytest.mark.usefixtures("small_cifar10")
def test_cifar10_label_out_of_range(tmp_path):
    write_cifar10(tmp_path)
    path = tmp_path / "test_batch.bin"
    records = cifar_records(0)
    records[2, 0] = 10
    path.write_bytes(records.tobytes())
    message = f"{path}: offset 6146: expected a label from 0 to 9, got 10 (the labels go up to 10)"
    message += f"{MORE_CLASSES} by an undamaged copy"
    assert_raises(ValueError, message, load_dataset, "cifar10", data_dir=tmp_path)


def tar_members(path, members):
    """Write a ``.tar.gz`` of the given headers and contents."""
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def cifar_members():
    names = [f"cifar-10-batches-bin/{name}" for name in cifar10.FILES.names]
    contents = [cifar_records(seed).tobytes() for seed in range(6)]
    return list(zip(map(tarfile.TarInfo, names), contents, strict=True))


@pytest.mark.usefixtures("small_cifar10")
def test_download_of_cifar10_unpacks_only_what_is_expected(tmp_path, cache, server, monkeypatch):
    pytest.importorskip("pooch")
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


# ---- the real files, where PYCOPI_DATA holds them


def real(name):
    try:
        return load_dataset(name, data_dir=REAL_DATA or None, download=False)
    except FileNotFoundError:
        pytest.skip(f"needs the files of {name} in the folder that PYCOPI_DATA names")


def test_real_mnist():
    data = real("mnist")
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert (data.x_train.shape, data.x_test.shape) == ((60000, 784), (10000, 784))
    assert data.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.y_test[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(data.y_train).tolist() == counts
    assert data.x_train.mean(dtype=np.float64) == pytest.approx(0.1306604762738429, rel=1e-7)


def test_real_cifar10():
    data = real("cifar10")
    assert (data.x_train.shape, data.x_test.shape) == ((50000, 3072), (10000, 3072))
    assert data.y_train[:5].tolist() == [6, 9, 9, 4, 1]
    assert data.y_test[:5].tolist() == [3, 8, 8, 0, 6]
    assert np.bincount(data.y_train).tolist() == [5000] * 10
    planes = data.x_train.reshape(50000, 3, 1024).mean(axis=(0, 2), dtype=np.float64)
    assert planes == pytest.approx([0.49139968, 0.48215841, 0.44653091], rel=1e-6)
