"""The race against tuned rivals: drawing, choosing, keeping and running. No time is asserted."""

import math

import numpy as np
import pytest
from assertions import within
from raced import DIGITS, Entry, Row, Trial, row
from repository import benchmark

inputs, learning, plan = benchmark("tuned.inputs"), benchmark("tuned.learning"), benchmark("tuned.plan")
tables = benchmark("tuned.tables")
ablation, methods = benchmark("tuned.ablation"), benchmark("tuned.pycopi_methods")
race, spaces, store = benchmark("tuned.race"), benchmark("tuned.spaces"), benchmark("tuned.store")


def assert_within_range(value, own):
    """Raise unless a drawn value is one of a range, whose ends are written with three digits."""
    if isinstance(own, spaces.Log):
        assert 0.994 * own.low <= value <= 1.006 * own.high
    else:
        assert value in own


class TestSpaces:
    @pytest.mark.parametrize("method", spaces.SPACES)
    def test_draws_are_the_same_each_time_and_within_their_ranges(self, method):
        space = spaces.SPACES[method]
        drawn = spaces.first(space)
        assert drawn == spaces.first(space)
        assert len(drawn) == spaces.SETTINGS
        for setting in drawn:
            assert setting.keys() == {"rate", *space.others}
            for name, own in {"rate": space.range, **space.others}.items():
                assert_within_range(setting[name], own)

    def test_each_part_of_the_range_of_a_rate_has_one_setting(self):
        space = spaces.SPACES["SGD"]
        low, high = np.log(space.range)
        places = [(math.log(one["rate"]) - low) / (high - low) for one in spaces.first(space)]
        assert sorted(int(place * spaces.SETTINGS) for place in places) == list(range(spaces.SETTINGS))

    @pytest.mark.parametrize(("share", "above"), [(0.1, False), (0.9, True)])
    def test_a_best_rate_at_an_edge_brings_settings_beyond_it(self, share, above):
        space = spaces.SPACES["AdamW"]
        low, high = space.range
        more, covered = spaces.beyond(space, space.range, low * (high / low) ** share, 1)
        assert len(more) == spaces.MORE
        rates = [one["rate"] for one in more]
        assert min(rates) >= 0.994 * high if above else max(rates) <= 1.006 * low
        assert covered.low <= min(rates) * 1.006
        assert covered.high >= max(rates) * 0.994

    def test_a_best_rate_inside_brings_none(self):
        space = spaces.SPACES["AdamW"]
        assert spaces.beyond(space, space.range, space.rate, 1) is None

    def test_the_last_settings_are_near_the_best_rate(self):
        rates = [one["rate"] for one in spaces.near(spaces.SPACES["SGD"], 0.5)]
        assert len(set(rates)) == spaces.CLOSER
        assert all(0.5 / 2.7 < rate < 0.5 * 2.7 for rate in rates)


class TestChoosing:
    def test_validation_alone_decides(self):
        good, bad = ({"rate": rate, "batch": 128} for rate in (0.1, 0.2))
        rows = [row(setting=good, score=0.6), row(setting=bad, score=0.5, test=0.9)]
        assert race.choose(rows).setting == good

    def test_a_failure_counts_as_nothing_right(self):
        steady, bold = ({"rate": rate, "batch": 128} for rate in (0.1, 0.2))
        rows = [row(setting=steady, seed=seed, score=0.4) for seed in (0, 1)]
        rows += [row(setting=bold, seed=0, score=0.7), row(setting=bold, seed=1, score=0.7, error="diverged")]
        chosen = race.choose(rows)
        assert chosen.setting == steady
        assert chosen.settings == 2

    def test_final_rows_do_not_choose(self):
        other = {"rate": 0.2, "batch": 128}
        rows = [row(score=0.4), row(setting=other, part="final", score=0.9, test=0.9)]
        assert race.choose(rows).setting == {"rate": 0.1, "batch": 128}

    def test_a_search_is_widened_until_the_best_rate_is_inside(self):
        space, tried = spaces.SPACES["SGD"], []

        def run(what):
            tried.append(what)
            place = abs(math.log(what.setting["rate"] / (space.range.high * 1.5)))
            return Row(what, (1 / (1 + place),), (1.0,), (1.0,), None, "")

        chosen = race.search(Entry("digits", "SGD", "raw"), run)
        assert chosen.settings == spaces.SETTINGS + spaces.MORE + spaces.CLOSER
        assert chosen.setting["rate"] > space.range.high
        assert {what.part for what in tried} == {"search"}


