"""IDX files, CIFAR-10 and archives of bytes of every kind: good, bad and random."""

import gzip
import re
import tarfile
import tracemalloc

import numpy as np
import pytest
from datafiles import (
    FEW,
    FLIPS,
    REPLACE,
    X,
    Y,
    assert_raises,
    assert_sound,
    flipped,
    idx_bytes,
    npz,
    sound_or_refused,
    tar_members,
)
from hypothesis import given
from hypothesis import strategies as st

from pycopi.data import archive, cifar10, idx, load_dataset


def test_assert_sound_fails_on_wrong_input(tmp_path):
    good = load_dataset(npz(tmp_path / "a.npz", x=X, y=Y))
    assert_sound(good)
    wrong = ({"x_train": X[0]}, {"x_train": X * np.nan}, {"y_train": Y[:1]}, {"y_test": Y})
    for change in wrong:
        with pytest.raises(AssertionError):
            assert_sound(good._replace(**change))


# IDX


MAGIC = "offset 0: expected the IDX magic number 0x00000801 (unsigned bytes, axes: 1), got"
LABELS = idx_bytes(np.arange(5, dtype=np.uint8))

IDX_ERRORS = [
    (b"", f"{MAGIC} an empty file"),
    (b"\0\0\x08\x03" + LABELS[4:], f"{MAGIC} 0x00000803"),
    (LABELS[:6], "offset 6: expected a header of 8 bytes, but the data end after 6"),
    (LABELS[:12], "offset 12: the header declares shape (5,), so 13 bytes, but the file has 12"),
    (LABELS + b"\0", "offset 13: the header declares shape (5,), so 13 bytes, but the file has 14"),
    (LABELS[:4] + bytes(4), "offset 4: axis 0 must have length 1 or more, got 0"),
    (
        LABELS[:4] + b"\xff\0\0\0",
        ("offset 8: the header declares shape (4278190080,), so 4278190088 bytes, but the file has 8"),
    ),
    (gzip.compress(LABELS + bytes(1 << 24), mtime=0), "offset 13: data go on after the declared shape (5,)"),
    (
        gzip.compress(LABELS[:12], mtime=0),
        "offset 12: the data end before the declared shape (5,) is filled",
    ),
]


@pytest.mark.parametrize(("raw", "message"), IDX_ERRORS, ids=[message for _, message in IDX_ERRORS])
def test_bad_idx_is_an_error_and_takes_no_memory(tmp_path, raw, message):
    path = tmp_path / "file"
    path.write_bytes(raw)
    del raw
    tracemalloc.start()
    try:
        assert_raises(ValueError, f"{path}: {message}{REPLACE}", idx.read_idx, path, (None,))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_gzip_may_not_declare_more_than_it_can_hold(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(LABELS[:4] + b"\xff" * 4, mtime=0))
    declares = "the header declares shape (4294967295,), 4294967295 bytes"
    size = path.stat().st_size
    message = f"{path}: offset 4: {declares}; at most {size * 1032} may be unpacked from this file"
    assert_raises(ValueError, message + REPLACE, idx.read_idx, path, (None,))
    monkeypatch.setattr(idx, "MAX_UNPACKED", 100)
    message = f"{path}: offset 4: {declares}; at most 100 may be unpacked from this file"
    assert_raises(ValueError, message + REPLACE, idx.read_idx, path, (None,))


def test_damaged_gzip(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(LABELS)[:-1])
    with pytest.raises(ValueError, match="gzip") as caught:
        idx.read_idx(path, (None,))
    before = f"{path}: offset 13: the gzip stream is damaged ("
    assert re.fullmatch(f"{re.escape(before)}.*\\){REPLACE}", str(caught.value))


def test_idx_of_another_shape(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(idx_bytes(np.zeros((2, 28, 27), np.uint8)))
    message = f"{path}: offset 12: axis 2 must have length 28, got 27{REPLACE}"
    assert_raises(ValueError, message, idx.read_idx, path, (None, 28, 28))


@FEW
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.booleans(), st.randoms())
def test_idx_round_trip(folder, shape, packed, random):
    path = folder / "file"
    array = np.frombuffer(random.randbytes(int(np.prod(shape))), np.uint8).reshape(shape)
    raw = idx_bytes(array)
    path.write_bytes(gzip.compress(raw) if packed else raw)
    got = idx.read_idx(path, (None,) * len(shape))
    assert (got.dtype, got.shape) == (array.dtype, array.shape)
    assert np.array_equal(got, array)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_cut_short_anywhere(tmp_path, packed):
    path, raw = tmp_path / "file", idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    raw = gzip.compress(raw) if packed else raw
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: offset [0-9]+: .*{REPLACE}$"):
            idx.read_idx(path, (None, 3, 4))


@FEW
@given(FLIPS, st.booleans())
def test_idx_with_random_damage(folder, flips, packed):
    path, raw = folder / "file", idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    path.write_bytes(flipped(gzip.compress(raw, mtime=0) if packed else raw, flips))
    got = sound_or_refused(idx.read_idx, path, (None, 3, 4))
    assert got is None or (got.dtype, got.shape) == (np.uint8, (2, 3, 4))


# CIFAR-10 and archives


@FEW
@given(FLIPS)
def test_cifar10_with_random_damage(folder, flips):
    raw = bytes([1, *bytes(3072)]) * 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar10, "RECORDS", 2)
        for name in cifar10.FILES.names:
            (folder / name).write_bytes(raw)
        (folder / "data_batch_2.bin").write_bytes(flipped(raw, flips))
        data = sound_or_refused(load_dataset, "cifar10", data_dir=folder, download=False)
    if data is not None:
        assert_sound(data)
        assert data.y_train.max() <= 9
        assert (data.x_train.shape, data.x_test.shape) == ((10, 3072), (2, 3072))


@FEW
@given(FLIPS)
def test_archive_with_random_damage(folder, flips):
    path = tar_members(folder / "a.tar.gz", [(tarfile.TarInfo("d/file"), b"12")])
    path.write_bytes(flipped(path.read_bytes(), flips))
    out = folder / "out"
    sound_or_refused(archive.unpack, path, ["d/file"], 2, out)
    assert {file.name for file in out.iterdir()} <= {"file"}
    for file in out.iterdir():
        assert file.read_bytes() == b"12"
        file.unlink()


def test_a_tar_archive_whose_checksum_is_wrong_leaves_no_file(tmp_path):
    path = tar_members(tmp_path / "a.tar.gz", [(tarfile.TarInfo("d/file"), b"12")])
    raw = path.read_bytes()
    for place in range(len(raw) - 8, len(raw)):
        path.write_bytes(flipped(raw, [(place, 1)]))
        with pytest.raises(
            ValueError, match=r"a\.tar\.gz: the archive is damaged \(.*\); delete it and try again$"
        ):
            archive.unpack(path, ["d/file"], 2, tmp_path / "out")
        assert list((tmp_path / "out").iterdir()) == []
