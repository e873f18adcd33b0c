"""The benchmarks: every table runs, and the rivals compute the same. No time is asserted."""

import json
import os
import re
import subprocess
import sys
import time

import exact
import numpy as np
import pytest
from assertions import exactly, within
from repository import ROOT, benchmark

import pycopi
from pycopi.data import load_dataset
from pycopi.kernels import native
from pycopi.kernels.engine import ENGINES

accuracy, command, growth = benchmark("accuracy"), benchmark("__main__"), benchmark("growth")
machine, memory, page = benchmark("machine"), benchmark("memory"), benchmark("page")
race, run, sides, step = benchmark("race"), benchmark("run"), benchmark("sides"), benchmark("step")
steady = benchmark("steady")
stream, table, torch_programs = benchmark("stream"), benchmark("table"), benchmark("torch_programs")
Column, Scope, Table, Result = table.Column, table.Scope, table.Table, race.Result

SIZES = (6, 5, 4, 3)


def assert_near(found, wanted):
    """Raise unless two float64 arrays agree to 1e-10 of the largest value."""
    assert np.asarray(found).dtype == np.float64
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10 * np.max(np.abs(wanted)))


@pytest.fixture
def batches(rng):
    """Some batches of inputs in [0, 1) and one-hot targets, float64."""
    return [(rng.random((8, SIZES[0])), np.eye(SIZES[-1])[rng.integers(SIZES[-1], size=8)]) for _ in range(3)]


def start(network):
    return network.init(3, like=np.empty(0))


def test_the_plain_equations_in_pytorch_compute_what_pycopi_does(batches):
    torch = pytest.importorskip("torch")
    network, settings = (
        pycopi.mlp(SIZES),
        pycopi.Settings(rate=0.02, gain=3.0, decorrelation=pycopi.Decorrelation(rate=0.02)),
    )
    parameters = start(network)
    program = torch_programs.PlainEquations([own.weight for own in parameters], rate=0.02, gain=3.0)
    for x, t in batches:
        parameters, metrics = pycopi.train_step(network, parameters, x, t, settings)
        loss = program.step(torch.tensor(x), torch.tensor(t))
        assert_near(loss, metrics.loss)
        for own, weight, decorrelator in zip(parameters, program.weights, program.decorrelators, strict=True):
            assert_near(weight, own.weight)
            assert_near(decorrelator, own.decorrelator)


def test_adam_in_pytorch_computes_what_pycopi_does(batches):
    torch = pytest.importorskip("torch")
    network = pycopi.mlp(SIZES, decorrelated=False)
    settings = pycopi.Settings(rule="adam", rate=0.01, gain=1.0)
    state = pycopi.start(network, settings, 3, like=np.empty(0))
    program = torch_programs.AdamTraining([own.weight for own in state.parameters], rate=0.01)
    for x, t in batches:
        state, metrics = pycopi.train_step(network, state, x, t, settings)
        loss = program.step(torch.tensor(x), torch.tensor(t))
        assert_near(loss, metrics.loss)
        for own, weight in zip(state.parameters, program.network.parameters(), strict=True):
            assert_near(weight.detach(), own.weight)


def test_the_loop_of_the_stream_table_computes_what_pycopi_does(rng):
    samples, matrix = rng.random((20, 7)), np.eye(7)
    wanted = pycopi.decorrelate_stream(matrix, samples, rate=0.01)
    assert_near(stream.loop(matrix, samples, 0.01), wanted.decorrelated)
    assert_near(matrix, wanted.decorrelator)


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.7])
def test_exponent_of_a_power_law(power):
    values = [512, 1024, 4096]
    assert growth.exponent(values, [3e-4 * value**power for value in values]) == pytest.approx(power, abs=1e-12)


def test_products_of_a_step_by_hand():
    found = step.products_of_step((7, 5, 3), 2)
    shapes = sorted((p.rows, p.inner, p.columns) for p in found.elements())
    first = [(2, 7, 7), (2, 7, 5), (2, 7, 7), (7, 2, 7), (5, 2, 7)]
    second = [(2, 5, 5), (2, 5, 3), (4, 5, 5), (5, 2, 5), (3, 2, 5), (2, 3, 5)]
    assert shapes == sorted(first + second)
    assert step.operations_of(found) == sum(2 * a * b * c for a, b, c in first + second)
    for product in found:
        assert product.side()().shape == (product.rows, product.columns)


def test_sides_take_turns():
    called = []
    both = {name: lambda name=name: called.append(name) for name in "ab"}
    seconds = sides.take_turns(both, turns=2, least_seconds=0.0)
    assert set(seconds) == {"a", "b"}
    assert called == [*"aabb", *"abab"]


def test_turns_that_are_measured_begin_with_calls_that_do_not_count(monkeypatch):
    monkeypatch.setattr(sides, "_PAUSE", 0.0)
    called = []
    both = {"a": lambda: called.append(1), "b": lambda: time.sleep(0.001)}
    seconds = sides.take_turns(both, turns=1, least_seconds=1e-9)
    assert len(called) > 4  # one to prepare, one to see how long it takes, the warm-up, one that counts
    assert seconds["b"] >= 0.001


