"""The report of a plan: its files, its page in a browser, and the command that makes it."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from command import assert_error, call, show, start, without_codes
from pictures import assert_png, read_texts

import pycopi
from pycopi.experiments.document import Code, Gallery, Heading, Picture, Table, Text
from pycopi.experiments.plan import Size
from pycopi.experiments.render import render_html, render_markdown
from pycopi.plotting.curves import Curve, compare_curves
from pycopi.presets import METHODS

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """What a page is made of; an element that is not closed in its place is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.alternatives: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"{self.open} are not closed"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        found = dict(attrs)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag == "img":
            self.alternatives.append(found["alt"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"


def test_the_parser_of_this_test_finds_what_is_not_closed():
    for text in ("<p><b>x</p></b>", "<p>", "x</p>"):
        with pytest.raises(AssertionError):
            Page(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The output of a short plan on the digits, which is only read."""
    output = tmp_path_factory.mktemp("paper")
    call("reproduce", "digits", "--seeds", 2, "--epochs", 3, "--output", output, "--quiet", draws=True)
    return output / "digits"


def test_files(folder):
    names = {path.name for path in folder.iterdir()}
    assert {"results.json", "results.csv", "timings.json", "report.html", "report.md"} <= names
    pictures = [path for path in folder.iterdir() if path.suffix == ".png"]
    assert len(pictures) == 8 + 4 + 2 + 2 + 3 + 1  # curves, correlation, compression, matrices, fields, images
    for path in pictures:
        assert_png(path)
    assert not [name for name in names if name.startswith(".")]


def test_json_and_csv_say_the_same(folder):
    results = json.loads((folder / "results.json").read_text())
    assert len(results["runs"]) == 2 * len(METHODS)
    assert {run["status"] for run in results["runs"]} == {"finished"}
    assert {run["pycopi"] for run in results["runs"]} == {pycopi.__version__}
    with (folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    entries = [(run, entry) for run in results["runs"] for entry in run["epochs"]]
    assert len(rows) == len(entries) == 3 * 2 * len(METHODS)
    for row, (run, entry) in zip(rows, entries, strict=True):
        assert (row["data"], row["method"], int(row["seed"])) == (run["data"], run["method"], run["seed"])
        for name in ("epoch", "loss", "train_accuracy", "test_accuracy"):
            assert float(row[name]) == entry[name]
    for summary in results["summary"]:
        of_method = [run for run in results["runs"] if run["method"] == summary["method"]]
        best = [max(entry["test_accuracy"] for entry in run["epochs"]) for run in of_method]
        assert summary["test_peak"] == pytest.approx(sum(best) / 2, abs=1e-12)


def test_results_hold_no_time(folder):
    text = (folder / "results.json").read_text()
    assert "seconds" not in text
    assert "processor" not in text
    timings = json.loads((folder / "timings.json").read_text())
    assert len(timings) == 2 * len(METHODS)
    for entry in timings.values():
        assert all(spent > 0 for spent in entry["seconds"]["clock"])


def test_analyses_are_those_of_the_library(folder):
    results = json.loads((folder / "results.json").read_text())
    aligned, random = results["analyses"]
    assert (aligned["method"], random["method"]) == ("copi-bp", "copi-fa")
    saved = pycopi.load(folder.parent / "runs" / "digits" / "copi-bp-seed-0" / "model.safetensors")
    data = pycopi.data.load_dataset("digits")
    found = pycopi.evaluate(saved.network, saved.parameters, data.x_test, data.y_test).accuracy
    assert aligned["compression"][0] == found
    for before, after in zip(aligned["correlation_before"], aligned["correlation_after"], strict=True):
        assert 0 <= after < before <= 1
    assert aligned["update_angle"][-1] < 45
    assert random["feedback_angle"][-1] == pytest.approx(0, abs=1e-3)
    assert 1 < random["feedback_angle"][0] < 90


def test_page_is_well_formed_and_needs_nothing(folder):
    text = (folder / "report.html").read_text()
    page = Page(text)
    assert page.sources
    for source in page.sources:
        assert source.startswith("data:"), source
    assert not re.search(r"https?://|url\(|@import|<script", text)
    assert all(page.alternatives)
    pictures = [path for path in folder.iterdir() if path.suffix == ".png"]
    assert page.tags.count("img") == len(pictures)
    for method in METHODS.values():
        assert method.title.replace("“", "&ldquo;") in text or method.title in text


def test_markdown_names_files_that_are_there(folder):
    text = (folder / "report.md").read_text()
    names = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert set(names) == {path.name for path in folder.iterdir() if path.suffix == ".png"}
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
    assert "```console\npycopi reproduce digits --seeds 2 --epochs 3\n```" in text


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_page_in_a_browser(folder, tmp_path):
    """The page loads without a console message, without a request, and is not wider than a phone."""
    trace = tmp_path / "net.json"
    command = [BROWSER, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={trace}"]
    command += ["--enable-logging=stderr", "--v=0", "--window-size=500,900", "--virtual-time-budget=2000"]
    page = (folder / "report.html").resolve().as_uri()
    ran = subprocess.run([*command, "--dump-dom", page], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert "</html>" in ran.stdout
    assert "CONSOLE" not in ran.stderr, ran.stderr
    assert requests_of(trace, page) == []


def requests_of(trace: Path, page: str) -> list[str]:
    """Return the addresses that a page asked for, besides itself; the browser's own requests do not count."""
    log = json.loads(trace.read_text())
    wanted = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    events = [event for event in log["events"] if event["type"] == wanted]
    jobs = [event["params"] for event in events if "url" in event.get("params", {})]
    asked = [job["url"] for job in jobs if job["initiator"] != "not an origin"]
    return [url for url in asked if url != page and not url.startswith("data:")]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_the_browser_test_sees_a_request_and_a_message(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<html><script>console.log("CONSOLE test")</script><img src="http://127.0.0.1:9/x.png"></html>'
    )
    trace = tmp_path / "net.json"
    command = [BROWSER, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={trace}"]
    command += ["--enable-logging=stderr", "--v=0", "--virtual-time-budget=2000", "--dump-dom", page.as_uri()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "CONSOLE" in ran.stderr
    assert "http://127.0.0.1:9/x.png" in requests_of(trace, page.as_uri())


def test_seconds_of_adam_are_said_to_be_those_of_our_own_code(folder):
    """Whoever compares methods by seconds must know that the Adam of other libraries is faster."""
    text = (folder / "report.md").read_text()
    captions = re.findall(r"!\[([^]]*)\]\((\S+)\)", text)
    against = {name: caption for caption, name in captions if name.startswith("digits-t")}
    assert len(against) == 8
    for name, caption in against.items():
        assert ("the fused Adam of PyTorch takes" in caption) == name.endswith("-seconds.png"), name


def test_curves_of_methods_without_adam_say_nothing_of_it(tmp_path):
    call("reproduce", "digits", "--quick", "--methods", "copi-bp", "--output", tmp_path, "--quiet")
    captions = re.findall(r"!\[([^]]*)\]", (tmp_path / "digits" / "report.md").read_text())
    assert captions
    assert not any("Adam" in caption for caption in captions)


def test_the_same_command_repeats_nothing(folder):
    before = (folder / "results.json").read_bytes()
    models = {path: path.stat().st_mtime_ns for path in folder.parent.rglob("*.safetensors")}
    flags = ("--seeds", 2, "--epochs", 3, "--output", folder.parent)
    text = call("reproduce", "digits", *flags)
    assert text == f"report: {folder / 'report.html'}\n"
    assert (folder / "results.json").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in models} == models


def test_an_unfinished_plan_is_reported_as_such(tmp_path):
    flags = ("--methods", "bp-adam", "--output", tmp_path)
    call("reproduce", "digits", "--epochs", 2, "--seeds", 1, *flags, "--quiet")
    call("reproduce", "digits", "--epochs", 3, "--seeds", 2, *flags, "--report-only")
    text = (tmp_path / "digits" / "report.md").read_text()
    assert "0 of 2 runs are finished" in text
    assert "| digits bp-adam-seed-0 | incomplete | 2 of 3 |" in text
    results = json.loads((tmp_path / "digits" / "results.json").read_text())
    assert [run["status"] for run in results["runs"]] == ["incomplete", "incomplete"]


def test_lines_where_there_is_no_terminal(tmp_path):
    flags = ("--quick", "--methods", "copi-bp,bp-adam", "--output", tmp_path)
    text = call("reproduce", "digits", *flags)
    lines = text.splitlines()
    assert len(lines) == 2 * 4 + 1
    pattern = r"digits copi-bp-seed-0  epoch {}/4  {}  \d+\.\d s  left .+"
    results = r"test \d+\.\d\d%  training \d+\.\d\d%"
    assert re.fullmatch(pattern.format(1, "decorrelating"), lines[0]), lines[0]
    assert re.fullmatch(pattern.format(2, results), lines[1]), lines[1]
    assert re.fullmatch(pattern.format(1, results).replace("copi-bp", "bp-adam"), lines[4]), lines[4]
    assert lines[-2].endswith("left 0 s")


def test_ctrl_c_keeps_everything_and_says_how_to_go_on(tmp_path):
    flags = ("reproduce", "digits", "--seeds", 1, "--epochs", 300, "--methods", "copi-bp", "--output", "out")
    process = start(*flags, cwd=tmp_path)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    command = "pycopi reproduce digits --seeds 1 --epochs 300 --methods copi-bp --output out"
    assert errors == f"interrupted: every complete epoch is kept in out; go on with: {command}\n"
    record = json.loads((tmp_path / "out" / "runs" / "digits" / "copi-bp-seed-0" / "record.json").read_text())
    assert 1 <= len(record["epochs"]) < 300


def test_errors_are_one_line(tmp_path, monkeypatch):
    assert_error("WHAT is 'minst,digits'; expected some of mnist,.*,digits,all", "reproduce", "minst,digits")
    assert_error("--methods is 'sgd'; expected some of copi-bp,.*", "reproduce", "digits", "--methods", "sgd")
    assert_error(
        "--quick and --full exclude each other; give one of them", "reproduce", "all", "--quick", "--full"
    )
    assert_error("--seeds is '0'; expected a whole number of at least 1", "reproduce", "digits", "--seeds", 0)
    monkeypatch.setenv("PYCOPI_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    flags = ("--output", tmp_path, "--no-download", "--quick")
    assert_error("MNIST was not found: .*", "reproduce", "mnist", *flags)


def test_help_names_every_method():
    text = call("reproduce", "--help", env={"COLUMNS": "200"})
    for words in ("--quick", "--full", "--methods", "learning-rates", *METHODS):
        assert words in text


def test_every_block_is_rendered_and_escaped(tmp_path):
    picture = tmp_path / "a.png"
    compare_curves([Curve("a", [[0.1, 0.2]])], picture, label="b")
    blocks = [
        Heading("A < B", 1),
        Text("x & y"),
        Code("pycopi <x>"),
        Table(("a", "b"), [["1|2", "<3>"]], "caption <c>"),
        Table(("a", "b", "c"), [["d", "4", "why a number is not another one"]]),
        Gallery([Picture(picture, 'say "hello" <now>')]),
    ]
    text = render_html("t < u", blocks)
    page = Page(text)
    assert page.alternatives == ['say "hello" <now>']
    for words in ("A &lt; B", "x &amp; y", "pycopi &lt;x&gt;", "&lt;3&gt;", "caption &lt;c&gt;", "t &lt; u"):
        assert words in text
    plain = render_markdown(blocks)
    assert "| --- | ---: |\n| 1\\|2 | <3> |" in plain
    assert "| --- | ---: | --- |\n| d | 4 | why " in plain
    assert '![say "hello" <now>](a.png)' in plain


def test_curves_show_what_they_say(tmp_path):
    path = tmp_path / "curves.svg"
    curves = [
        Curve("one method", [[0.1, 0.5, 0.6], [0.1, 0.6]], [[1, 2, 3], [2, 4]], 4, 0.62),
        Curve("another", [[0.2, 0.3]], [[5, 9]], 5),
    ]
    compare_curves(curves, path, label="accuracy (%)", against="seconds", factor=100.0, skipped=1, note="noted")
    texts = read_texts(path)
    for words in ("one method", "another", "accuracy (%)", "training time (s); noted"):
        assert words in texts


def test_curves_of_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"^curves hold no values; expected at least one epoch of one run$"):
        compare_curves([Curve("a", [[]])], tmp_path / "a.png", label="b")


def test_curves_that_end_before_the_axis_begins_are_left_out(tmp_path):
    path = tmp_path / "curves.svg"
    ended, going_on = Curve("ended", [[0.1]]), Curve("going on", [[0.1, 0.5]])
    compare_curves([ended, going_on], path, label="accuracy", skipped=1)
    assert "ended" not in read_texts(path)
    assert "going on" in read_texts(path)
    compare_curves([ended], path, label="accuracy", skipped=1)
    assert "ended" in read_texts(path)


def test_curves_with_a_seed_that_diverged(tmp_path):
    path = tmp_path / "curves.png"
    compare_curves([Curve("a", [[0.1, float("nan")], [0.1], []])], path, label="b")
    assert_png(path)


def test_defaults_of_the_size():
    assert Size().methods == tuple(METHODS)


def test_importing_the_command_does_not_import_matplotlib():
    code = "import sys; import pycopi.cli.app; print('matplotlib' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_live_bar_over_the_plan_in_a_terminal(tmp_path):
    flags = ("--seeds", 1, "--epochs", 3, "--methods", "copi-bp,bp-adam", "--output", "out")
    shown = show("reproduce", "digits", *flags, cwd=tmp_path, columns=100)
    text = without_codes(shown)
    assert re.search(r"digits bp-adam-seed-0  epoch \d/3 ━+[╸╺]?━* \d+ s", text), text
    assert re.search(r"digits copi-bp-seed-0  epoch 1/3  decorrelating", text), text
    for name in ("copi-bp", "bp-adam"):
        for epoch in range(1 + (name == "copi-bp"), 4):
            assert len(re.findall(rf"{name}-seed-0  epoch {epoch}/3  test [^\r\n]*left", text)) == 1
    assert "\x1b[?25h" in shown  # the cursor is back
