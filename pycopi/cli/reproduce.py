"""``pycopi reproduce``: the experiments of the paper, from the command to the report."""

import shlex
from pathlib import Path

import typer
from rich.console import Console

from pycopi.cli import options as o
from pycopi.cli.flags import read_flag
from pycopi.cli.watching import watch_plan
from pycopi.experiments.experiment import ALL, EXPERIMENTS, FULL, QUICK, Experiment, Size
from pycopi.experiments.methods import METHODS
from pycopi.experiments.results import Clock
from pycopi.experiments.runner import Source, run_plan


def reproduce(
    context: typer.Context,
    what: o.What,
    seeds: o.Seeds = None,
    epochs: o.PaperEpochs = None,
    methods: o.Methods = None,
    quick: o.PaperQuick = False,
    full: o.Full = False,
    report_only: o.ReportOnly = False,
    processor_time: o.ProcessorTime = False,
    note: o.Note = "",
    output: o.PaperOutput = Path("runs", "paper"),
    quiet: o.Quiet = False,
    data_dir: o.DataDir = None,
    no_download: o.NoDownload = False,
) -> None:
    """Run experiments of the paper, and report them beside the published figures.

    WHAT is mnist, cifar10, learning-rates or analyses, several with commas
    between, or all; digits is a first look in seconds. Every epoch is kept: the
    same command goes on where it was interrupted, and repeats nothing. The
    output folder gets results, pictures and report.html.
    """
    from pycopi.experiments.report import Request, write_report  # with Matplotlib behind it

    if quick and full:
        msg = "--quick and --full exclude each other; give one of them"
        raise ValueError(msg)
    given = Size(
        None if seeds is None else read_flag("seeds", seeds),
        None if epochs is None else read_flag("epochs", epochs),
        _read_methods(methods),
    )
    experiments = [(one, _size(one, given, quick, full)) for one in _read_what(what)]
    clock: Clock = "processor" if processor_time else "clock"
    request = Request(what.replace(",", "-"), experiments, output, _command(context, *_PLACES), clock)
    source = Source(data_dir, not no_download)
    try:
        if not report_only:
            with watch_plan(request.runs, output, quiet=quiet) as watcher:
                run_plan(request.runs, output, source, watcher, note)
        page = write_report(request, source)
    except KeyboardInterrupt:
        msg = f"every complete epoch is kept in {output}; go on with: {_command(context)}"
        raise KeyboardInterrupt(msg) from None
    if not quiet:
        Console(highlight=False).print(f"report: {page}", soft_wrap=True)


def _read_what(what: str) -> list[Experiment]:
    """Return the experiments that an argument names, one or several with commas between."""
    names = ALL if what == "all" else tuple(dict.fromkeys(what.split(",")))
    for name in names:
        if name not in EXPERIMENTS:
            msg = f"WHAT is {name!r}; expected some of {', '.join(EXPERIMENTS)}, or all"
            raise ValueError(msg)
    return [EXPERIMENTS[name] for name in names]


def _read_methods(text: str | None) -> tuple[str, ...]:
    """Return methods by name, in the order given."""
    if text is None:
        return tuple(METHODS)
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in METHODS:
            msg = f"--methods has {name!r}; expected some of {','.join(METHODS)}"
            raise ValueError(msg)
    return names


def _size(experiment: Experiment, given: Size, quick: bool, full: bool) -> Size:
    """Return how much of an experiment to run: flags come first, then --quick or --full, then defaults."""
    usual = QUICK[experiment.data] if quick else FULL if full else Size()
    return Size(given.seeds or usual.seeds, given.epochs or usual.epochs, given.methods)


_PLACES = ("output", "data_dir", "no_download", "report_only", "quiet")
"""Flags that decide no result."""


def _command(context: typer.Context, *without: str) -> str:
    """Return the command that this process runs, as it is typed, but for some flags."""
    words = ["pycopi", "reproduce"]
    for parameter in context.command.params:
        value = None if parameter.name in without else context.params.get(str(parameter.name))
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif value is True:
            words.append(parameter.opts[0])
        elif value not in (None, False, parameter.default):
            words += [parameter.opts[0], str(value)]
    return shlex.join(words)
