"""The race's tables: times and their intervals, steps, and pages that follow from rows. No time is asserted."""

import math
import subprocess
import sys

import pytest
from raced import Entry, row
from repository import ROOT, benchmark

page, spaces, steps = benchmark("tuned.page"), benchmark("tuned.spaces"), benchmark("tuned.steps")
store, times, command = benchmark("tuned.store"), benchmark("tuned.times"), benchmark("tuned.__main__")

equal = benchmark("tuned.equal")
arithmetic, AS_IT_IS = benchmark("tuned.arithmetic"), benchmark("tuned.pycopi_methods").AS_IT_IS

RUNS = {1: {0: 0.5, 1: 0.5}, 2: {0: 0.7, 1: 0.7}, 4: {0: 0.8, 1: 0.8}}


class TestTimes:
    def test_the_time_is_between_two_lengths(self):
        assert times.seconds_to(0.6, RUNS, 10.0, [0, 1]) == pytest.approx(15.0)
        assert times.seconds_to(0.8, RUNS, 10.0, [0, 1]) == pytest.approx(40.0)

    def test_beyond_the_runs_nothing_is_invented(self):
        assert times.seconds_to(0.9, RUNS, 10.0, [0, 1]) == math.inf
        assert math.isnan(times.seconds_to(0.4, RUNS, 10.0, [0, 1]))

    def test_alike_sides_have_a_ratio_of_1_whatever_the_seeds(self):
        runs = {epochs: {seed: 0.1 * epochs + 0.01 * seed for seed in range(5)} for epochs in (1, 2, 4)}
        assert times.ratio(0.25, runs, 3.0, runs, 3.0) == (1.0, 1.0, 1.0)
        value, low, high = times.ratio(0.25, runs, 3.0, runs, 6.0)
        assert (value, low, high) == (0.5, 0.5, 0.5)

    def test_the_interval_is_wider_where_seeds_disagree(self):
        slow = {1: {0: 0.1, 1: 0.3, 2: 0.2}, 4: {0: 0.9, 1: 0.7, 2: 0.5}}
        fast = {1: {0: 0.3, 1: 0.3, 2: 0.3}, 4: {0: 0.9, 1: 0.9, 2: 0.9}}
        value, low, high = times.ratio(0.5, slow, 1.0, fast, 1.0)
        assert low < value < high

    def test_one_seed_has_no_interval(self):
        one = {epochs: {0: accuracy} for epochs, accuracy in ((1, 0.5), (2, 0.7))}
        assert times.ratio(0.6, one, 1.0, one, 1.0) is None


@pytest.fixture
def files(tmp_path):
    """Rows and steps of two methods on the digits, and a page with places for their tables."""
    setting = {"rate": 0.1, "batch": 128}
    rows = []
    for method, inputs_of, add in (("AdamW", "standardised", 0.0), ("COPI subspace", "raw", 0.05)):
        entry = Entry("digits", method, inputs_of)
        rows += [row(entry, setting, seed=seed, score=0.6 + add) for seed in (0, 1)]
        rows += [
            row(
                entry,
                setting,
                part="final",
                epochs=epochs,
                seed=seed,
                test=score + add + 0.01 * (seed - 100),
            )
            for epochs, score in ((1, 0.6), (8, 0.7))
            for seed in (100, 101)
        ]
    store.write_rows(tmp_path / "tuned.csv", rows)
    found = [
        steps.Step("digits", name, 128, seconds) for name, seconds in (("AdamW", 2.0), ("COPI subspace", 1.0))
    ]
    steps.write_steps(tmp_path / "tuned-steps.csv", found)
    places = (
        "tuned digits",
        "tuned settings digits",
        "tuned times digits",
        "tuned steps digits",
        "tuned equal digits",
        "tuned mnist",
    )
    (tmp_path / "page.md").write_text("".join(f"# A\n\n<!-- {name} -->\n<!-- end -->\n" for name in places))
    return tmp_path


def on(action, files):
    return command.main([action, str(files / "tuned.csv"), str(files / "page.md")])


class TestEqual:
    RUNS = (equal.Complete(1, 0.5, 0.51), equal.Complete(2, 0.7, 0.68), equal.Complete(4, 0.6, 0.69))

    @pytest.mark.parametrize(
        ("seconds", "accuracy"), [(9.9, None), (10.0, 0.51), (20.0, 0.68), (40.0, 0.68), (999.0, 0.68)]
    )
    def test_the_run_that_fits_and_is_best_on_validation_rows_counts(self, seconds, accuracy):
        assert equal.reached(seconds, self.RUNS, 10.0) == accuracy

    def test_runs_of_one_length_and_setting_are_one_mean_and_a_divergence_is_nothing(self):
        run = {"part": "final", "epochs": 1, "score": 0.6}
        rows = [row(seed=0, test=0.5, **run), row(seed=1, test=None, error="diverged", **run)]
        rows.append(row(setting={"rate": 0.2, "batch": 128}, seed=0, test=0.7, **run))
        found = equal.complete(rows)
        assert found == [equal.Complete(1, 0.3, 0.25), equal.Complete(1, 0.6, 0.7)]

    def test_the_columns_are_tenths_of_the_rivals_longest_runs(self, files):
        on("page", files)
        text = " ".join((files / "page.md").read_text().split())
        assert "| COPI subspace (raw) | 0.6550 | 0.6550 |" in text
        assert "| AdamW (standardised) | - | 0.6050 |" in text