class TestRuns:
    def test_what_is_there_is_not_run_again(self, tmp_path):
        asked, said = [], []

        def runner(what):
            asked.append(what)
            return Row(what, (0.5,), (1.0,), (0.1,), None, "")

        stages = [race.Stage((DIGITS,), 2, (1, 2))]
        before = list(race.walk(stages, race.kept(tmp_path, said.append, runner)))
        count = len(asked)
        assert count == len(set(what.key for what in asked)) == len(list(tmp_path.glob("*.json"))) == len(said)
        assert list(race.walk(stages, race.kept(tmp_path, said.append, runner))) == before
        assert len(asked) == count

    def test_a_race_that_was_stopped_goes_on(self, tmp_path):
        left = [5]

        def runner(what):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return Row(what, (0.5,), (1.0,), (0.1,), None, "")

        stages = [race.Stage((DIGITS,), 1, (1,))]
        run = race.kept(tmp_path, lambda text: None, runner)
        with pytest.raises(KeyboardInterrupt):
            list(race.walk(stages, run))
        assert len(list(tmp_path.glob("*.json"))) == 5
        left[0] = 1000
        assert [entry for entry, _ in race.walk(stages, run)] == [DIGITS]

    def test_the_key_is_of_the_content_alone(self):
        one = row(setting={"rate": 0.1, "batch": 128}).trial
        assert one.key == row(setting={"batch": 128, "rate": 0.1}).trial.key
        assert one.key != one._replace(seed=1).key

    def test_rows_come_back_from_a_folder_and_from_a_file(self, tmp_path):
        rows = store.ordered([row(), row(part="final", test=0.25), row(seed=1, error='diverged, "so"')])
        for one in rows:
            store.keep(tmp_path, one)
        assert store.all_rows(tmp_path) == rows
        store.write_rows(tmp_path / "rows.csv", rows)
        assert store.read_rows(tmp_path / "rows.csv") == rows

    @pytest.mark.parametrize("method", spaces.SPACES)
    def test_every_method_runs_and_only_finals_read_the_test_set(self, method):
        if method in ("SGD", "AdamW", "Muon", "SOAP"):
            pytest.importorskip("torch")
        setting = spaces.first(spaces.SPACES[method])[0]
        setting["rate"] = spaces.SPACES[method].rate
        what = Trial(Entry("digits", method, "raw"), setting, 2, 0, "search")
        found, final = race.run_trial(what), race.run_trial(what._replace(part="final"))
        assert found.error == final.error == ""
        assert found.test is None
        assert 0 <= final.test <= 1
        assert found.validation == final.validation
        assert len(found.validation) == len(found.loss) == len(found.seconds) == 2
        assert found.loss[1] < found.loss[0]

    def test_a_divergence_is_a_row(self):
        setting = {**spaces.first(spaces.SPACES["COPI subspace, rank 0"])[0], "rate": 1e12}
        found = race.run_trial(Trial(DIGITS, setting, 2, 0, "final"))
        assert found.error
        assert found.test is None
        assert found.score == 0.0

    def test_a_divergence_in_pytorch_is_a_row(self):
        pytest.importorskip("torch")
        setting = {**spaces.first(spaces.SPACES["SGD"])[0], "rate": 1e12}
        found = race.run_trial(Trial(Entry("digits", "SGD", "raw"), setting, 2, 0, "final"))
        assert found.error.startswith("diverged in epoch 1")

    def test_the_order_of_the_rows_is_that_of_fit(self):
        import pycopi
        from pycopi.training.batches import open_batches

        network = pycopi.mlp([1, 2], bias=True)
        x, y = np.arange(7, dtype=np.float32)[:, None], np.zeros(7, np.int64)
        batches = open_batches(network, network.init(0, like=x), x, y, batch_size=3, seed=5)
        for epoch in range(2):
            wanted = [list(rows[:, 0]) for rows, _ in batches.epoch(epoch)]
            assert [list(rows) for rows in learning.rows_of_epoch(7, 3, 5, epoch)] == wanted

    def test_the_plan_runs_every_method_and_reads_finals_with_fresh_seeds(self):
        assert {entry.method for stage in plan.PLAN for entry in stage.entries} == set(spaces.SPACES)
        assert not set(race.SEARCH_SEEDS) & set(race.FINAL_SEEDS)
        only = plan.planned(["mnist"], ["SGD"], 2)
        assert {(entry.network, entry.method) for stage in only for entry in stage.entries} == {
            ("mnist", "SGD")
        }
        assert {stage.seeds for stage in only} == {2}


