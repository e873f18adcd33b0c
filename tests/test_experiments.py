"""Plans of runs: that each method learns, and that a plan survives a kill, a failure and a second process."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from assertions import exactly

import pycopi
from pycopi._lock import locked
from pycopi.experiments import pictures, runner
from pycopi.experiments.checks import check_compression, check_peaks
from pycopi.experiments.plan import ALL, EXPERIMENTS, FULL, Run, Size, compare_methods
from pycopi.experiments.published import COMPRESSION
from pycopi.experiments.results import Result, as_json, collect, summarise
from pycopi.experiments.runner import Source, Watcher, run_plan
from pycopi.experiments.store import RunFolder, describe, describe_epoch
from pycopi.presets import METHODS, PRESETS

SHORT = [Run(data="digits", method=name, seed=0, epochs=4) for name in METHODS]
PAIR = [replace(SHORT[0], epochs=3), Run(data="digits", method="bp-adam", seed=1, epochs=3)]

PLAN = """
import sys
from pathlib import Path
from pycopi.experiments.plan import Run
from pycopi.experiments.runner import Watcher, run_plan

class Lines(Watcher):
    def epoch(self, run, entry, seconds):
        print(run.name, entry["epoch"], flush=True)

runs = [Run(data="digits", method=name, seed=0, epochs=5) for name in ("copi-fa", "bp-adam-published")]
run_plan(runs, Path(sys.argv[1]), watcher=Lines())
"""
KILLED = [Run(data="digits", method=name, seed=0, epochs=5) for name in ("copi-fa", "bp-adam-published")]


def results_text(runs, output):
    """Return what would be in results.json."""
    return json.dumps(as_json(collect(runs, output, "clock")))


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The folder of a short plan of every method, which is only read."""
    folder = tmp_path_factory.mktemp("plan")
    run_plan(SHORT, folder)
    return folder


@pytest.mark.parametrize("run", SHORT, ids=list(METHODS))
def test_every_method_learns_the_digits(output, run):
    record = RunFolder.of(output, run).record()
    assert record["failure"] is None
    assert len(record["epochs"]) == run.epochs
    assert record["epochs"][-1]["train_accuracy"] > 0.93
    assert record["epochs"][-1]["test_accuracy"] > 0.93
    assert record["settings"] == describe(run)["settings"]
    first = record["epochs"][0]
    assert (first["weight_rate"] == 0) == run.preset.decorrelated
    assert first["decorrelation_rate"] > 0
    times = RunFolder.of(output, run).timings()["seconds"]
    assert len(times["clock"]) == len(times["processor"]) == run.epochs


def test_methods_are_told_apart_by_their_settings():
    seen = [json.dumps(describe(run)["settings"], sort_keys=True) for run in SHORT]
    assert len(set(seen)) == len(METHODS)


def test_the_papers_settings():
    mnist, cifar10 = PRESETS["mnist"], PRESETS["cifar10"]
    assert (mnist.hidden, cifar10.hidden) == ((500,) * 6, (1000,) * 4)
    for preset in (mnist, cifar10):
        settings = preset.using("copi-bp").settings
        assert settings == preset.settings == pycopi.presets.PAPER
        assert (settings.rate, settings.gain, settings.decorrelation.rate) == (1e-3, 1000.0, 1e-3)
        gradient = preset.using("bp-decor").settings
        assert gradient.rate * gradient.gain == 1.0
        adam = preset.using("bp-adam-published").settings
        assert (adam.rate, adam.gain, adam.optimizer) == (1e-4, 1.0, pycopi.Adam(correction="constant"))
        assert preset.using("bp-adam").settings.optimizer == pycopi.Adam()
    assert (FULL.seeds, FULL.epochs) == (5, 100)


def test_results_are_those_of_the_library(output):
    """The runner adds nothing to what fit does by itself."""
    run, preset = SHORT[0], PRESETS["digits"]
    data = Source().load("digits")
    network = pycopi.mlp([64, 128, 128, 10])
    state = pycopi.fit(
        network,
        network.init(0),
        data.x_train,
        data.y_train,
        epochs=run.epochs,
        settings=preset.settings,
        batch_size=preset.batch_size,
        validation=(data.x_test, data.y_test),
    )
    record = RunFolder.of(output, run).record()
    assert [entry["loss"] for entry in record["epochs"]] == [entry.loss for entry in state.history]
    wanted = pycopi.evaluate(network, state.parameters, data.x_train, data.y_train)
    assert record["epochs"][-1]["train_accuracy"] == wanted.accuracy
    assert record["epochs"][-1]["train_loss"] == wanted.loss