def test_median_of_the_turns():
    ticks = iter([0, 1, 10, 11, 20, 27, 30, 32])  # a call to see how long it takes, then turns of 1, 7 and 2 s
    how = {"turns": 3, "least_seconds": 0.0, "clock": lambda: next(ticks)}
    assert sides.take_turns({"side": lambda: None}, **how) == {"side": 2}


@pytest.mark.parametrize("count", [1, 3])
def test_a_sweep_leaves_an_array_as_it_was(rng, count):
    array = rng.random((5, 4))
    before = array.copy()
    with machine.sweeper(array, count) as sweep:
        sweep()
    np.testing.assert_array_equal(array, before)


def test_share_of_others():
    before = run.Load(busy=10.0, total=100.0, own=1.0)
    assert run.share_of_others(before, run.Load(busy=16.0, total=120.0, own=3.0)) == pytest.approx(0.2)
    assert run.share_of_others(before, run.Load(busy=11.0, total=120.0, own=3.0)) == 0.0
    assert run.share_of_others(None, before) is None


def test_programs_that_a_benchmark_has_started_are_its_own(monkeypatch):
    monkeypatch.setattr(run.os, "times", lambda: (1.0, 2.0, 4.0, 8.0, 99.0))
    assert run.load_now() is None or run.load_now().own == 15.0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be pinned here")
def test_busy_processors_are_busy_and_then_free(monkeypatch):
    started, start = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(start(*a, **k)) or started[-1])
    core = max(os.sched_getaffinity(0))
    with steady._busy([core]):
        assert os.sched_getaffinity(started[0].pid) == {core}
        assert started[0].poll() is None
    assert started[0].poll() is not None


def test_markdown_of_a_table():
    table = Table(
        "name", "Title", [Column("n"), Column("x", ".1f")], [(1, 2.25), (10, None)], ["How."], {"p": 2.0}
    )
    assert table.markdown() == (
        "### Title\n\n| n  |   x |\n| -- | --: |\n| 1  | 2.2 |\n| 10 |   - |\n\n- p: 2\n\nHow."
    )
    assert table.content() == {
        "name": "name",
        "title": "Title",
        "rows": [{"n": 1, "x": 2.25}, {"n": 10, "x": None}],
        "figures": {"p": 2.0},
        "notes": ["How."],
        "markdown": table.markdown(),
    }


@pytest.mark.libraries
def test_every_table_runs_and_its_json_is_whole(tmp_path):
    file = tmp_path / "tables.json"
    shown = []
    run.run(run.TABLES, Scope(quick=True), show=shown.append, file=file)
    content = json.loads(file.read_text())
    assert content["machine"]["pycopi"].startswith(pycopi.__version__)
    names = [table["name"] for table in content["tables"]]
    assert len(set(names)) == len(names)
    assert {
        "machine",
        "rank-k-portable",
        "products-portable",
        "step",
        "steady",
        "stream",
        "growth-n",
        "memory-4",
        "accuracy-digits",
    } <= set(names)
    for table in content["tables"]:
        assert table["rows"], table["name"]
        for name, cell in [pair for row in table["rows"] for pair in row.items()]:
            if isinstance(cell, float) and name not in ("difference", "test accuracy", "best accuracy"):
                assert cell >= 0, (table["name"], name)
    assert sum(text.startswith("\n### ") for text in shown) == len(names)


def test_sides_without_their_libraries_are_left_out(monkeypatch):
    monkeypatch.setattr(sides, "find_spec", lambda name: None)
    text = []
    run.run(("kernels", "step", "stream", "accuracy"), Scope(quick=True), show=text.append)
    for side, module in (("gemm", "scipy"), ("PyTorch", "torch"), ("PCA", "sklearn"), ("Adam", "torch")):
        assert f'{side} is left out: {module} is not installed (pip install "pycopi[bench]").' in "\n".join(
            text
        )
    message = "this benchmark needs torch, which is not installed; install it with: "
    with pytest.raises(ImportError, match=exactly(message + 'pip install "pycopi[bench]"')):
        torch_programs.AdamTraining([np.eye(2)])


def test_steps_of_fit_hold_no_more_than_the_second():
    held, peaks = memory.allocations((200, 100, 100, 100), 20)
    smallest = 4 * 20 * 100  # bytes of the outputs of a batch; texts and small objects stay below
    assert len(held) == len(peaks) == 8
    assert max(held[2:]) - held[1] < smallest
    assert max(peaks[2:]) - peaks[1] < smallest


class Scripted:
    """A learner whose epochs are known beforehand; None is a divergence."""

    def __init__(self, *results):
        self.results = iter(results)

    def epoch(self):
        return next(self.results)


