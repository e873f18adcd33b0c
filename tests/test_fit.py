"""The epoch loop: what it learns from, what it records, how it ends and how it goes on."""

import json

import numpy as np
import pytest
from assertions import assert_close, assert_same, exactly, within
from test_network import move

import pycopi
from pycopi.data import load_dataset
from pycopi.training.batches import open_batches
from pycopi.training.frozen import View
from pycopi.training.guard import Watch

RNG = np.random.default_rng(11)
CENTRES = RNG.uniform(size=(3, 6))
CLASSES = np.arange(120) % 3
X = (CENTRES[CLASSES] + 0.1 * RNG.normal(size=(120, 6))).astype(np.float32)
NETWORK = pycopi.mlp([6, 8, 3])
START = NETWORK.init(0)
SETTINGS = pycopi.Settings(rate=1e-2, gain=100.0, decorrelation=pycopi.Decorrelation(rate=1e-2))


def run(inputs=X, targets=CLASSES, parameters=START, network=NETWORK, **changes):
    keywords = {"epochs": 4, "settings": SETTINGS, "batch_size": 16, "progress": False, **changes}
    return pycopi.fit(network, parameters, inputs, targets, **keywords)


def flat(parameters):
    return [array for own in parameters for array in own if array is not None]


def without_seconds(history):
    return [record._replace(seconds=0.0) for record in history]


def assert_same_run(state, other):
    assert without_seconds(state.history) == without_seconds(other.history)
    for array, wanted in zip(flat(state.parameters), flat(other.parameters), strict=True):
        assert_same(array, wanted)


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


def batches_of(size):
    return [(X[i : i + size], CLASSES[i : i + size]) for i in range(0, len(X), size)]


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


def test_schedules():
    schedule = pycopi.Schedule(start=1, warm_up=2, freeze_after=6, decay=0.5)
    assert [schedule(epoch) for epoch in range(8)] == [0.0, 0.5, 1.0, 0.5, 0.25, 0.125, 0.0, 0.0]
    assert [pycopi.Schedule(decay=0.5)(epoch) for epoch in range(3)] == [1.0, 0.5, 0.25]
    state = run(decorrelation_schedule=pycopi.Schedule(freeze_after=2), epochs=4)
    assert [record.decorrelation_rate for record in state.history] == [1e-2, 1e-2, 0.0, 0.0]
    frozen = run(decorrelation_schedule=pycopi.Schedule(freeze_after=2), epochs=2)
    for own, old in zip(state.parameters, frozen.parameters, strict=True):
        assert_same(own.decorrelator, old.decorrelator)
    halved = run(weight_schedule=lambda epoch: 0.5, epochs=1)
    assert halved.history[0].weight_rate == 5e-3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"start": -1}, "start is -1; expected a whole number of at least 0"),
        ({"freeze_after": 1.5}, "freeze_after is 1.5; expected a whole number of at least 0"),
        ({"decay": 2.0}, "decay is 2.0; expected a finite number of at least 0 and at most 1"),
    ],
)
def test_schedules_are_checked(fields, message):
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.Schedule(**fields)


def test_callbacks_see_every_epoch_and_may_end_the_run():
    seen = []

    def stop(state):
        seen.append(state)
        return len(state.history) == 3

    state = run(epochs=10, callbacks=[lambda state: None, stop])
    assert len(state.history) == 3
    assert seen[-1] is state
    assert_same_run(seen[0], run(epochs=1))  # what a callback keeps is not overwritten


def record(loss, accuracy=None, weight_rate=1.0):
    return pycopi.EpochRecord(1, loss, accuracy, loss, accuracy, (), weight_rate, 0.0, 1, 0.0)


def test_early_stopping_reads_the_history_alone():
    stop = pycopi.early_stopping(patience=2)

    def ends(*losses, **keywords):
        return stop(pycopi.State((), history=tuple(record(loss, **keywords) for loss in losses)))

    assert not ends()
    assert not ends(3.0, 2.0, 2.5)
    assert ends(3.0, 2.0, 2.5, 2.1)
    assert not ends(1.0, 2.0, 3.0, weight_rate=0.0)
    best = pycopi.early_stopping(patience=1, monitor="accuracy")
    assert best(pycopi.State((), history=(record(0.0, 0.9), record(0.0, 0.8))))
    assert not best(pycopi.State((), history=(record(0.0, 0.8), record(0.0, 0.9))))
    state = run(epochs=50, callbacks=[pycopi.early_stopping(patience=2, monitor="loss")])
    assert len(state.history) <= 50
    with pytest.raises(ValueError, match="early_stopping monitors 'validation_loss' but the history has none"):
        run(callbacks=[pycopi.early_stopping(patience=2)])
    with pytest.raises(ValueError, match="monitor is 'f1'; expected one of validation_loss"):
        pycopi.early_stopping(patience=1, monitor="f1")
    with pytest.raises(ValueError, match="patience is 0; expected a whole number of at least 1"):
        pycopi.early_stopping(patience=0)


