"""Eight epochs at the settings that the race has chosen: what is tried, chosen and told."""

import numpy as np
import pytest
from raced import Entry, Row, row
from repository import benchmark

best, inputs, race = benchmark("tuned.best"), benchmark("tuned.inputs"), benchmark("tuned.race")

ENTRY = Entry("digits", "AdamW", "standardised")
CHOSEN = race.Chosen({"rate": 0.1, "batch": 128, "decay": 0.01}, 0.5, 18)


def ran(tried, wanted=0.9):
    """Return a runner that prefers a decay, and notes what it was given."""

    def run(what):
        tried.append(what)
        score = 0.9 - abs(what.setting["decay"] - wanted)
        test = None if what.part == best.SEARCH else 0.5 + 0.01 * what.seed
        return Row(what, (score,), (1.0,), (1.0,), test, "")

    return run


def test_the_chosen_setting_is_tried_with_stronger_decays_and_runs_with_fresh_seeds():
    tried = []
    found = best.run_best(ENTRY, CHOSEN, ran(tried))
    assert found.setting == {**CHOSEN.setting, "decay": 0.9, "smoothing": 0.1}
    assert [one.setting["decay"] for one in tried[:12]] == [0.3, 0.9, 2.4, 0.9, 2.4, 4.8] * 2
    assert [one.setting["rate"] for one in tried[:6]] == [0.1, 0.1, 0.1, 0.06, 0.06, 0.06]
    assert [(one.seed, one.part, one.epochs) for one in tried[12:]] == [
        (seed, "best", 8) for seed in range(100, 105)
    ]
    assert all(one.setting == found.setting for one in tried[12:])


@pytest.mark.parametrize(("wanted", "more"), [(0.3, [0.09, 0.09, 0.3, 0.3]), (4.8, [4.8, 9.6, 4.8, 9.6])])
def test_where_the_weakest_or_the_strongest_decay_is_best_more_are_tried(wanted, more):
    tried = []
    found = best.run_best(ENTRY, CHOSEN, ran(tried, wanted))
    assert [one.setting["decay"] for one in tried[12:20]] == more * 2
    assert len(tried) == 25
    assert found.settings == 10


def test_what_has_no_decay_is_left_out():
    assert best.settings(Entry("digits", "COPI exact", "raw"), CHOSEN) == []


def test_the_table_tells_of_the_seeds_of_the_chosen_setting_alone():
    tried, rows = [], [row(ENTRY, score=1.0)]
    run = ran(tried)
    best.run_best(ENTRY, CHOSEN, lambda what: rows.append(run(what)) or rows[-1])
    rows.append(rows[-1]._replace(trial=rows[-1].trial._replace(setting={"rate": 7.0}), test=0.0))
    made = best.table("digits", [ENTRY, Entry("digits", "SGD", "raw")], rows)
    assert made.rows == [("AdamW (standardised)", 6, "rate 0.1, decay 0.9", 0.9, 5, "1.5200 ± 0.0158")]


def test_smoothed_targets_sum_to_one_and_name_the_same_class():
    data = inputs.load("digits", "raw")
    train = inputs.smoothed(data, 0.1).train
    assert np.array_equal(train.labels.argmax(axis=1), data.train.labels)
    np.testing.assert_allclose(train.labels.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(train.labels.max(axis=1), 0.91, rtol=1e-6)
    assert inputs.smoothed(data, 0.0) is data


def test_methods_of_both_libraries_learn_from_smoothed_targets():
    pytest.importorskip("torch")
    settings = {"AdamW": {"rate": 1e-2, "batch": 128, "decay": 0.0}, "COPI subspace, rank 0": {"rate": 0.1}}
    settings["COPI subspace, rank 0"] |= {"batch": 128, "decay": 0.0, "momentum": 0.9}
    for method, setting in settings.items():
        what = race.Trial(
            Entry("digits", method, "standardised"), {**setting, "smoothing": 0.1}, 3, 0, best.FINAL
        )
        found = race.run_trial(what)
        assert not found.error
        assert found.loss[-1] < found.loss[0]
        assert found.test > 0.5
