"""Files of data sets as the tests write them, and what they compare of those that are read."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from pycopi.data import Dataset, cifar10, mnist

REPLACE = "; replace the file by an undamaged copy"


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


def assert_dataset(data, name, x_train, y_train, x_test, y_test, classes=tuple(range(10)), *names):
    """Raise unless a data set has this name, these classes, arrays (dtype, shape, values) and columns."""
    assert isinstance(data, Dataset)
    assert (data.name, data.classes, *data[6:]) == (name, classes, *(names or (None, None)))
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


def expected_cifar10():
    records = np.concatenate([cifar_records(seed) for seed in range(6)])
    x, y = f32(records[:, 1:]) / f32(255), i64(records[:, 0])
    return "cifar10", x[:15], y[:15], x[15:], y[15:]


def tar_members(path, members):
    """Write a ``.tar.gz`` of the given headers and contents."""
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


X, Y = np.eye(2), np.array([0, 1])


def npz(path, save=np.savez, **arrays):
    save(path, **arrays)
    return path


def raw_npz(path, member, name="x.npy", method=zipfile.ZIP_STORED):
    """Write an archive with a sound y and any bytes for another member."""
    y = io.BytesIO()
    np.save(y, [0, 1])
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr(name, member)
        file.writestr("y.npy", y.getvalue())
    return path


def npy_bytes(header, values=b"", version=1):
    text = header.encode()
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + values


def header(shape, descr="<f8"):
    return f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}"


def flipped(raw, flips):
    """Return the bytes with some of them changed: (position, difference) each."""
    changed = bytearray(raw)
    for position, difference in flips:
        changed[position % len(raw)] ^= difference
    return bytes(changed)


def assert_sound(data):
    """Raise unless a data set's arrays have the dtypes, ranks and lengths that are promised."""
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        if x is None:
            assert y is None
            continue
        assert x.ndim == 2
        assert x.dtype in (np.float32, np.float64)
        assert np.isfinite(x).all()
        assert len(x) == len(y) > 0
        assert y.dtype == np.int64 or (np.isfinite(y).all() and y.dtype.kind == "f")


def sound_or_refused(call, *args, **options):
    """Return what the call returns, or None where it raises a ValueError of one line."""
    try:
        return call(*args, **options)
    except ValueError as error:
        message = str(error)
    assert "\n" not in message
    return None


FLIPS = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(1, 255)), min_size=1, max_size=3)
FEW = settings(max_examples=150, deadline=None, derandomize=True)
