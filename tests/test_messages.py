"""What wrong data are told: the message names them in the user's words, and its advice works."""

import numpy as np
import pytest
from assertions import within
from fitting import CLASSES, NETWORK, SETTINGS, START, X, run

import pycopi
from pycopi.training.batches import open_validation

ONE = pycopi.mlp([6, 1])
REAL = X[:, 0] * 2
NAMES = np.array(["ape", "bee", "cow"])[CLASSES]


def classify(inputs, targets, parameters=START):
    run(inputs, targets, parameters, epochs=1)


def regress(inputs, targets):
    run(inputs, targets, ONE.init(0), ONE, epochs=1)


WRONG = {
    "list": (
        (X.tolist(), CLASSES),
        (
            "inputs is a list; expected an array of a library that follows the array API standard "
            "(NumPy, CuPy, JAX, PyTorch, ...): convert it first, as in numpy.asarray(inputs, "
            "dtype='float32')"
        ),
        (np.asarray(X.tolist(), dtype="float32"), CLASSES),
    ),
    "list of labels": (
        (X, CLASSES.tolist()),
        "convert it first, as in numpy.asarray(targets)",
        (X, np.asarray(CLASSES.tolist())),
    ),
    "none": ((X, [None] * 120), "as in numpy.asarray(targets)", None),
    "float64": (
        (X.astype("f8"), CLASSES),
        (
            "inputs has dtype float64 but parameters have float32; expected the same: convert with "
            ".astype('float32')"
        ),
        (X.astype("f8").astype("float32"), CLASSES),
    ),
    "integers": (
        ((X * 9).astype(int), CLASSES),
        (
            "inputs has dtype int64; expected a real floating dtype such as float32: convert with "
            ".astype('float32')"
        ),
        ((X * 9).astype(int).astype("float32"), CLASSES),
    ),
    "objects": (
        (X.astype(object), CLASSES),
        (
            "inputs has dtype object; expected a real floating dtype such as float32: convert with "
            ".astype('float32')"
        ),
        (X.astype(object).astype("float32"), CLASSES),
    ),
    "masked": (
        (np.ma.masked_less(X, 0.1), CLASSES),
        "fill what is masked first, as with .filled(0)",
        (np.ma.masked_less(X, 0.1).filled(0), CLASSES),
    ),
    "one sample": (
        (X[0], CLASSES[:1]),
        (
            "inputs has shape (6,) but the network takes 6 features; expected (any, 6); a single sample "
            "is a row as well: add an axis with [None, :]"
        ),
        (X[0][None, :], CLASSES[:1]),
    ),
    "features": (
        (X[:, :4], CLASSES),
        (
            "inputs has shape (120, 4) but the network takes 6 features; expected (any, 6), or a network "
            "made for 4"
        ),
        None,
    ),
    "transposed": ((X.T, CLASSES), "samples are rows: transpose with .T", (X.T.T, CLASSES)),
    "images": (
        (X.reshape(120, 2, 3), CLASSES),
        "flatten each sample: reshape to (120, 6)",
        (X.reshape(120, 2, 3).reshape(120, 6), CLASSES),
    ),
    "swapped": (
        (CLASSES, X),
        (
            "inputs has shape (120,), targets (120, 6), and the network takes 6 features; the two seem "
            "to be swapped: give inputs first, then targets"
        ),
        (X, CLASSES),
    ),
    "empty": ((X[:0], CLASSES[:0]), "inputs has no rows; expected a batch of at least one sample", None),
    "fewer labels": (
        (X, CLASSES[:119]),
        "targets have 119 rows but inputs have 120; expected the same number",
        None,
    ),
    "no axis": ((X, np.array(1)), "targets have no rows but inputs have 120; expected the same number", None),
    "float labels": (
        (X, CLASSES.astype("f4")),
        (
            "targets has dtype float32 and shape (120,) but the network has 3 outputs; expected class "
            "numbers, integers of shape (120,): convert with .astype('int64'), or real numbers of shape "
            "(120, 3)"
        ),
        (X, CLASSES.astype("f4").astype("int64")),
    ),
    "float64 labels": (
        (X, CLASSES * 1.0),
        "integers of shape (120,): convert with .astype('int64')",
        (X, (CLASSES * 1.0).astype("int64")),
    ),
    "float labels from 1": (
        (X, CLASSES + 1.0),
        "integers of shape (120,); number the classes, as with numpy.unique(..., return_inverse=True)[1]",
        (X, np.unique(CLASSES + 1.0, return_inverse=True)[1]),
    ),
    "real numbers": (
        (X, REAL),
        "integers of shape (120,) (these are no whole numbers), or real numbers of",
        None,
    ),
    "booleans": (
        (X, CLASSES > 0),
        (
            "targets has dtype bool and shape (120,) but the network has 3 outputs; expected class "
            "numbers, integers of shape (120,): convert with .astype('int64')"
        ),
        (X, (CLASSES > 0).astype("int64")),
    ),
    "text": (
        (X, NAMES),
        (
            "targets has dtype <U3; expected class numbers (integers) or real numbers: number the names, "
            "as with numpy.unique(..., return_inverse=True)[1]"
        ),
        (X, np.unique(NAMES, return_inverse=True)[1]),
    ),
    "text as objects": (
        (X, NAMES.astype(object)),
        "number the names, as with numpy.unique(..., return_inverse=True)[1]",
        (X, np.unique(NAMES.astype(object), return_inverse=True)[1]),
    ),
    "numbers as objects": (
        (X, CLASSES.astype(object)),
        (
            "targets has dtype object; expected class numbers (integers) or real numbers: convert with "
            ".astype('int64') for classes"
        ),
        (X, CLASSES.astype(object).astype("int64")),
    ),
    "complex": ((X, CLASSES * 1j), "targets has dtype complex128; expected class numbers", None),
    "records": ((X, np.zeros(120, [("a", "i4")])), "; expected class numbers (integers) or real numbers", None),
    "column": (
        (X, CLASSES[:, None]),
        (
            "targets has dtype int64 and shape (120, 1) but the network has 3 outputs; expected class "
            "numbers, integers of shape (120,): take the column with [:, 0], or real numbers of shape "
            "(120, 3)"
        ),
        (X, CLASSES[:, None][:, 0]),
    ),
    "float column": (
        (X, CLASSES[:, None] * 1.0),
        "take the column with [:, 0] and convert with .astype('int64')",
        (X, (CLASSES[:, None] * 1.0)[:, 0].astype("int64")),
    ),
    "columns": (
        (X, np.eye(4)[CLASSES]),
        (
            "shape (120, 4) but the network has 3 outputs; expected (120, 3), or class numbers, integers "
            "of shape (120,)"
        ),
        None,
    ),
    "from 1": (
        (X, CLASSES + 1),
        (
            "targets have the class number 3 but the network has 3 outputs; expected whole numbers from "
            "0 to 2; number the classes from 0: subtract 1"
        ),
        (X, CLASSES + 1 - 1),
    ),
    "negative": (
        (X, CLASSES - 1),
        (
            "targets have the class number -1 but the network has 3 outputs; expected whole numbers from "
            "0 to 2; number the classes, as with numpy.unique(..., return_inverse=True)[1]"
        ),
        (X, np.unique(CLASSES - 1, return_inverse=True)[1]),
    ),
    "counts": (
        (X, np.arange(120)),
        "they hold 120 numbers: make an output for each class, or convert real ones with .astype('float32')",
        None,
    ),
    "infinite": ((X, np.full((120, 3), np.inf, "f4")), "targets has inf at row 0", None),
}


