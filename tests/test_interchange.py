"""Data of other libraries and loaders as sources: DLPack, what is lent read-only, data sets of dicts."""

import numpy as np
import pytest

import pycopi
from pycopi._array import adopted
from pycopi.streams import StreamClassifier

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
NETWORK = pycopi.mlp([4, 8, 2])
HOW = {"epochs": 2, "batch_size": 20, "settings": pycopi.Settings(gain=30.0)}


class Lent:
    """What offers its memory by DLPack and is no array, such as a column of a data frame."""

    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **keywords):
        return self.values.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


def fitted(*source):
    return pycopi.fit(NETWORK, NETWORK.init(0), *source, **HOW).parameters


def assert_same_parameters(actual, expected):
    for own, other in zip(actual, expected, strict=True):
        for name, array in own.named().items():
            assert np.array_equal(array, other.named()[name]), name


def test_what_speaks_dlpack_is_viewed_without_a_copy_and_never_written():
    view = adopted(Lent(X))
    assert np.shares_memory(view, X)
    assert not view.flags.writeable


def test_arrays_numbers_and_classes_are_left_as_they_are():
    for thing in (X, [1.0], None, np.ndarray):
        assert adopted(thing) is thing


def test_fit_evaluate_predict_and_streams_take_what_speaks_dlpack():
    assert_same_parameters(fitted(Lent(X), Lent(Y)), fitted(X, Y))
    parameters = NETWORK.init(0)
    lent = pycopi.evaluate(NETWORK, parameters, Lent(X), Lent(Y))
    assert lent == pycopi.evaluate(NETWORK, parameters, X, Y)
    assert np.array_equal(NETWORK.predict(parameters, Lent(X)), NETWORK.predict(parameters, X))
    models = StreamClassifier((4,)), StreamClassifier((4,))
    for row, label in zip(X, Y, strict=True):
        models[0].learn_one(Lent(row), label)
        models[1].learn_one(row, label)
    assert models[0].predict_proba_one(X[0]) == models[1].predict_proba_one(Lent(X[0]))


def test_batches_may_speak_dlpack():
    batches = [(X[:30], Y[:30]), (X[30:], Y[30:])]
    lent = [(Lent(x), Lent(y)) for x, y in batches]
    assert_same_parameters(fitted(lent, None), fitted(batches, None))


def test_parameters_go_out_by_dlpack_without_a_copy(eager):
    weight = NETWORK.init(0, like=eager.asarray(X))[0].weight
    if not hasattr(weight, "__dlpack__"):
        pytest.skip("the library has no DLPack")
    try:
        view = np.from_dlpack(weight)
    except BufferError as error:
        pytest.skip(str(error))
    assert np.array_equal(view, eager.numpy(weight))
    assert view.__array_interface__["data"][0] == np.from_dlpack(weight).__array_interface__["data"][0]


@pytest.mark.parametrize("copy", [True, None])
def test_nothing_is_written_to_what_was_lent_read_only(copy):
    x, y, matrix = X.copy(), np.eye(2, dtype=np.float32)[Y], np.eye(4, dtype=np.float32)
    state = pycopi.start(NETWORK, pycopi.Settings(rule="adam"))
    for array in (x, y, matrix, *state.named().values()):
        array.setflags(write=False)
    before = [array.copy() for array in (x, y, matrix, *state.named().values())]
    pycopi.train_step(NETWORK, state, x, y, pycopi.Settings(rule="adam"), copy=copy)
    pycopi.train_step(NETWORK, state.parameters, x[:1], y[:1], pycopi.Settings(), copy=copy)
    pycopi.fit(NETWORK, state.parameters, x, y, **HOW)
    NETWORK.predict(state.parameters, x)
    pycopi.decorrelate_stream(matrix, x, rate=1e-3, copy=copy)
    pycopi.decorrelation_update(matrix, decorrelated=x, rate=1e-3, copy=copy)
    model = StreamClassifier((4,))
    for row, label in zip(x, Y, strict=True):
        model.learn_one(row, label)
    for array, old in zip((x, y, matrix, *state.named().values()), before, strict=True):
        assert np.array_equal(array, old)


class Rows:
    """A data set of dicts, as those of Hugging Face are: indexed by slices, with a column for each key."""

    def __getitem__(self, rows):
        return {"pixels": X[rows].tolist(), "label": Y[rows].tolist()}

    def __len__(self):
        return len(X)


class Batches:
    """Batches of two columns of a data set of dicts."""

    def __init__(self, rows, size):
        self.rows, self.size = rows, size

    def __iter__(self):
        for start in range(0, len(self.rows), self.size):
            batch = self.rows[start : start + self.size]
            yield np.asarray(batch["pixels"], np.float32), np.asarray(batch["label"])


def test_a_data_set_of_dicts_is_a_source():
    batches = [(X[start : start + 20], Y[start : start + 20]) for start in range(0, 60, 20)]
    assert_same_parameters(fitted(Batches(Rows(), 20), None), fitted(batches, None))
