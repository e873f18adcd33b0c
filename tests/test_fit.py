"""A run of fit: what it learns from, what it records and how it goes on."""

import json

import numpy as np
import pytest
from assertions import assert_close, assert_same, within
from fitting import CLASSES, NETWORK, RNG, SETTINGS, START, X, assert_same_run, batches_of, flat, run
from networks import move

import pycopi
from pycopi.data import load_dataset


def test_digits_are_learned():
    digits = load_dataset("digits")
    network = pycopi.mlp([64, 64, 10])
    state = pycopi.fit(
        network, network.init(0), digits.x_train, digits.y_train, epochs=12, batch_size=20,
        settings=SETTINGS, validation=(digits.x_test, digits.y_test),
    )  # fmt: skip
    first, last = state.history[0], state.history[-1]
    assert last.validation_accuracy >= 0.97
    assert last.accuracy > 0.99
    assert last.loss < 0.1 * first.loss
    assert all(after < before for before, after in zip(first.correlation, last.correlation, strict=True))
    assert (first.weight_rate, last.weight_rate, first.decorrelation_rate) == (0.0, 1e-2, 1e-2)


def test_a_record_holds_what_it_says():
    state = run(validation=(X[:30], CLASSES[:30]))
    first, *_, last = state.history
    assert [record.epoch for record in state.history] == [1, 2, 3, 4]
    assert last.steps == 8
    assert len(last.correlation) == 2
    outputs = NETWORK.predict(state.parameters, X[:30])
    assert last.validation_accuracy == (outputs.argmax(axis=1) == CLASSES[:30]).mean()
    assert last.validation_loss == pytest.approx(
        0.5 * ((np.eye(3)[CLASSES[:30]] - outputs) ** 2).sum(axis=1).mean(), rel=1e-5
    )
    probe = NETWORK.trace(state.parameters, X)
    assert last.correlation == pytest.approx(
        [pycopi.analysis.off_diagonal_correlation(x) for x in probe.decorrelated], rel=1e-5
    )
    assert json.loads(json.dumps(last._asdict()))["loss"] == last.loss
    assert first.seconds > 0


def test_the_first_epoch_only_decorrelates_and_nothing_given_is_changed():
    kept = [array.copy() for array in flat(START)]
    state = run(epochs=1)
    for own, old in zip(state.parameters, START, strict=True):
        assert_same(own.weight, old.weight)
        assert np.abs(own.decorrelator - old.decorrelator).max() > 1e-3
    for array, old in zip(flat(START), kept, strict=True):
        assert_same(array, old)
    assert run(epochs=0).history == ()


def test_a_run_is_its_seed():
    assert_same_run(run(seed=3), run(seed=3))
    assert run(seed=3).history[-1].loss != run(seed=4).history[-1].loss
    ordered = run(seed=None)
    batches = [(X[i : i + 16], CLASSES[i : i + 16]) for i in range(0, 120, 16)]
    assert_same_run(ordered, run(batches, None))


@pytest.mark.parametrize("split", [1, 2, 3])
def test_a_run_goes_on_where_it_stopped(split):
    whole = run(weight_schedule=pycopi.Schedule(start=1, warm_up=2))
    early = run(weight_schedule=pycopi.Schedule(start=1, warm_up=2), epochs=split)
    late = run(parameters=early, weight_schedule=pycopi.Schedule(start=1, warm_up=2))
    assert_same_run(late, whole)


@pytest.mark.parametrize("layout", ["F", "strided", "read-only", "memory map", "float64"])
def test_layouts_of_numpy_data_give_the_same_run(layout, tmp_path):
    data, parameters = X, START
    if layout == "F":
        data = np.asfortranarray(X)
    if layout == "strided":
        data = np.repeat(X, 2, axis=1)[:, ::2]
    if layout == "read-only":
        data = X.copy()
        data.flags.writeable = False
    if layout == "memory map":
        np.save(tmp_path / "x.npy", X)
        data = np.load(tmp_path / "x.npy", mmap_mode="r")
    if layout == "float64":
        data, parameters = X.astype(np.float64), NETWORK.init(0, like=np.zeros(1))
    state, wanted = run(data, parameters=parameters), run()
    for array, same in zip(flat(state.parameters), flat(wanted.parameters), strict=True):
        np.testing.assert_allclose(array, same, rtol=0, atol=2e-5)


def test_every_library_gives_the_same_run(eager):
    """Data may lie on the library of the parameters, or in host memory."""
    wanted = run(validation=(X, CLASSES))
    parameters = move(START, eager)
    for inputs, targets in [(eager.asarray(X), eager.asarray(CLASSES)), (X, CLASSES)]:
        state = run(inputs, targets, parameters, validation=(inputs, targets))
        for array, same in zip(flat(state.parameters), flat(wanted.parameters), strict=True):
            assert_close(array, same.astype(np.float64), eager, eager.asarray(X), rtol=2e-5)
        for record, other in zip(state.history, wanted.history, strict=True):
            assert record.loss == pytest.approx(other.loss, rel=1e-4)
            assert record.validation_accuracy == other.validation_accuracy
            assert record.correlation == pytest.approx(other.correlation, abs=1e-5)
    batches = [(eager.asarray(X[:60]), eager.asarray(CLASSES[:60])), (X[60:], CLASSES[60:])]
    state, wanted = run(batches, None, parameters), run(batches_of(60), None)
    assert state.history[-1].loss == pytest.approx(wanted.history[-1].loss, rel=1e-4)


