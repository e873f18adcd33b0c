"""What `fit` shows: on terminals of any width, in notebooks, in files, and where the stream has gone."""

import io
import os
import pty
import sys

import numpy as np
import pytest
from fitting import CLASSES, X, flat, run

import pycopi
from pycopi.training.progress import ProgressLine, Report, choose_reporter, columns_of, is_terminal, write_loss


class Terminal(io.StringIO):
    """A terminal without a size of its own."""

    def isatty(self):
        return True


class Notebook(io.StringIO):
    """What a kernel of Jupyter has for standard error; it is known by the module of its class."""

    __module__ = "ipykernel.iostream"


def lines_on_screen(text):
    """Return the lines that a terminal shows after a text."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for drawn in line.split("\r"):
            shown = drawn + shown[len(drawn) :]
        lines.append(shown.rstrip())
    return lines


def test_the_screen_of_the_tests_keeps_what_is_not_drawn_over():
    assert lines_on_screen("12345\rab\nc\r\n") == ["ab345", "c", ""]


def test_nothing_is_shown_where_there_is_no_terminal(capfd):
    run(progress=None)
    assert capfd.readouterr() == ("", "")
    assert choose_reporter(False) is None


def test_a_file_gets_a_line_an_epoch_without_control_characters(capfd):
    run(progress=True, epochs=2)
    first, second, rest = capfd.readouterr().err.split("\n")
    assert first.startswith("epoch 1/2  decorrelating  loss 0.")
    assert second.startswith("epoch 2/2  loss 0.")
    assert "  accuracy 0." in second
    assert rest == ""
    assert all(character.isprintable() for character in first + second)


def test_a_callable_gets_reports():
    reports = []
    run(progress=reports.append)
    assert reports[-1] == Report(4, 4, 8, 8, reports[-1].loss, reports[-1].accuracy)
    assert [report.decorrelating for report in reports if report.step == 8] == [True, False, False, False]


@pytest.mark.parametrize("factor", [0.0, (0.0, 0.0)])
def test_an_epoch_in_which_nothing_learns_does_not_decorrelate(factor):
    reports = []
    run(progress=reports.append, epochs=1, decorrelation_schedule=lambda epoch: factor)
    assert not reports[-1].decorrelating


@pytest.mark.parametrize("stream", [Terminal, Notebook])
def test_the_line_is_drawn_anew(stream, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setenv("COLUMNS", "80")
    run(progress=None, epochs=2)
    first, second, rest = lines_on_screen(sys.stderr.getvalue())
    assert first.startswith("epoch 1/2 [########################] decorrelating  loss 0.")
    assert "accuracy" not in first
    assert second.startswith("epoch 2/2 [########################] loss 0.")
    assert rest == ""


LONG, SHORT = Report(9, 20, 1, 4, 12345.678, 0.5), Report(9, 20, 2, 4, 0.25, 1.0)


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        (120, "epoch  9/20 [############............] loss 0.2500  accuracy 1.0000"),
        (60, "epoch  9/20 [#######........] loss 0.2500  accuracy 1.0000"),
        (50, "epoch  9/20  loss 0.2500  accuracy 1.0000"),
        (40, "epoch  9/20  loss 0.2500"),
        (20, "epoch  9/20"),
        (8, "epoch  "),
    ],
)
def test_the_line_fits_the_terminal_and_leaves_nothing_of_a_longer_one(columns, wanted, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    line = ProgressLine(stream)
    line(LONG)
    line(SHORT)
    assert max(map(len, stream.getvalue().split("\r"))) < columns
    assert lines_on_screen(stream.getvalue()) == [wanted.rstrip()]


def test_a_terminal_that_becomes_narrower(monkeypatch):
    stream = Terminal()
    line = ProgressLine(stream)
    monkeypatch.setenv("COLUMNS", "80")
    line(LONG)
    monkeypatch.setenv("COLUMNS", "20")
    line(SHORT)
    assert len(stream.getvalue().split("\r")[-1]) < 20


def test_a_line_without_a_known_end_counts_steps(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    ProgressLine(stream)(Report(1, 2, 5, None, 0.5, None))
    assert stream.getvalue() == "\repoch 1/2 step 5  loss 0.5000"


def test_the_width_is_that_of_the_stream(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        assert columns_of(stream) == 80  # it says 0
        os.system(f"stty cols 47 < {os.ttyname(theirs)}")
        assert columns_of(stream) == 47
    os.close(ours)
    monkeypatch.setenv("COLUMNS", "33")
    assert columns_of(stream) == 33
    monkeypatch.setenv("COLUMNS", "wide")
    assert columns_of(io.StringIO()) == 80


def closed_terminal():
    ours, theirs = pty.openpty()
    os.close(ours)
    return os.fdopen(theirs, "w", buffering=1)


def pipe_without_reader():
    ours, theirs = os.pipe()
    os.close(ours)
    return os.fdopen(theirs, "w", buffering=1)


def closed_file():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("make", [closed_terminal, pipe_without_reader, closed_file, object])
@pytest.mark.parametrize("progress", [None, True])
def test_a_stream_that_has_gone_ends_no_run(make, progress, monkeypatch):
    stream = make()
    monkeypatch.setattr(sys, "stderr", stream)
    try:
        if make is object and progress:
            with pytest.raises(AttributeError, match="write"):  # it never was a stream
                run(progress=True)
            return
        state = run(progress=progress)
    finally:
        monkeypatch.undo()
        forget(stream)
    for array, other in zip(flat(state.parameters), flat(run().parameters), strict=True):
        assert np.array_equal(array, other)


def test_a_terminal_that_is_closed_during_the_run():
    ours, theirs = pty.openpty()
    stream = os.fdopen(theirs, "w", buffering=1)
    line, reports = ProgressLine(stream), []

    def report(report):
        reports.append(report)
        line(report)
        if len(reports) == 1:
            os.close(ours)

    assert is_terminal(stream)
    assert len(run(progress=report).history) == 4
    assert len(reports) >= 4
    assert line.gone
    forget(stream)


def forget(stream):
    """Close a stream whose last words cannot be written."""
    try:
        getattr(stream, "close", lambda: None)()
    except OSError:
        pass


def test_a_state_is_shown_in_a_few_lines():
    state = run(validation=(X, CLASSES))
    text = repr(state)
    first, *layers, last = text.split("\n")
    assert first == "State of 2 layers after 4 epochs"
    assert layers == [
        "  layer 1: DenseParameters(weight=float32 (8, 6), decorrelator=float32 (6, 6))",
        "  layer 2: DenseParameters(weight=float32 (3, 8), decorrelator=float32 (8, 8))",
    ]
    names = [part.rpartition(" ")[0] for part in last.partition(": ")[2].split(", ")]
    assert last.startswith("  epoch 4: loss 0.")
    assert names == ["loss", "accuracy", "validation_loss", "validation_accuracy"]


def test_a_state_says_which_epoch_was_kept():
    state = pycopi.State((), selected=3)
    assert repr(state) == "State of 0 layers after 0 epochs, parameters of epoch 3"


def test_a_deep_state_is_shown_in_a_few_lines_too():
    network = pycopi.mlp([2] * 30)
    lines = repr(pycopi.State(network.init(0))).split("\n")
    assert lines[0] == "State of 29 layers after 0 epochs"
    assert [line.partition(":")[0].strip() for line in lines[1:]] == [
        "layer 1",
        "layer 2",
        "layer 3",
        "...",
        "layer 26",
        "layer 27",
        "layer 28",
        "layer 29",
    ]


@pytest.mark.parametrize("fields", [((), ()), (None, None), ((1, object), (2,))])
def test_any_state_can_be_shown(fields):
    assert repr(pycopi.State(*fields)).startswith("State of ")
    assert repr(pycopi.DenseParameters(fields[0])).startswith("DenseParameters(")


def test_parameters_of_every_library_are_shown_by_their_shapes(xp):
    weight = xp.asarray(np.ones((3, 2), np.float32))
    assert repr(pycopi.DenseParameters(weight, bias=None)) == "DenseParameters(weight=float32 (3, 2))"


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (0.58154, "0.5815"),
        (0.0, "0.0000"),
        (1e-9, "1.000e-09"),
        (32349252036301508.0, "3.235e+16"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_a_loss_of_any_size_can_be_read(loss, text):
    assert write_loss(loss) == text