def test_a_race_ends_at_the_accuracy_or_when_a_side_diverges():
    learners = {
        "COPI": Scripted(Result(1.0, 0.1), Result(2.0, 0.6)),
        "Adam": Scripted(Result(2.0, 0.2), Result(2.0, 0.3), Result(8.0, 0.56)),
        "wild": Scripted(Result(1.0, 0.1), None),
    }
    lines = []
    found = race.race(learners, 0.56, 9, report=lines.append)
    assert {name: len(epochs) for name, epochs in found.items()} == {"COPI": 2, "Adam": 3, "wild": 1}
    assert "wild: diverged in epoch 2" in lines
    table, epochs = accuracy.tables_of("cifar10", found)
    wanted = [("COPI", 0.25, 3.0, 2), ("Adam", 1.0, 12.0, 3), ("wild", None, None, None)]
    assert [row[:4] for row in table.rows] == wanted
    assert epochs.rows[1] == ("COPI", 2, 3.0, 0.6)


def test_an_interrupted_race_goes_on_as_if_it_had_not_been(tmp_path):
    pytest.importorskip("torch")
    sizes, data = (64, 16, 10), load_dataset("digits")
    how = {"settings": pycopi.Settings(rate=1e-2, gain=100.0)}

    def learners():
        return {"COPI": accuracy.COPI(sizes, data, how), "Adam": accuracy.Adam(sizes, data)}

    def stop(line):
        if line.startswith("Adam: epoch 2"):  # reported before it is kept, so it is done again
            raise KeyboardInterrupt

    started = learners()
    whole = race.race(started, 1.0, 3)
    for learner in started.values():
        learner.close()
    with pytest.raises(KeyboardInterrupt):
        race.race(learners(), 1.0, 3, folder=tmp_path, report=stop)
    found = race.race(learners(), 1.0, 3, folder=tmp_path)
    for name in whole:
        assert [epoch.accuracy for epoch in found[name]] == [epoch.accuracy for epoch in whole[name]]
    assert {path.name for path in tmp_path.iterdir()} == {
        "COPI.json",
        "COPI-3.state",
        "Adam.json",
        "Adam-3.state",
    }


def test_a_learner_says_when_it_diverges():
    wild = accuracy.COPI((64, 16, 10), load_dataset("digits"), {"settings": exact.settings(gain=1e9)})
    assert wild.epoch() is not None  # the first epoch only decorrelates
    assert wild.epoch() is None


def test_an_error_in_training_is_raised_where_the_epoch_was_asked_for():
    wrong = accuracy.COPI((63, 16, 10), load_dataset("digits"), {})
    with pytest.raises(ValueError, match=within("the network takes 63 features")):
        wrong.epoch()


def test_engines_of_the_kernels_table():
    engines = sides.numpy_engines()
    assert {"portable"} <= set(engines) <= set(ENGINES)
    assert ("native" in engines) == native.available


def test_the_command_measures_what_it_is_given(tmp_path, capsys):
    file = tmp_path / "tables.json"
    assert command.main(["step", "--quick", "--json", str(file)]) == 0
    assert re.search(r"^\| 16-8x2-4 ", capsys.readouterr().out, re.M)
    assert [table["name"] for table in json.loads(file.read_text())["tables"]] == ["machine", "step"]


def test_the_command_measures_the_installed_package_with_the_threads_it_is_given(tmp_path):
    """Run where its sources would come first, it must not take them."""
    words = [sys.executable, "-W", "error", "-m", "benchmarks", "growth", "--quick", "--threads", "1", "--json"]
    file = tmp_path / "tables.json"
    subprocess.run([*words, file], cwd=ROOT, check=True, capture_output=True, text=True)
    facts = json.loads(file.read_text())["machine"]
    assert facts["threads"] == "1"
    assert ("C core not built" in facts["pycopi"]) == (not native.available), facts


WRONG = {
    ("stpe",): "argument TABLE: invalid choice: 'stpe' (choose from 'kernels', 'step', ",
    ("--threads", "0"): "argument --threads: 0 is not a whole number of at least 1",
    ("--epochs", "1.5"): "argument --epochs: 1.5 is not a whole number of at least 1",
    ("--data", "digits"): "argument --data: invalid choice: 'digits' (choose from 'mnist', 'cifar10')",
}


@pytest.mark.parametrize("words", WRONG)
def test_errors_of_the_command(words, capsys):
    with pytest.raises(SystemExit, match=exactly("2")):
        command.main(words)
    assert f"python -m benchmarks: error: {WRONG[words]}" in capsys.readouterr().err


def test_the_page_is_filled_from_files_of_a_quiet_machine(tmp_path):
    measured = Table("step", "Title", [Column("n")], [(1,)])
    content = {"machine": {"threads": "2"}, "share of others": 0.01, "tables": [measured.content()]}
    file = tmp_path / "tables.json"
    file.write_text(json.dumps(content))
    old = "Before\n<!-- step, 2 threads -->\nold\n<!-- end -->\n<!-- step, 1 thread -->\nkept\n<!-- end -->\n"
    wanted = old.replace("old\n", "\n| n |\n| - |\n| 1 |\n\n")
    contents = page.tables_of(file)
    assert page.fill(old, contents) == wanted
    assert page.fill(wanted, contents) == wanted
    assert page.fill(old, page.tables_of(file, "-xeon")) == old
    file.write_text(json.dumps({**content, "share of others": 0.2}))
    message = f"{file}: other programs used 20% of the processors; measure again"
    with pytest.raises(SystemExit, match=exactly(message)):
        page.tables_of(file)