def test_ctrl_c_hands_over_the_last_complete_epoch():
    with pytest.raises(KeyboardInterrupt) as caught:
        run(Interrupting(), None)
    assert isinstance(caught.value, pycopi.TrainingInterrupted)
    state = caught.value.state
    assert str(caught.value) == "training interrupted after 2 complete epochs"
    assert_same_run(state, run(batches_of(16), None, epochs=2))


class Interrupting:
    """Batches during whose third epoch the user presses Ctrl-C; opening and probing them read some too."""

    def __init__(self):
        self.steps = 0

    def __iter__(self):
        for batch in batches_of(16):
            self.steps += 1
            if self.steps > 1 + 8 + 8 + 8 + 4:
                raise KeyboardInterrupt
            yield batch


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


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 2e6], ids=str)
def test_divergence_keeps_the_last_good_parameters(wrong, eager):
    parameters = move(START, eager)

    def poison(epoch):  # the third epoch explodes
        return 1.0 if epoch < 2 else wrong if np.isfinite(wrong) else 1e30

    with pytest.raises(pycopi.DivergenceError) as caught:
        run(
            eager.asarray(X),
            eager.asarray(CLASSES),
            parameters,
            weight_schedule=poison,
            guard=pycopi.Guard(every=3),
        )
    error = caught.value
    assert error.epoch == 3
    assert error.step in (3, 6, 8)
    assert error.layer in (1, 2)
    assert len(error.state.history) == 2
    assert f"training diverged in layer {error.layer}, epoch 3, step {error.step}: " in str(error)
    assert all(np.isfinite(eager.numpy(a)).all() for a in flat(error.parameters))


@pytest.mark.parametrize("gain", [1e4, 1e6, 1e10])
def test_a_loss_that_explodes_while_parameters_do_not_is_noticed_too(gain):
    """Seven layers multiply weights that are each within the limit."""
    deep = pycopi.mlp([6, *[20] * 7, 3])
    with pytest.raises(pycopi.DivergenceError) as caught:
        run(parameters=deep.init(0), network=deep, settings=pycopi.Settings(gain=gain), weight_schedule=abs)
    error = caught.value
    assert f"layer {error.layer}, epoch {error.epoch}, step {error.step}: " in str(error)
    assert pycopi.evaluate(deep, error.parameters, X, CLASSES).loss < 1e6


def test_a_loss_in_large_units_is_no_divergence():
    targets = (2e5 + 1e4 * X[:, :1]).astype(np.float64)
    network = pycopi.mlp([6, 1], bias=True)
    settings = pycopi.Settings(rate=0.05, gain=1.0, decorrelation=pycopi.Decorrelation(rate=0.05))
    start = network.init(0, like=targets)
    state = run(X.astype(np.float64), targets, start, network, settings=settings, epochs=200)
    assert state.history[0].loss > 1e10
    assert state.history[-1].loss < 1e-3 * state.history[0].loss


def test_the_guard_keeps_parameters_between_epochs():
    """The last look before the divergence is later than the last complete epoch."""

    def explode(epoch):
        return 1.0 if epoch == 0 else 20.0

    with pytest.raises(pycopi.DivergenceError) as caught:
        run(weight_schedule=explode, guard=pycopi.Guard(every=1))
    state, kept = caught.value.state, caught.value.parameters
    assert caught.value.step > 1
    assert any(np.abs(a - b).max() > 0 for a, b in zip(flat(kept), flat(state.parameters), strict=True))
    with pytest.raises(ValueError, match="every is 0; expected a whole number of at least 1"):
        pycopi.Guard(every=0)


