"""Where the command writes: any encoding, a terminal that is closed, a reader that leaves, a full disk."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command import COMMAND, FILES, SMALL, STAND_IN, call, read_history, show, start, without_codes

from pycopi.cli.streams import lost, tolerant

TRAIN = ("train", "digits", "--hidden", "16", "--epochs", "12", "--output", "run")
PLAN = ("reproduce", "digits", "--methods", "copi-bp", "--seeds", "1", "--epochs", "6", "--output", "paper")


def read_until(ours: int, words: bytes) -> None:
    """Read from our end of a terminal until it has shown some words."""
    shown = b""
    while words not in shown:
        shown += os.read(ours, 4096)


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_a_run_goes_on_when_its_terminal_is_closed(term: str, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": term, "COLUMNS": "80"}
    process = start(*TRAIN, cwd=tmp_path, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    read_until(ours, b"decorrelating")
    os.close(ours)
    assert process.wait(timeout=240) == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    assert len(read_history(tmp_path / "run")["history"]) == 12


def test_a_plan_goes_on_when_its_terminal_is_closed(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    process = start(*PLAN, cwd=tmp_path, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    read_until(ours, b"decorrelating")
    os.close(ours)
    assert process.wait(timeout=240) == 0
    assert (tmp_path / "paper" / "digits" / "report.html").exists()


def test_an_analysis_goes_on_when_its_terminal_is_closed(run: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    flags = ("--samples", 50, "--output", "found")
    process = start("analyse", run, "digits", *flags, cwd=tmp_path, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    os.read(ours, 1)
    os.close(ours)
    assert process.wait(timeout=240) == 0
    assert (tmp_path / "found" / "analysis.json").exists()


@pytest.mark.parametrize("arguments", [TRAIN, PLAN], ids=["train", "reproduce"])
def test_a_run_goes_on_when_the_reader_of_its_output_has_seen_enough(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    with start(*arguments, cwd=tmp_path) as process:
        assert "decorrelating" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=240) == 0
    assert list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("arguments", [("info",), ("train", "--help"), ("--version",)], ids=" ".join)
def test_a_reader_that_never_was_is_no_error(arguments: tuple[str, ...], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start(*arguments, cwd=tmp_path, stdout=writing)
    os.close(writing)
    _, error = process.communicate(timeout=240)
    assert (process.returncode, error) == (0, "")


IN_ITS_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_hang_up_ends_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", IN_ITS_TERMINAL, *COMMAND, *TRAIN, "--epochs", "5000", "--verbose"],
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    read_until(ours, b"2/5000  loss")
    os.close(ours)
    assert process.wait(timeout=240) == -signal.SIGHUP
    done = len(read_history(tmp_path / "run")["history"])
    assert done >= 2
    call("train", "digits", "--resume", "--epochs", done + 1, "--output", tmp_path / "run", "--quiet")
    assert len(read_history(tmp_path / "run")["history"]) == done + 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no file that is always full")
def test_a_full_disk_is_said_at_the_end(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        process = start("train", "digits", *SMALL, "--output", "run", cwd=tmp_path, stdout=full)
        _, error = process.communicate(timeout=240)
    assert (process.returncode, error) == (2, "error: standard output: No space left on device\n")
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES


ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "strict": {"PYTHONIOENCODING": "latin-1:strict"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "utf-8": {"PYTHONIOENCODING": "utf-8"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


ONE_AFTER_THE_OTHER = f"""
import os, sys
{STAND_IN}
streams, words = (sys.stdout, sys.stderr), sys.argv[1:]
while words:
    end = words.index(";")
    sys.argv[1:], words = words[:end], words[end + 1 :]
    sys.stdout, sys.stderr = streams
    try:
        main()
    except SystemExit as ended:
        sys.stderr.flush()
        os.write(1, b"\\0%d\\0" % (ended.code or 0))
"""


@pytest.mark.parametrize("env", ENCODINGS.values(), ids=ENCODINGS)
def test_every_encoding_takes_every_output(env: dict[str, str], run: Path, tmp_path: Path) -> None:
    """One process prints the help, a run, an analysis and an error; its folder has letters that some lack."""
    folder = os.fsencode(tmp_path) + "/прогон".encode()
    commands = [
        [b"train", b"--help"],
        [b"info"],
        [b"train", b"digits", b"--hidden", b"16", b"--epochs", b"2", b"--output", folder],
        [b"evaluate", folder, b"digits", b"--json"],
        [b"analyse", folder, b"digits", b"--samples", b"50"],
        [b"train", b"digits", b"--output", folder],
    ]
    words = [word for command in commands for word in (*command, b";")]
    made = subprocess.run(
        [*map(os.fsencode, COMMAND[:3]), b"-c", ONE_AFTER_THE_OTHER, *words],
        cwd=tmp_path,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    *printed, last = made.stdout.split(b"\0")
    outputs, statuses = printed[::2], printed[1::2]
    assert statuses == [b"0", b"0", b"0", b"0", b"0", b"2"], made.stdout
    assert last == b""
    assert b"Traceback" not in made.stdout
    assert b"--hidden" in outputs[0]
    assert b"numpy" in outputs[1]
    named = "прогон".encode() if env.keys() & {"LC_ALL"} or "utf-8" in env.values() else rb"\u043f\u0440\u043e"
    assert named in outputs[-1]
    assert json.loads(outputs[3])["samples"] == 360


def test_a_table_keeps_its_shape_where_letters_are_escaped(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = start("train", "digits", *SMALL, "--output", "прогон", cwd=tmp_path, env=env)
    output, _ = process.communicate(timeout=240)
    table = [line for line in output.split("\n") if line.startswith(("|", "+"))]
    assert len(table) > 9
    assert len(set(map(len, table))) == 1, output


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
@pytest.mark.parametrize("arguments", [("--help",), ("info",)], ids=" ".join)
def test_no_colours_where_none_are_wanted(
    arguments: tuple[str, ...], variables: dict[str, str], tmp_path: Path
) -> None:
    text = show(*arguments, cwd=tmp_path, columns=80, **variables)
    assert "pycopi" in text
    assert "\x1b[3" not in text.replace("\x1b[3m", "")
    assert variables.get("TERM") != "dumb" or without_codes(text) == text


def test_streams_that_are_no_files_stay_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert tolerant(sys.stdout) is sys.stdout
    assert lost(sys.stdout) is None


def test_output_that_would_have_to_wait_is_not_lost() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    script = "import sys, time; time.sleep(0.2); print(len(sys.stdin.buffer.read()))"
    reader = subprocess.Popen([sys.executable, "-c", script], stdin=reading, stdout=subprocess.PIPE)
    os.close(reading)
    with os.fdopen(writing, "w") as file:
        stream = tolerant(file)
        stream.write("x" * 1_000_000)
        assert lost(stream) is None
        stream.close()
    assert reader.communicate(timeout=60)[0] == b"1000000\n"