class TestArithmetic:
    def test_backpropagation_takes_three_products_a_layer_and_the_first_two(self):
        assert arithmetic.operations("SGD", (100, 20, 10), {}) == 4 * 100 * 20 + 6 * 20 * 10

    def test_directions_are_projected_changed_and_gathered(self):
        inputs, perturbations = 4.5 * (100 * 8 + 20 * 8), 4.5 * (20 * 8 + 10 * 8)
        plain = arithmetic.operations("AdamW", (100, 20, 10), {})
        setting = {"rank": 8}
        assert arithmetic.operations("COPI subspace", (100, 20, 10), setting) == plain + inputs + perturbations
        assert arithmetic.operations("COPI subspace, inputs only", (100, 20, 10), setting) == plain + inputs
        assert arithmetic.operations("FOOF", (100, 20, 10), {}) == plain + 4.5 * (100**2 + 20**2)

    def test_outputs_no_wider_than_the_directions_are_left_alone(self):
        found = arithmetic.operations("COPI subspace, bounded", (100, 20, 10), {"rank": 16})
        assert found == 4 * 100 * 20 + 6 * 20 * 10 + 4.5 * (100 * 16 + 20 * 16 + 20 * 16)

    def test_what_is_not_known_is_not_guessed(self):
        assert arithmetic.operations("Muon", (100, 20, 10), {}) is None


class TestPicture:
    def test_a_picture_has_the_networks_that_were_run(self, files, monkeypatch):
        pytest.importorskip("matplotlib")
        picture = benchmark("tuned.picture")
        monkeypatch.setattr(picture, "TITLES", {"digits": "digits", "mnist": "MNIST"})
        drawn = []
        monkeypatch.setattr(picture, "write_figure", lambda figure, path: drawn.append((figure, path)))
        assert command.main(["picture", str(files / "tuned.csv"), str(files / "race.png")]) == 0
        ((figure, path),) = drawn
        assert path == files / "race.png"
        assert [axes.get_xlabel()[:4] for axes in figure.axes] == ["epoc", "arit", "proc"]
        lines = [axes.lines[0].get_xydata() for axes in figure.axes]  # of AdamW, at one and eight epochs
        assert lines[0].tolist() == [[1.0, pytest.approx(60.5)], [8.0, pytest.approx(70.5)]]
        assert lines[2][:, 0] == pytest.approx([20.0, 160.0])  # ten steps of two seconds an epoch


class TestPage:
    def test_a_page_made_from_rows_passes_the_audit(self, files):
        assert on("page", files) == 0
        text = (files / "page.md").read_text()
        assert (
            "| COPI subspace (raw) | 2 | 0 | 0.6500 | 2 | 0.6550 ± 0.0071 | - | - | 0.7550 ± 0.0071 |"
            in " ".join(text.split())
        )
        assert "Not run yet." in text.partition("<!-- tuned mnist -->")[2]
        assert on("audit", files) == 0

    def test_the_audit_is_red_when_a_number_is_changed_by_hand(self, files, capsys):
        on("page", files)
        text = (files / "page.md").read_text()
        (files / "page.md").write_text(text.replace("0.7550", "0.7650"))
        assert on("audit", files) == 1
        assert "0.7650" in capsys.readouterr().out

    def test_the_audit_is_red_when_a_row_is_changed(self, files):
        on("page", files)
        text = (files / "tuned.csv").read_text()
        (files / "tuned.csv").write_text(text.replace(",0.76,", ",0.66,"))
        assert on("audit", files) == 1

    def test_the_audit_is_red_without_a_place(self, files, capsys):
        (files / "page.md").write_text("no tables")
        assert on("audit", files) == 1
        assert "no place" in capsys.readouterr().out

    def test_times_are_those_of_the_steps(self, files):
        on("page", files)
        words = " ".join((files / "page.md").read_text().split())
        epoch = 10 * 2.0  # 1,237 rows by 128 make ten steps
        assert f"| AdamW (standardised) | {3.065 * epoch:.1f} | - | - |" in words
        assert "| COPI subspace (raw) | under 10.0 | under 0.16 | - |" in words
        assert " 40.1 | 0.27 (" in words

    def test_every_setting_that_was_tried_is_printed(self, files, capsys):
        command.main(["search", str(files / "tuned.csv")])
        assert "| rate 0.1, batch 128 |" in capsys.readouterr().out.replace(
            "batch 128, rate 0.1", "rate 0.1, batch 128"
        )


@pytest.mark.parametrize("name", ["performance.md", "fair.md", "which.md"])
def test_the_pages_follow_from_the_rows(name):
    assert page.faults((ROOT / "docs" / name).read_text("utf-8"), ROOT / "docs/results/tuned.csv") == []


def test_steps_are_measured_for_chosen_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "CALLS", 2)
    setting = spaces.first(spaces.SPACES["COPI subspace"])[0]
    found = steps.measure(
        "digits",
        {"COPI subspace": setting, "COPI exact": spaces.first(spaces.SPACES["COPI exact"])[0], AS_IT_IS: {}},
        turns=1,
    )
    names = "COPI subspace", "COPI exact", AS_IT_IS
    assert [(one.method, one.batch) for one in found] == [
        (name, batch) for batch in steps.BATCHES for name in names
    ]
    steps.write_steps(tmp_path / "steps.csv", found)
    assert [one[:3] for one in steps.read_steps(tmp_path / "steps.csv")] == [one[:3] for one in found]


def test_the_command_says_what_it_does():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tuned", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "audit" in done.stdout
