"""The named data sets: their values, from files in any layout, and errors word for word."""

import functools
import gzip
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from datafiles import (
    REPLACE,
    assert_dataset,
    assert_raises,
    cifar_records,
    expected_cifar10,
    f32,
    i64,
    idx_bytes,
    write_cifar10,
    write_mnist,
)

from pycopi.data import Dataset, cifar10, digits, idx, load_dataset
from pycopi.data.dataset import scale_bytes

pytestmark = pytest.mark.usefixtures("cache")
REAL_DATA = os.environ.get("PYCOPI_DATA")  # before that fixture hides it

MORE_CLASSES = (
    "; if this is a set of more classes, save x and y with numpy.savez and name that file; if not, replace it"
)


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
        {"columns": ("d",)},
        {"x_train": f32([[2]])},
        {"y_train": f32([0])},
        {"x_test": i64(1)},
    )
    for wrong in other:
        with pytest.raises(AssertionError):
            assert_dataset(data, *data._replace(**wrong))


# names and paths


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


# digits


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


# MNIST


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


# CIFAR-10


@pytest.fixture
def small_cifar10(monkeypatch):
    monkeypatch.setattr(cifar10, "RECORDS", 3)


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


# the real files, where PYCOPI_DATA holds them


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
