"""Epochs one by one: schedules, callbacks, early stopping, Ctrl-C, and the iterator that fit is made of."""

import numpy as np
import pytest
from assertions import assert_same, exactly, within
from fitting import CLASSES, NETWORK, SETTINGS, START, Broken, X, assert_same_run, batches_of, run

import pycopi


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
        run(Broken(KeyboardInterrupt()), None)
    assert isinstance(caught.value, pycopi.TrainingInterrupted)
    state = caught.value.state
    assert str(caught.value) == "training interrupted after 2 complete epochs"
    assert_same_run(state, run(batches_of(16), None, epochs=2))


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
    iterator = epochs_of(Broken(KeyboardInterrupt()), None)
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
    for name in ("weight_schedule", "decorrelation_schedule"):
        message = f"{name} is a float; expected a pycopi.Schedule or a function of the epoch"
        with pytest.raises(TypeError, match=exactly(message)):
            run(**{name: 0.5})
    message = "weight_schedule returned a tuple; expected a number, for all layers learn at one rate"
    with pytest.raises(ValueError, match=within(message)):
        run(weight_schedule=lambda epoch: (1.0, 0.5))
