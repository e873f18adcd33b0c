"""The parsers of the data room against bytes of every kind, good, bad and random."""

import gzip
import io
import re
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
from assertions import assert_same
from hypothesis import given, settings
from hypothesis import strategies as st
from test_data import REPLACE, assert_dataset, assert_raises, f32, i64, idx_bytes, tar_members

from pycopi.data import archive, cifar10, idx, load_dataset, npy

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return one folder for all examples of a test."""
    return tmp_path_factory.mktemp("data")


FLIPS = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(1, 255)), min_size=1, max_size=3)
FEW = settings(max_examples=150, deadline=None, derandomize=True)


def test_assert_sound_fails_on_wrong_input(tmp_path):
    good = load_dataset(npz(tmp_path / "a.npz", x=X, y=Y))
    assert_sound(good)
    wrong = ({"x_train": X[0]}, {"x_train": X * np.nan}, {"y_train": Y[:1]}, {"y_test": Y})
    for change in wrong:
        with pytest.raises(AssertionError):
            assert_sound(good._replace(**change))


# ---- IDX

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


# ---- .npz


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.array([[0, 51], [102, 255]], np.uint8), f32([[0, 0.2], [0.4, 1]])),
        (np.array([[-1, 2], [3, 4]], np.int8), f32([[-1, 2], [3, 4]])),
        (np.array([[1, 2], [3, 4]], ">f4", order="F"), f32([[1, 2], [3, 4]])),
        (np.array([[1, 2], [3, 4]], np.float16), f32([[1, 2], [3, 4]])),
        (np.array([[1, 2], [3, 4]], np.float64), np.array([[1, 2], [3, 4]], np.float64)),
        (np.array([[1, 2], [3, 4]], np.longdouble), np.array([[1, 2], [3, 4]], np.float64)),
        (np.arange(8.0).reshape(2, 2, 2), np.arange(8.0).reshape(2, 4)),
        (np.arange(8.0).reshape(2, 2, 2).T, np.arange(8.0).reshape(2, 2, 2).T.reshape(2, 4)),
    ],
)
def test_npz_inputs(tmp_path, save, x, expected):
    path = npz(tmp_path / "own.npz", save, x=x, y=[1, 0], other=np.array([None]))
    assert_dataset(load_dataset(path), "own", expected, i64([1, 0]), None, None, (0, 1))
    path = npz(tmp_path / "own.npz", save, x=x, y=[1, 0], x_test=x[:1], y_test=[3])
    data = load_dataset(str(path))
    assert_dataset(data, "own", expected, i64([1, 0]), expected[:1], i64([2]), (0, 1, 3))


@pytest.mark.parametrize(
    ("y", "expected", "classes"),
    [
        (np.array([1, 0], np.uint8), i64([1, 0]), (0, 1)),
        (np.array([2**64 - 1, 0], np.uint64), i64([1, 0]), (0, 2**64 - 1)),
        (np.array([7, -3]), i64([1, 0]), (-3, 7)),
        (np.array([[7], [-3]]), i64([1, 0]), (-3, 7)),
        (np.array([True, False]), i64([1, 0]), (False, True)),
        (np.array(["bee", "ape"]), i64([1, 0]), ("ape", "bee")),
        (np.array(["bee", "ape"], ">U7"), i64([1, 0]), ("ape", "bee")),
        (np.array([b"b\xc3\xa9e", b"ap\xff"]), i64([1, 0]), ("ap\\xff", "bée")),
        (np.array([0.5, -1], np.float16), f32([0.5, -1]), None),
        (np.array([[0.5], [-1]]), np.array([[0.5], [-1]]), None),
        (np.array([1.0, 0.0]), np.array([1.0, 0.0]), None),
    ],
)
def test_npz_targets(tmp_path, y, expected, classes):
    path = npz(tmp_path / "own.NPZ.npz", x=np.eye(2), y=y)
    assert_dataset(load_dataset(path), "own.NPZ", np.eye(2), expected, None, None, classes)


WHOLE = np.array([0.0, 1.0, 2.0, 2.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("y", "task", "classes"),
    [
        (WHOLE, None, (0, 1, 2)),
        (f32(WHOLE * 5 - 1), None, (-1, 4, 9)),
        (WHOLE[:, None], None, (0, 1, 2)),
        (WHOLE, "regression", None),
        (WHOLE / 4, None, None),
        (WHOLE / 4, "classes", (0, 0.25, 0.5)),
        (np.ones(6), None, None),
        (np.arange(6.0), None, None),
        (np.arange(6.0), "classes", tuple(range(6))),
        (np.repeat(np.arange(20.0), 2), None, tuple(range(20))),
        (np.repeat(np.arange(21.0), 2), None, None),
        (np.eye(2)[[0, 1, 1]], None, None),
        (np.arange(6), "regression", None),
        (np.eye(2, dtype=int), "regression", None),
        (WHOLE > 0, "regression", None),
    ],
)
def test_what_targets_of_a_file_are(tmp_path, y, task, classes):
    """Whole floats of few values are labels, as a table that once had a gap stores them."""
    data = load_dataset(npz(tmp_path / "a.npz", x=np.ones((len(y), 1)), y=y), task=task)
    assert data.classes == classes
    if classes is None:
        wanted = f32(y) if y.dtype.kind == "b" else y.astype(np.float64 if y.itemsize > 4 else y.dtype)
    else:
        wanted = i64([classes.index(label) for label in y.ravel()])
    assert (data.y_train.dtype, data.y_train.shape) == (wanted.dtype, wanted.shape)
    assert np.array_equal(data.y_train, wanted)


def test_labels_are_numbered_over_training_and_test(tmp_path):
    arrays = {"x": X, "y": np.array(["cow", "ape"]), "x_test": X, "y_test": np.array(["ape", "zebra"])}
    data = load_dataset(npz(tmp_path / "a.npz", **arrays))
    assert_dataset(data, "a", X, i64([1, 0]), X, i64([0, 2]), ("ape", "cow", "zebra"))


def test_targets_that_cannot_be_what_they_are_to_be(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=np.array(["a", "b"]))
    message = (
        f"{path}: expected numbers in y for regression, got text; save numbers, or take the targets as classes"
    )
    assert_raises(ValueError, message, load_dataset, path, task="regression")
    assert load_dataset(path, task="classes").classes == ("a", "b")
    assert_raises(
        ValueError,
        "task is 'rank'; expected one of classes, regression, or None",
        load_dataset,
        path,
        task="rank",
    )
    path = npz(tmp_path / "b.npz", x=X, y=np.array(["a", None], object))
    message = (
        "expected integers, floats, booleans or text in array y, got dtype object; "
        "save numbers, or text with .astype(str)"
    )
    with pytest.raises(ValueError, match=f": {re.escape(message)}$"):
        load_dataset(path)
    assert load_dataset(npz(path, x=X, y=np.array(["a", None], object).astype(str))).classes == ("None", "a")


def test_npz_text_with_no_characters_of_unicode(tmp_path):
    y = npy_bytes(header((2,), "<U1"), np.array([97, 1 << 24], "<u4").tobytes())
    with zipfile.ZipFile(npz(tmp_path / "a.npz", x=X), "a") as file:
        file.writestr("y.npy", y)
    with pytest.raises(ValueError, match=r"array y holds no valid values \(a character above 0x10ffff\)"):
        load_dataset(tmp_path / "a.npz")
    empty = npy_bytes(header((2,), "<U0"))
    with zipfile.ZipFile(npz(tmp_path / "b.npz", x=X), "a") as file:
        file.writestr("y.npy", empty)
    with pytest.raises(ValueError, match=r"booleans or text in array y, got dtype <U0"):
        load_dataset(tmp_path / "b.npz")


def test_npz_header_of_version_2(tmp_path):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1)}"
    member = npy_bytes(header, np.array([[1.0], [2.0]]).tobytes(), version=2)
    data = load_dataset(raw_npz(tmp_path / "a.npz", member))
    assert_dataset(data, "a", np.array([[1.0], [2.0]]), i64([0, 1]), None, None, (0, 1))


X, Y = np.eye(2), np.array([0, 1])
FINITE = "remove such rows or replace the values"
NPZ_ERRORS = [
    ({"x": X}, "expected arrays x, y, got x", "save them by these names with numpy.savez"),
    ({}, "expected arrays x, y, got none", "save them by these names with numpy.savez"),
    (
        {"x": X, "y": Y, "y_test": Y},
        "expected arrays x, y, x_test, y_test, got x, y, y_test",
        "save them by these names with numpy.savez",
    ),
    (
        {"x": X, "y": Y[:1]},
        "expected as many rows in y as the 2 in x, got 1",
        "save one target for each row",
    ),
    (
        {"x": X, "y": Y, "x_test": X, "y_test": Y[:1]},
        "expected as many rows in y_test as the 2 in x_test, got 1",
        "save one target for each row",
    ),
    (
        {"x": X, "y": Y, "x_test": np.eye(3), "y_test": Y},
        "expected x_test of dtype float64 with rows of shape (2,) as in x, got float64 and (3,)",
        "save x and x_test in one form",
    ),
    (
        {"x": X, "y": Y, "x_test": X, "y_test": Y * 1.0},
        "expected y_test of dtype int64 with rows of shape () as in y, got float64 and ()",
        "save y and y_test in one form",
    ),
    (
        {"x": Y, "y": Y},
        "expected x of shape (N, features) or (N, ...), got (2,)",
        "save x.reshape(-1, 1) for a single feature",
    ),
    (
        {"x": X, "y": np.eye(2, dtype=int)},
        "expected labels y of shape (N,), one for each row of x, got (2, 2)",
        "save argmax(axis=1) of one-hot rows, or floats for regression",
    ),
    (
        {"x": X, "y": np.zeros((2, 1, 1))},
        "expected y of shape (N,) or (N, outputs), got (2, 1, 1)",
        "save one value or one row of values for each row of x",
    ),
    (
        {"x": np.array([[0, 1], [np.nan, 1]]), "y": Y},
        "expected finite values in x, got NaN or infinity in row 1",
        FINITE,
    ),
    (
        {"x": X, "y": np.array([np.inf, 0])},
        "expected finite values in y, got NaN or infinity in row 0",
        FINITE,
    ),
]


@pytest.mark.parametrize(("arrays", "what", "advice"), NPZ_ERRORS)
def test_bad_npz(tmp_path, arrays, what, advice):
    path = npz(tmp_path / "a.npz", **arrays)
    assert_raises(ValueError, f"{path}: {what}; {advice}", load_dataset, path)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [(object, "object"), (bool, "bool"), (complex, "complex128"), (str, "<U1"), ("S1", "|S1")],
)
def test_npz_of_no_numbers(tmp_path, dtype, name):
    path = npz(tmp_path / "a.npz", x=np.array([["1", "2"]]).astype(dtype), y=Y)
    message = f"{path}: offset 0: expected integers or floats in array x, got dtype {name}"
    assert_raises(ValueError, f"{message}; save a numeric array", load_dataset, path)


@pytest.mark.parametrize("shape", [(), (0, 2), (2, 0)])
def test_npz_without_values(tmp_path, shape):
    path = npz(tmp_path / "a.npz", x=np.zeros(shape), y=Y)
    what = f"expected 1 to 32 axes of length 1 or more in array x, got {shape}"
    message = f"{path}: offset 0: {what}; save an array with values"
    assert_raises(ValueError, message, load_dataset, path)


@pytest.mark.parametrize(
    ("shape", "declared"),
    [((2, 2), 32), ((3, 1), 24), ((1 << 40, 1 << 40), 1 << 83), ((1 << 40, 1), 1 << 43)],
)
def test_npz_member_of_another_size(tmp_path, shape, declared):
    member = npy_bytes(header(shape), bytes(31))
    path, size = raw_npz(tmp_path / "a.npz", member), len(member)
    what = f"array x declares shape {shape} and dtype float64, so {size - 31 + declared} bytes"
    message = f"{path}: offset 0: {what}, but it has {size}{REPLACE}"
    assert_raises(ValueError, message, load_dataset, path)


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (b"no array", r"the magic string is not correct; .*"),
        (npy_bytes("__import__('os').abort()"), "malformed node .*"),
        (npy_bytes("(" * 5000), ".*"),
        (npy_bytes("{[]: 1}"), ".*"),
        (npy_bytes(header((1, 1)), bytes(8), version=3), "format version 3.0, expected 1.0 or 2.0"),
        (npy_bytes(header((1, 1), "nonsense"), bytes(8)), "descr is not a valid dtype .*"),
        (npy_bytes(" " * 70000, version=2), "EOF: .*"),
    ],
)
def test_npz_member_with_a_bad_header(tmp_path, member, reason):
    path = raw_npz(tmp_path / "a.npz", member)
    before = re.escape(f"{path}: offset 0: array x has no valid header (")
    with pytest.raises(ValueError, match=f"^{before}{reason}\\){REPLACE}$"):
        load_dataset(path)


def test_npz_that_is_no_zip(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"no archive")
    message = f"{path}: offset 0: expected an .npz file (File is not a zip file){REPLACE}"
    assert_raises(ValueError, message, load_dataset, path)


def test_npz_with_a_damaged_value(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=Y)
    path.write_bytes(path.read_bytes().replace(np.float64(1).tobytes(), np.float64(2).tobytes()))
    what = "array x cannot be unpacked (Bad CRC-32 for file 'x.npy')"
    assert_raises(ValueError, f"{path}: offset 0: {what}{REPLACE}", load_dataset, path)


def test_npz_of_another_compression(tmp_path):
    path = raw_npz(tmp_path / "a.npz", b"", method=zipfile.ZIP_BZIP2)
    what = "array x is compressed by method 12, expected 0 or 8; save it with numpy.savez"
    assert_raises(ValueError, f"{path}: offset 0: {what}", load_dataset, path)


def test_npz_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(npy, "MAX_UNPACKED", 100)
    path = npz(tmp_path / "a.npz", np.savez_compressed, x=X, y=Y)
    what = "array x unpacks to 160 bytes, at most 100 are allowed"
    advice = "save it without compression, with numpy.savez"
    assert_raises(ValueError, f"{path}: offset 0: {what}; {advice}", load_dataset, path)


def test_npz_that_declares_more_than_it_holds(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=Y)
    raw = bytearray(path.read_bytes())
    entry = raw.index(b"PK\x01\x02")
    raw[entry + 24 : entry + 28] = (1 << 30).to_bytes(4, "little")  # the size of x in the directory
    path.write_bytes(raw)
    what = "array x declares 1073741824 bytes, but its data hold at most 160"
    assert_raises(ValueError, f"{path}: offset 0: {what}{REPLACE}", load_dataset, path)


def test_npz_member_that_ends_early(tmp_path):
    path = raw_npz(tmp_path / "a.npz", npy_bytes(header((2, 1)), bytes(8)), method=8)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 24] += 8  # the size of x in the directory
    path.write_bytes(raw)
    what = f"array x ends after 8 of 16 bytes of values{REPLACE}"
    assert_raises(ValueError, f"{path}: offset 0: {what}", load_dataset, path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_cut_short_anywhere(tmp_path, save):
    path = npz(tmp_path / "a.npz", save, x=X, y=Y)
    raw = path.read_bytes()
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: offset 0: .*{REPLACE}$"):
            load_dataset(path)


def assert_same_or_refused(path, raw, good):
    """Raise unless a file with these bytes is refused, or gives the same data set, test set included."""
    path.write_bytes(raw)
    data = sound_or_refused(load_dataset, path)
    if data is None:
        return
    for name, wanted in good._asdict().items():
        found = getattr(data, name)
        assert type(found) is type(wanted), name
        if isinstance(wanted, np.ndarray):
            assert_same(found, wanted)
        else:
            assert found == wanted, name


def test_assert_same_or_refused_fails_on_another_data_set(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=Y, x_test=X, y_test=Y)
    good = load_dataset(path)
    raws = (npz(tmp_path / "b.npz", x=X, y=Y), npz(tmp_path / "c.npz", x=X, y=Y, x_test=X, y_test=1 - Y))
    for raw in raws:
        with pytest.raises(AssertionError):
            assert_same_or_refused(path, raw.read_bytes(), good)


def test_npz_with_a_flipped_bit_in_its_directory_loses_no_test_set(tmp_path):
    path = npz(tmp_path / "a.npz", np.savez_compressed, x=X, y=Y, x_test=X, y_test=Y)
    good, raw = load_dataset(path), path.read_bytes()
    with zipfile.ZipFile(path) as file:
        start = file.start_dir
    for place in range(start, len(raw)):
        for bit in range(8):
            assert_same_or_refused(path, flipped(raw, [(place, 1 << bit)]), good)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_with_a_flipped_bit_in_any_byte(tmp_path, rng, save):
    path = npz(tmp_path / "a.npz", save, x=X, y=Y, x_test=X, y_test=Y)
    good, raw = load_dataset(path), path.read_bytes()
    for place, bit in enumerate(rng.integers(0, 8, len(raw))):
        assert_same_or_refused(path, flipped(raw, [(place, 1 << int(bit))]), good)


def entry(raw, number):
    """Return where an entry of the directory begins."""
    place = -1
    for _ in range(number + 1):
        place = raw.index(b"PK\x01\x02", place + 1)
    return place


def swallow(raw):
    """Make the entry of y take the entries after it for its comment."""
    place = entry(raw, 1)
    raw[place + 32 : place + 34] = (raw.index(b"PK\x05\x06") - entry(raw, 2)).to_bytes(2, "little")


def swallow_and_count(raw):
    """The same with the number of entries that is left."""
    swallow(raw)
    place = raw.index(b"PK\x05\x06")
    raw[place + 8 : place + 12] = b"\2\0\2\0"


def shift(raw):
    raw[entry(raw, 1) + 42] += 1


HIDDEN = [
    (swallow, r"offset \d+: the directory has 2 entries, but the end of the archive declares 4"),
    (swallow_and_count, r"offset \d+: a member begins here that is not in the directory"),
    (shift, r"offset \d+: expected a member here, of which the directory tells"),
]


@pytest.mark.parametrize(("change", "what"), HIDDEN)
def test_npz_with_a_hidden_member_says_so(tmp_path, change, what):
    path = npz(tmp_path / "a.npz", np.savez_compressed, x=X, y=Y, x_test=X, y_test=Y)
    raw = bytearray(path.read_bytes())
    change(raw)
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: {what}{REPLACE}$"):
        load_dataset(path)


@pytest.mark.parametrize("name", ["X_test", "xtest", "x-test", "x_tests", "y_tesu", "Y_TEST"])
def test_npz_with_almost_a_test_set_is_refused(tmp_path, name):
    path = npz(tmp_path / "a.npz", x=X, y=Y, **{name: X})
    message = (
        f"{path}: expected a test set by the names x_test and y_test, or none, got {name}.npy; "
        "give the array one of these names, or one that is less like them"
    )
    assert_raises(ValueError, message, load_dataset, path)


def test_npz_with_other_arrays_is_a_data_set(tmp_path):
    others = dict.fromkeys(["x_train", "x_val", "y_val", "x1", "classes", "names"], X)
    assert load_dataset(npz(tmp_path / "a.npz", x=X, y=Y, **others)).x_test is None
    test = {"x_test": X, "y_test": Y, "x_test2": X}
    assert_same(load_dataset(npz(tmp_path / "b.npz", x=X, y=Y, **test)).x_test, X)


def test_npz_with_a_damaged_array_of_another_name_is_refused(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=Y, other=np.full(3, 7.0))
    path.write_bytes(path.read_bytes().replace(np.float64(7).tobytes(), np.float64(8).tobytes()))
    with pytest.raises(ValueError, match=r"array other cannot be unpacked \(Bad CRC-32 for file 'other.npy'\)"):
        load_dataset(path)


@pytest.mark.parametrize("before", [b"", b"something else"])
def test_npz_that_was_written_to_a_pipe_or_follows_other_bytes(tmp_path, before):
    """Then the sizes come after each member, and every offset is counted from another place."""
    raw = io.BytesIO()
    with zipfile.ZipFile(Unseekable(raw), "w") as file:
        for name, array in {"x": X, "y": Y}.items():
            content = io.BytesIO()
            np.save(content, array)
            file.writestr(f"{name}.npy", content.getvalue())
        file.comment = b"of two members"
    path = tmp_path / "a.npz"
    path.write_bytes(before + raw.getvalue())
    assert_same(load_dataset(path).x_train, X)


class Unseekable:
    """A file that can only be written to, in one go."""

    def __init__(self, raw):
        self.write, self.flush = raw.write, raw.flush


@FEW
@given(FLIPS, st.sampled_from([np.savez, np.savez_compressed]))
def test_npz_with_random_damage(folder, flips, save):
    path = npz(folder / "a.npz", save, x=X, y=Y, x_test=X, y_test=Y)
    path.write_bytes(flipped(path.read_bytes(), flips))
    data = sound_or_refused(load_dataset, path)
    if data is not None:
        assert_sound(data)


@FEW
@given(FLIPS)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_npz_member_with_random_damage(folder, flips):
    member = npy_bytes(header((2, 1)), bytes(16))
    data = sound_or_refused(load_dataset, raw_npz(folder / "a.npz", flipped(member, flips)))
    if data is not None:
        assert_sound(data)


# ---- CIFAR-10


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