@pytest.mark.parametrize(("data", "message", "cure"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("role", ["data", "validation", "evaluate", "batches"])
def test_wrong_data_are_named_and_the_advice_helps(data, message, cure, role):
    prefix = {"validation": "validation ", "batches": ""}.get(role, "")

    def use(inputs, targets):
        if role == "data":
            classify(inputs, targets)
        elif role == "evaluate":
            pycopi.evaluate(NETWORK, START, inputs, targets)
        elif role == "batches":
            run([(X, CLASSES), (inputs, targets)], None, epochs=1)
        else:
            open_validation(NETWORK, START, (inputs, targets))

    with pytest.raises((TypeError, ValueError)) as caught:
        use(*data)
    found = str(caught.value)
    for name in ("inputs", "targets"):  # without their role they read alike
        found = found.replace(f"validation {name}", name).replace(f"{name} of batch 2", name)
    found = found.replace("asarray(...", f"asarray({found.split()[0]}")
    assert message in found
    assert "\n" not in found
    if role == "validation":
        assert str(caught.value).startswith(prefix)
    if role == "batches":
        assert " of batch 2 " in str(caught.value)
    if cure is not None:
        use(*cure)


def test_wholes_for_one_output_are_taken_for_classes_and_said_to_be():
    with pytest.raises(
        ValueError,
        match=within(
            "targets has dtype int64 and shape (120,) but the network has 1 output; expected real "
            "numbers: convert with .astype('float32'), or make an output for each class"
        ),
    ):
        regress(X, CLASSES)
    regress(X, CLASSES.astype("float32"))
    classify(X, CLASSES)
    with pytest.raises(ValueError, match=within("expected real numbers of shape (120,) or (120, 1), one for")):
        regress(X, REAL[:, None, None])
    regress(X, REAL[:, None])
    feature = pycopi.mlp([1, 3])
    with pytest.raises(ValueError, match=within("make rows of one feature with [:, None]")):
        pycopi.evaluate(feature, feature.init(0), REAL, CLASSES)
    assert pycopi.evaluate(feature, feature.init(0), REAL[:, None], CLASSES).samples == 120


def test_tables_and_sparse_matrices_are_told_how_to_become_arrays():
    pandas = pytest.importorskip("pandas")
    table, labels = pandas.DataFrame(X.astype(float)), pandas.Series(CLASSES)
    advice = (
        "; expected an array of a library that follows the array API standard (NumPy, CuPy, JAX, "
        "PyTorch, ...): "
    )
    advice += "convert it first, with "
    for call in (
        lambda: run(table, CLASSES),
        lambda: run(table),
        lambda: run([(table, CLASSES)], None),
        lambda: run(table, None),
        lambda: NETWORK.predict(START, table),
        lambda: pycopi.train_step(NETWORK, START, table, CLASSES, SETTINGS),
    ):
        with pytest.raises(TypeError, match=within(f" is a DataFrame{advice}.to_numpy(dtype='float32')")):
            call()
    with pytest.raises(TypeError, match=within(f"targets is a Series{advice}.to_numpy()")):
        run(X, labels)
    run(table.to_numpy(dtype="float32"), labels.to_numpy(), epochs=1)
    with pytest.raises(
        TypeError, match=within("convert it first, as in numpy.asarray(inputs, dtype='float32')")
    ):
        NETWORK.predict(START, X.tolist())
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(X)
    with pytest.raises(TypeError, match=within("convert it first, with .toarray().astype(dtype='float32')")):
        run(sparse, CLASSES)
    run(sparse.toarray().astype(dtype="float32"), CLASSES, epochs=1)


def test_a_batch_is_a_pair_and_says_which_it_is():
    good = (X, CLASSES)
    for batches, message in (
        ([good, good, X], "batch 3 is a ndarray; expected a pair (inputs, targets)"),
        ([good, {"x": X}], "batch 2 is a dict; expected a pair (inputs, targets)"),
        (
            [good, (X[:0], CLASSES[:0])],
            "inputs of batch 2 has no rows; expected a batch of at least one sample",
        ),
        ([good, (X.astype(float), CLASSES)], "inputs of batch 2 has dtype float64 but parameters have float32"),
        ([good, good, (X, CLASSES[:7])], "targets of batch 3 have 7 rows but inputs of batch 3 have 120"),
        ([(X[0], CLASSES[0])], "inputs of batch 1 has shape (6,) but the network takes 6 features"),
        (good, "inputs are a tuple of two arrays without targets; give them as two arguments: inputs, targets"),
        (X, "inputs are a ndarray without targets; expected arrays, or an iterable of batches"),
        ({"x": X}, "inputs are a dict without targets"),
    ):
        with pytest.raises((TypeError, ValueError), match=within(message)):
            run(batches, None, epochs=1)
    run(*good, epochs=1)
    uneven = [(X[:50], CLASSES[:50]), (X[50:53], CLASSES[50:53]), (X[53:], CLASSES[53:])]
    assert run(uneven, None, epochs=2).history[-1].steps == 3


class Changing:
    """Batches whose number, and in the end whose kind, differs from pass to pass."""

    def __init__(self, passes):
        self.passes = iter(passes)

    def __iter__(self):
        return iter(next(self.passes))


def test_batches_may_change_their_number_but_not_vanish():
    one, two = [(X, CLASSES)], [(X[:60], CLASSES[:60]), (X[60:], CLASSES[60:])]
    state = run(Changing([one, one, two, one, two]), None, epochs=3)
    assert [record.steps for record in state.history] == [2, 1, 2]
    with pytest.raises(ValueError, match=within("a re-iterable that begins anew each time, such as a list")):
        run(Changing([one, one, one, []]), None, epochs=2)
    with pytest.raises(TypeError, match=within("targets of batch 2 has dtype complex128")):
        run(Changing([one, one, one, [*one, (X, CLASSES * 1j)]]), None, epochs=2)


def test_validation_is_a_pair_or_batches():
    def samples(validation):
        opened = open_validation(NETWORK, START, validation)
        return sum(inputs.shape[0] for inputs, _ in opened.epoch(0))

    pair, batches = (X[:30], CLASSES[:30]), [(X[:5], CLASSES[:5]), (X[5:7], CLASSES[5:7])]
    assert [samples(v) for v in (pair, list(pair), batches, tuple(batches), batches[:1])] == [30, 30, 7, 7, 5]
    for wrong, message in (
        (
            (None, None),
            "validation is a pair with None in it; expected (inputs, targets), or None alone",
        ),
        ((X, CLASSES.astype("f4")), "validation targets has dtype float32 and shape (120,)"),
        ((X[:0], CLASSES[:0]), "validation inputs has no rows"),
        ((X * np.float32("nan"), CLASSES), "validation inputs has nan at row 0"),
        (
            [pair, (X, CLASSES[:3])],
            "validation targets of batch 2 have 3 rows but validation inputs of batch 2 have",
        ),
        (X, "validation inputs are a ndarray without targets"),
        (7, "validation inputs are a int without targets"),
    ):
        with pytest.raises((TypeError, ValueError), match=within(message)):
            list(open_validation(NETWORK, START, wrong).epoch(0))


def test_rows_are_counted_over_all_the_data():
    wrong = X.copy()
    wrong[77, 2] = np.nan
    for call in (
        lambda: run(wrong),
        lambda: NETWORK.predict(START, wrong, batch_size=10),
        lambda: pycopi.evaluate(NETWORK, START, wrong, CLASSES, batch_size=10),
        lambda: pycopi.analysis.layer_correlations(NETWORK, START, wrong, batch_size=10),
    ):
        with pytest.raises(ValueError, match=within("inputs has nan at row 77")):
            call()


def test_rows_of_lazy_arrays_are_counted_over_all_the_data_too():
    da = pytest.importorskip("dask.array")
    wrong = X.copy()
    wrong[77, 2] = np.nan
    lazy, labels = da.from_array(wrong, chunks=(40, 6)), da.from_array(CLASSES, chunks=40)
    for seed in (0, None):
        with pytest.raises(ValueError, match=within("inputs has nan at row 77; expected finite numbers")):
            run(lazy, labels, seed=seed)
    with pytest.raises(ValueError, match=within("targets have the class number 3 but")):
        run(da.from_array(X, chunks=(40, 6)), labels + 1)
    with pytest.raises(
        ValueError, match=within("unknown number of rows; call its compute_chunk_sizes() first")
    ):
        run(lazy[lazy[:, 0] > 0.5], labels)
    with pytest.raises(
        TypeError, match=within("inputs has dtype float64 but parameters have float32; expected")
    ):
        run(da.from_array(X.astype(float), chunks=40), labels)
