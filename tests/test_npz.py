""".npz files of data sets: what their arrays become, and which are refused with what advice."""

import re
import zipfile

import numpy as np
import pytest
from assertions import assert_same
from datafiles import X, Y, assert_dataset, assert_raises, f32, header, i64, npy_bytes, npz, raw_npz

from pycopi.data import load_dataset


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