class TestInputs:
    def test_the_parts_do_not_meet_and_the_last_rows_are_for_choosing(self):
        import pycopi

        whole, data = pycopi.data.load_dataset("digits"), inputs.load("digits", "raw")
        count = inputs.VALIDATION["digits"]
        assert np.array_equal(data.train.inputs, whole.x_train[:-count])
        assert np.array_equal(data.validation.inputs, whole.x_train[-count:])
        assert np.array_equal(data.test.inputs, whole.x_test)

    def test_standardised_columns_have_mean_0_and_spread_1_at_most(self):
        found = inputs.load("digits", "standardised").train.inputs
        spread = found.std(0)
        assert np.abs(found.mean(0)).max() < 1e-5
        assert spread.max() < 1 + 1e-4
        assert np.median(spread) > 0.9

    def test_whitened_inputs_are_uncorrelated_and_near_the_raw_ones(self):
        found = inputs.load("digits", "whitened").train.inputs.astype(np.float64)
        moments = found.T @ found / len(found)
        assert np.abs(moments - np.diag(np.diag(moments))).max() < 0.3
        raw = inputs.load("digits", "raw").train.inputs
        large = raw.std(0) > 0.2
        pairs = zip(raw.T[large], found.T[large], strict=True)
        assert min(np.corrcoef(one, other)[0, 1] for one, other in pairs) > 0.5  # what ZCA is for

    def test_an_unknown_variant_is_named(self):
        with pytest.raises(ValueError, match=within("expected one of raw, standardised, whitened")):
            inputs.load("digits", "cooked")


class TestAblation:
    def test_each_part_that_is_left_out_changes_what_is_learned(self):
        found = {}
        for part in ablation.parts("digits"):
            if part.name == "parts, raw inputs":
                row = race.run_trial(part.bounded[0])
                assert not row.error
                found[part.value] = row.loss
                for own, bound in ((part.bounded, 0.05), (part.unbounded, None)):
                    _, settings = methods.ablated((64, 10), own[0].setting)
                    assert settings.optimizer.step_bound == bound
        assert found.keys() == {*ablation.PARTS, "none"}
        assert len(set(found.values())) == len(found)

    def test_a_value_has_a_row_when_all_its_trials_are_there(self):
        _, value, (*others, last), unbounded = next(iter(ablation.parts("digits")))
        rows = [Row(trial, (0.5,), (1.0,), (1.0,), None, "") for trial in others]
        assert {name for name, *_ in ablation.table("digits", rows).rows} == {*ablation.SWEEPS} - {"bound"}
        rows.append(Row(last, (0.7,), (1.0,), (1.0,), None, ""))
        first = ablation.table("digits", rows).rows[0]
        assert first == ("parts, raw inputs", value, "50.0, 50.0, **60.0**", "")
        rows += [Row(trial, (0.5,), (1.0,), (1.0,), None, "") for trial in unbounded]
        assert ablation.table("digits", rows).rows[0][3] == "**50.0**, **50.0**, **50.0**"

    def test_the_race_s_tables_leave_its_rows_alone(self):
        part = next(iter(ablation.parts("digits")))
        assert tables.found_in([Row(part.bounded[0], (0.5,), (1.0,), (1.0,), None, "")], ()) == []