def test_inputs_that_overflow_on_other_samples_are_a_divergence():
    """The last batch is answered well, but the first samples of the data are far larger."""
    data = X.copy()
    data[:10] *= np.float32(1e37)
    batches = [(data[20:60], CLASSES[20:60])] * 2
    network = pycopi.mlp([6, 3])
    start = tuple(own._replace(decorrelator=own.decorrelator * np.float32(50)) for own in network.init(0))
    frozen = pycopi.Settings(rate=0.0, decorrelation=pycopi.Decorrelation(rate=0.0))

    class FirstLarge:
        """The first pass, on which the correlation is probed, is of the large samples."""

        passes = 0

        def __iter__(self):
            self.passes += 1
            return iter([(data[:10], CLASSES[:10])] if self.passes == 2 else batches)

    with pytest.raises(
        pycopi.DivergenceError, match="layer 1, epoch 1, step 2: its inputs are no longer"
    ) as caught:
        run(FirstLarge(), None, start, network, settings=frozen)
    assert_same(caught.value.parameters[0].weight, start[0].weight)


def watch_of(**limits):
    view = View(open_batches(NETWORK, START, X, CLASSES, batch_size=16, seed=0))
    rates = pycopi.Rates(1e-2, 1e-2)
    return Watch(pycopi.Guard(**limits), view, SETTINGS, rates, pycopi.State(START))


def test_the_guard_looks_at_parameters_even_where_the_loss_is_small():
    """A large entry that meets only zeros in the data does not show in the loss."""
    dead = X.copy()
    dead[:, 0] = 0.0
    matrix = START[0].decorrelator.copy()
    matrix[0, 0] = 2e6
    with pytest.raises(
        pycopi.DivergenceError, match=within("layer 1, epoch 1, step 7: decorrelator reached 2e+06")
    ):
        watch_of().look(pycopi.State((START[0]._replace(decorrelator=matrix), START[1])), (dead, CLASSES), 1, 7)


def test_the_guard_judges_a_finite_loss_by_the_first_one():
    large = pycopi.State(tuple(own._replace(weight=own.weight * 1e3) for own in START))
    watch = watch_of(limit=1e4)
    with pytest.raises(pycopi.DivergenceError, match="epoch 1, step 7: the loss reached") as caught:
        watch.look(large, (X, CLASSES), 1, 7)
    assert caught.value.parameters is START
    watch.first_loss = 1e12
    watch.look(large, (X, CLASSES), 1, 7)
    assert_same(watch.good.parameters[0].weight, large.parameters[0].weight)


def epochs_of(inputs=X, targets=CLASSES, **changes):
    how = {"epochs": 4, "settings": SETTINGS, "batch_size": 16, **changes}
    return pycopi.epochs(NETWORK, START, inputs, targets, **how)


def test_epochs_are_the_states_that_fit_goes_through():
    seen = []
    run(callbacks=[seen.append], validation=(X, CLASSES))
    for state, other in zip(epochs_of(validation=(X, CLASSES)), seen, strict=True):
        assert_same_run(state, other)


def test_a_state_of_epochs_stays_as_it_is_and_goes_on():
    states = list(epochs_of())
    assert_same_run(states[1], run(epochs=2))
    assert_same_run(run(parameters=states[1]), states[-1])


def test_what_ends_epochs_carries_the_last_state():
    iterator = epochs_of(Interrupting(), None)
    with pytest.raises(pycopi.TrainingInterrupted) as caught:
        list(iterator)
    assert len(caught.value.state.history) == 2


def test_bad_arguments_of_epochs_are_errors_before_the_first_one():
    with pytest.raises(ValueError, match="epochs is -1"):
        epochs_of(epochs=-1)
    with pytest.raises(ValueError, match="inputs has nan at row 0"):
        epochs_of(np.full_like(X, np.nan))
    with pytest.raises(TypeError, match="epochs has no callbacks; expected batch_size, decorrelation_schedule"):
        epochs_of(callbacks=())


def test_schedules_of_the_wrong_kind_are_named():
    message = "decorrelation_schedule is a Course, which is for weight_schedule; expected a pycopi.Schedule"
    with pytest.raises(ValueError, match=exactly(message)):
        run(decorrelation_schedule=pycopi.Course(epochs=4))
    message = "weight_schedule returned a tuple; expected a number, for all layers learn at one rate"
    with pytest.raises(ValueError, match=within(message)):
        run(weight_schedule=lambda epoch: (1.0, 0.5))


def test_a_history_as_json_is_named_and_the_advice_helps():
    state = run(epochs=2)
    saved = [record.as_json() for record in state.history]
    message = "the history of the state holds a dict; expected a pycopi.EpochRecord"
    with pytest.raises(TypeError, match=within(message)):
        run(parameters=state._replace(history=tuple(saved)))
    history = tuple(pycopi.EpochRecord.from_json(record) for record in saved)
    assert_same_run(run(parameters=state._replace(history=history)), run())