def test_dask_is_a_source_of_data():
    da = pytest.importorskip("dask.array")
    lazy = da.from_array(X, chunks=(40, 6)), da.from_array(CLASSES, chunks=40)
    assert_same_run(run(*lazy, validation=lazy), run(validation=(X, CLASSES)))
    with pytest.raises(ValueError, match="inputs has nan at row"):
        run(lazy[0] * np.float32("nan"), lazy[1])
    with pytest.raises(TypeError, match="give Dask arrays as inputs"):
        run(parameters=NETWORK.init(0, like=lazy[0]))


@pytest.mark.parametrize(
    ("targets", "outputs"),
    [
        (np.eye(3, dtype=np.float32)[CLASSES], 3),
        (np.eye(3, dtype=bool)[CLASSES], 3),
        (CLASSES.astype(np.uint8), 3),
    ],
    ids=["one-hot", "boolean", "uint8"],
)
def test_kinds_of_class_targets_give_the_same_run(targets, outputs):
    assert_same_run(run(targets=targets), run())


@pytest.mark.parametrize("columns", [None, 1, 2])
def test_regression_has_no_accuracy(columns):
    wanted = X @ RNG.normal(size=(6, columns or 1)).astype(np.float32)
    targets = wanted[:, 0] if columns is None else wanted
    network = pycopi.mlp([6, columns or 1], bias=True)
    state = run(
        X, targets, network.init(0), network, validation=(X, targets), epochs=90,
        settings=pycopi.Settings(rate=0.1, gain=1.0, decorrelation=pycopi.Decorrelation(rate=0.05)),
    )  # fmt: skip
    last = state.history[-1]
    assert last.accuracy is last.validation_accuracy is None
    assert last.validation_loss < 0.01 * np.var(targets)


@pytest.mark.parametrize("rule", ["copi", "gradient"])
@pytest.mark.parametrize("credit", ["backpropagation", "feedback_alignment"])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_every_method_learns(rule, credit, loss):
    settings = pycopi.Settings(
        rule=rule, credit=credit, loss=loss, rate=1e-2 if rule == "copi" else 0.5,
        gain=100.0 if rule == "copi" else 1.0, decorrelation=pycopi.Decorrelation(rate=1e-2),
    )  # fmt: skip
    state = run(settings=settings, epochs=10)
    assert state.history[-1].accuracy > 0.95


REFUSED = {
    "nan": (lambda: run(np.where(X == X[77, 0], np.nan, X).astype(np.float32)), "inputs has nan at row 77"),
    "class": (
        lambda: run(targets=CLASSES * 2),
        "targets have the class number 4 but the network has 3 outputs",
    ),
    "rows": (
        lambda: run(targets=CLASSES[:60]),
        "targets have 60 rows but inputs have 120; expected the same number",
    ),
    "nothing": (lambda: run(X[:0], CLASSES[:0]), "inputs has no rows; expected a batch of at least one sample"),
    "features": (lambda: run(X[:, :4]), "inputs has shape (120, 4) but the network takes 6 features"),
    "dtype": (lambda: run(X.astype(np.float64)), "inputs has dtype float64 but parameters have float32"),
    "list": (lambda: run(X.tolist()), "inputs is a list; expected an array of a library that follows"),
    "generator": (
        lambda: run((b for b in batches_of(16)), None),
        "a generator, which can be iterated only once",
    ),
    "number": (lambda: run(5, None), "inputs are a int without targets; expected arrays, or an iterable"),
    "batch": (lambda: run([X], None), "batch 1 is a ndarray; expected a pair (inputs, targets)"),
    "triple": (
        lambda: run([(X, CLASSES, 1)], None),
        "batch 1 is a tuple of 3; expected a pair (inputs, targets)",
    ),
    "empty iterable": (lambda: run([], None), "the batches gave nothing when iterated"),
    "bad later batch": (
        lambda: run([(X, CLASSES), (X * np.float32("inf"), CLASSES)], None),
        "inputs of batch 2 has ",
    ),
    "epochs": (lambda: run(epochs=-1), "epochs is -1; expected a whole number of at least 0"),
    "batch size": (lambda: run(batch_size=0), "batch_size is 0; expected a whole number of at least 1"),
    "feedback": (
        lambda: run(parameters=pycopi.State(START), settings=pycopi.Settings(credit="feedback_alignment")),
        "and none was given; begin with pycopi.start(network, settings, seed)",
    ),
    "loss": (
        lambda: pycopi.evaluate(NETWORK, START, X, CLASSES, loss="hinge"),
        "loss is 'hinge'; expected one of squared_error, cross_entropy",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_bad_data_are_named_and_change_nothing(case):
    call, message = case
    kept = [array.copy() for array in flat(START)]
    with pytest.raises((ValueError, TypeError), match=within(message)):
        call()
    for array, old in zip(flat(START), kept, strict=True):
        assert_same(array, old)


def test_a_history_as_json_is_named_and_the_advice_helps():
    state = run(epochs=2)
    saved = [record.as_json() for record in state.history]
    message = "the history of the state holds a dict; expected a pycopi.EpochRecord"
    with pytest.raises(TypeError, match=within(message)):
        run(parameters=state._replace(history=tuple(saved)))
    history = tuple(pycopi.EpochRecord.from_json(record) for record in saved)
    assert_same_run(run(parameters=state._replace(history=history)), run())