def test_killed_at_random_moments_a_plan_gives_the_same_results(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run_plan(KILLED, whole)
    moments, kills = random.Random(3), 0
    for _ in range(20):
        process = subprocess.Popen([sys.executable, "-c", PLAN, broken], stdout=subprocess.PIPE, text=True)
        for _ in range(moments.randrange(1, 4)):
            ended = not process.stdout.readline()
        time.sleep(moments.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
        kills += process.wait() == -signal.SIGKILL
        if ended:
            break
    assert kills >= 3
    assert ended
    assert results_text(KILLED, broken) == results_text(KILLED, whole)
    for run in KILLED:
        one, other = (
            pycopi.load(RunFolder.of(place, run).path / "model.safetensors") for place in (whole, broken)
        )
        assert one.details["epochs"] == other.details["epochs"]
        for own, same in zip(one.parameters, other.parameters, strict=True):
            for left, right in zip(own, same, strict=True):
                assert left is None or left.tobytes() == right.tobytes()


def test_a_kill_between_model_and_record_is_mended(tmp_path):
    run_plan(PAIR[:1], tmp_path)
    before = results_text(PAIR[:1], tmp_path)
    folder = RunFolder.of(tmp_path, PAIR[0]).path
    record = json.loads((folder / "record.json").read_text())
    record["epochs"].pop()
    (folder / "record.json").write_text(json.dumps(record))
    run_plan(PAIR[:1], tmp_path)
    assert results_text(PAIR[:1], tmp_path) == before


def test_a_finished_run_is_not_repeated_and_a_longer_one_goes_on(tmp_path):
    run_plan(PAIR, tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    seen = []

    class Epochs(Watcher):
        def epoch(self, run, entry, seconds):
            seen.append((run.name, entry["epoch"]))

    run_plan(PAIR, tmp_path, watcher=Epochs())
    assert seen == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")} == stamps
    longer = [replace(PAIR[0], epochs=5), PAIR[1]]
    run_plan(longer, tmp_path, watcher=Epochs())
    assert seen == [(PAIR[0].name, 4), (PAIR[0].name, 5)]
    fresh = tmp_path / "fresh"
    run_plan(longer, fresh)
    assert results_text(longer, tmp_path) == results_text(longer, fresh)
    assert results_text(PAIR, tmp_path) == results_text(PAIR, fresh)  # a shorter plan reads the first epochs


def test_a_run_of_an_older_version_goes_on(tmp_path):
    run_plan(PAIR[:1], tmp_path / "old")
    model = RunFolder.of(tmp_path / "old", PAIR[0]).path / "model.safetensors"
    network, parameters, details = pycopi.load(model)
    older = {name: details[name] for name in ("epochs", "seconds")}
    pycopi.save(model, network, parameters, details=older)
    longer = [replace(PAIR[0], epochs=5)]
    for place in ("old", "new"):
        run_plan(longer, tmp_path / place)
    assert results_text(longer, tmp_path / "old") == results_text(longer, tmp_path / "new")


def test_a_run_does_not_go_on_with_other_data(tmp_path):
    class Other(Source):
        def load(self, name):
            data = super().load(name)
            return data._replace(x_train=data.x_train[:, ::-1])

    run_plan(PAIR[:1], tmp_path)
    before = collect(PAIR[:1], tmp_path, "clock")[0].epochs
    run_plan([replace(PAIR[0], epochs=5)], tmp_path, Other())
    (failed,) = collect([replace(PAIR[0], epochs=5)], tmp_path, "clock")
    folder = RunFolder.of(tmp_path, PAIR[0]).path
    assert failed.record["failure"]["reason"] == (
        f"ValueError: digits is not what the run in {folder} was trained on: x_train has other values; "
        f"resume it with the same data, or name another folder with --output"
    )
    assert failed.epochs == before


def test_a_loss_that_is_not_finite_is_in_the_record():
    record = pycopi.EpochRecord(1, math.inf, 0.5, math.nan, 0.5, (0.1,), 1e-3, 1e-3, 4, 0.1)
    entry = json.loads(json.dumps(describe_epoch(record, -math.inf, 0.5), allow_nan=False))
    assert [entry[name] for name in ("loss", "test_loss", "train_loss")] == ["inf", "nan", "-inf"]
    run = Run(data="digits", method="copi-bp", seed=0, epochs=1)
    result = Result(run, {"epochs": [entry]}, {}, "finished")
    assert result.values("loss") == [math.inf]
    assert math.isnan(result.values("test_loss")[0])


def test_a_diverged_run_is_reported_and_the_rest_goes_on(tmp_path):
    wild = replace(PAIR[0], gain=1e9)
    ends = []

    class Ends(Watcher):
        def end(self, run, failure):
            ends.append((run.name, failure and failure["kind"]))

    run_plan([wild, PAIR[1]], tmp_path, watcher=Ends())
    assert ends == [(wild.name, "diverged"), (PAIR[1].name, None)]
    diverged, finished = collect([wild, PAIR[1]], tmp_path, "clock")
    assert (diverged.status, finished.status) == ("diverged", "finished")
    assert diverged.record["failure"]["epoch"] == 2
    assert diverged.record["failure"]["reason"].startswith("training diverged in layer ")
    assert len(diverged.epochs) == 1
    run_plan([wild, PAIR[1]], tmp_path, watcher=Ends())
    assert len(ends) == 2  # what diverged once diverges again


def test_a_failed_run_is_reported_and_tried_again(tmp_path, monkeypatch):
    def fail(*arguments, **keywords):
        raise MemoryError("no room")  # noqa: EM101

    with monkeypatch.context() as patch:
        patch.setattr(runner, "fit", fail)
        run_plan(PAIR, tmp_path)
    failed = collect(PAIR, tmp_path, "clock")
    assert [result.status for result in failed] == ["failed", "failed"]
    assert failed[0].record["failure"]["reason"] == "MemoryError: no room"
    run_plan(PAIR, tmp_path)
    assert [result.status for result in collect(PAIR, tmp_path, "clock")] == ["finished", "finished"]


def test_another_process_is_kept_out(tmp_path):
    place = tmp_path / "runs" / "digits"
    message = f"another run is at work in {place}; wait until it ends, or name another folder with --output"
    with locked(place), pytest.raises(BlockingIOError, match=exactly(message)):
        run_plan(PAIR, tmp_path)
    run_plan(PAIR, tmp_path)  # the lock is free again


def test_a_run_with_other_settings_is_not_taken_for_the_same(tmp_path):
    run_plan(PAIR[1:], tmp_path)
    folder = RunFolder.of(tmp_path, PAIR[1]).path
    record = json.loads((folder / "record.json").read_text())
    record["batch_size"] = 7
    (folder / "record.json").write_text(json.dumps(record))
    message = f"{folder} holds a run with batch_size 7 but the plan has 20; name another folder with --output"
    with pytest.raises(ValueError, match=exactly(message)):
        run_plan(PAIR[1:], tmp_path)


def test_a_damaged_record_says_what_to_do(tmp_path):
    folder = RunFolder.of(tmp_path, PAIR[0])
    folder.path.mkdir(parents=True)
    (folder.path / "record.json").write_text("{")
    with pytest.raises(
        ValueError, match=r"record\.json: not a JSON file \(.*\); remove it to have the run made anew$"
    ):
        folder.record()


def test_experiments_share_their_runs():
    plans = {name: EXPERIMENTS[name].runs(Size()) for name in EXPERIMENTS}
    assert set(ALL) | {"digits"} == set(plans)
    assert len(plans["mnist"]) == 3 * (len(METHODS) + 1)
    assert len(plans["cifar10"]) == len(METHODS) + 1  # feedback alignment at a steadier gain
    assert len(plans["learning-rates"]) == 6
    shared = set(plans["learning-rates"]) & set(plans["cifar10"])
    assert {run.name for run in shared} == {"copi-bp-seed-0", "bp-adam-published-seed-0"}
    assert set(plans["analyses"]) <= set(plans["mnist"]) | set(plans["cifar10"])
    names = [(run.data, run.name) for plan in plans.values() for run in set(plan)]
    assert len(set(names)) == len({run for plan in plans.values() for run in plan})


def make_result(run, train, test, seconds=1.0):
    """Return a result with these accuracies by epoch, each epoch of as many seconds."""
    entries = [
        {"epoch": index + 1, "train_accuracy": one, "test_accuracy": other}
        for index, (one, other) in enumerate(zip(train, test, strict=True))
    ]
    record = {**describe(run), "failure": None, "epochs": entries}
    times = {"clock": [seconds] * len(entries), "processor": [2 * seconds] * len(entries)}
    return Result(run, record, {"seconds": times, "environment": {}}, "finished")


def test_peaks_over_seeds_by_hand():
    run = Run(data="cifar10", method="copi-bp", seed=0, epochs=4)
    results = [
        make_result(run, [0.1, 0.9, 1.0, 1.0], [0.1, 0.565, 0.570, 0.560], 2.0),
        make_result(replace(run, seed=1), [0.1, 0.995, 1.0, 1.0], [0.1, 0.5, 0.576, 0.574], 4.0),
    ]
    (summary,) = summarise(results)
    assert summary.test.mean == pytest.approx(0.573, abs=1e-12)
    assert summary.test.deviation == pytest.approx(0.006 / math.sqrt(2), abs=1e-12)
    assert summary.test.epoch == 3.0
    assert summary.test.near == 3.0  # 0.99 * 0.573 = 0.56727, which 0.565 does not reach
    assert summary.test.seconds == pytest.approx(9.0)
    assert summary.train.near == 2.5
    assert [result._replace(clock="processor").seconds[-1] for result in results] == [16.0, 32.0]


@pytest.mark.parametrize(("peak", "verdict"), [(0.5789, "agrees"), (0.5800, "differs"), (0.5600, "differs")])
def test_peaks_are_judged(peak, verdict):
    run = Run(data="cifar10", method="copi-bp", seed=0, epochs=2)
    (check,) = check_peaks(summarise([make_result(run, [0.1, 0.9], [0.1, peak])]))
    assert (check.wanted, check.found, check.verdict) == ("0.573 ± 0.006", f"{peak:.4f}", verdict)
    assert ("the best epoch is the last of 2" in check.reason) == (verdict == "differs")


def test_what_is_not_finished_is_not_said_to_differ():
    run = Run(data="cifar10", method="copi-bp", seed=0, epochs=9)
    result = make_result(run, [0.1, 0.9], [0.1, 0.5])._replace(status="incomplete")
    (check,) = check_peaks(summarise([result]))
    assert check.verdict == "unfinished"
    assert check.reason.startswith("seed 0 incomplete after 2 epochs; ")


def test_varied_runs_are_not_judged():
    run = Run(data="cifar10", method="copi-bp", seed=0, epochs=2, gain=10.0)
    assert check_peaks(summarise([make_result(run, [0.1, 0.9], [0.1, 0.2])])) == []


def test_a_steadier_run_is_judged_under_its_own_name():
    run = Run(data="cifar10", method="copi-fa", seed=0, epochs=2, gain=300.0)
    (check,) = check_peaks(summarise([make_result(run, [0.1, 0.9], [0.1, 0.52])]))
    assert check.what == "CIFAR-10, COPI, feedback alignment, gain 300: peak test accuracy"
    assert check.verdict == "agrees"
    other = replace(run, gain=100.0)
    assert check_peaks(summarise([make_result(other, [0.1, 0.9], [0.1, 0.52])])) == []


def test_a_varied_run_can_be_told_from_the_method_in_a_picture(tmp_path, monkeypatch):
    run = Run(data="cifar10", method="copi-fa", seed=0, epochs=2)
    results = [make_result(one, [0.1, 0.9], [0.1, 0.5]) for one in (run, replace(run, gain=300.0))]
    for result in results:
        for entry in result.record["epochs"]:
            entry.update(train_loss=0.3, test_loss=0.4)
    summaries = summarise(results)
    drawn = []
    monkeypatch.setattr(pictures, "compare_curves", lambda curves, path, **how: drawn.append(curves))
    pictures.method_pictures(summaries, tmp_path, "cifar10")
    assert len(drawn) == 8
    assert all(len({curve.style for curve in curves}) == len(curves) == 2 for curves in drawn)


def test_compression_is_judged():
    published = COMPRESSION["mnist"]
    assert {check.verdict for check in check_compression({"mnist": published}, {"mnist": 20})} == {"agrees"}
    away = [*published[:3], published[3] - 0.011, *published[4:]]
    checks = check_compression({"mnist": away}, {"mnist": 20})
    assert [check.verdict for check in checks] == ["agrees", "agrees", "differs", "agrees", "agrees"]
    trained = "this network was trained for 20 epochs, the paper's for 100"
    assert checks[2].reason == f"-0.0110 from the published value; {trained}"
    assert check_compression({"digits": [0.9, 0.8]}, {"digits": 8}) == []


def test_a_method_that_diverges_is_run_with_a_smaller_gain_as_well():
    plain, steadier = compare_methods("mnist", ["copi-fa"], [1], 3)
    assert (plain.preset.settings.gain, steadier.preset.settings.gain) == (1000.0, 300.0)
    assert steadier.title == "COPI, feedback alignment, gain 300"
    assert steadier.name == "copi-fa-gain-300-seed-1"


def test_all_methods_of_a_seed_come_before_the_next_seed():
    runs = compare_methods("cifar10", ["copi-bp", "bp-adam-published"], range(2), None)
    assert [(run.method, run.seed, run.epochs) for run in runs] == [
        ("copi-bp", 0, 20),
        ("bp-adam-published", 0, 60),
        ("copi-bp", 1, 20),
        ("bp-adam-published", 1, 60),
    ]
    assert all(run.epochs == 7 for run in compare_methods("mnist", ["bp-adam"], range(3), 7))


def test_threads_of_this_process_are_named(output):
    environment = RunFolder.of(output, SHORT[0]).timings()["environment"]
    assert environment["pycopi"] == pycopi.__version__
    for name in ("processor", "engine", "threads", "python"):
        assert environment[name]
    if "OPENBLAS_NUM_THREADS" in os.environ:
        assert "OPENBLAS_NUM_THREADS" in environment["threads"]
