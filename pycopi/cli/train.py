"""``pycopi train``: the flags, and the order of things."""

import shlex
import sys
from dataclasses import fields
from pathlib import Path

import typer
from rich.console import Console

from pycopi.cli import options as o
from pycopi.cli.flags import read_flags
from pycopi.cli.folder import HISTORY, PICTURE, open_folder
from pycopi.cli.job import Job, Source, resume, start
from pycopi.cli.plan import Plan, data_name
from pycopi.cli.progress import show_progress
from pycopi.cli.summary import print_table, summary_rows
from pycopi.data import NAMES
from pycopi.state import State
from pycopi.training.checkpoint import BEST, MODEL
from pycopi.training.history import TrainingInterrupted

_PLANNED = frozenset(field.name for field in fields(Plan)) - {"data"}


def train(
    context: typer.Context,
    data: o.Data,
    hidden: o.Hidden = None,
    activation: o.Activation = None,
    credit: o.Credit = None,
    rule: o.Rule = None,
    loss: o.Loss = None,
    rate: o.Rate = None,
    gain: o.Gain = None,
    batch_size: o.BatchSize = None,
    decorrelation_rate: o.DecorrelationRate = None,
    decorrelation_rule: o.DecorrelationRule = None,
    whitening: o.Whitening = None,
    epochs: o.Epochs = None,
    decorrelation_epochs: o.DecorrelationEpochs = None,
    warm_up: o.WarmUp = None,
    rate_decay: o.RateDecay = None,
    preset: o.Preset = None,
    decorrelation_fraction: o.Fraction = None,
    decorrelation_every: o.Every = None,
    decorrelation_bound: o.DecorrelationBound = None,
    step_bound: o.StepBound = None,
    freeze_decorrelation_after: o.Freeze = None,
    keep_decorrelated: o.KeepDecorrelated = None,
    patience: o.Patience = None,
    task: o.Task = None,
    bias: o.Bias = None,
    standardize: o.Standardize = None,
    scale_targets: o.ScaleTargets = None,
    variance_scaled: o.VarianceScaled = None,
    epsilon: o.Epsilon = None,
    backend: o.Backend = None,
    device: o.Device = None,
    dtype: o.Dtype = None,
    seed: o.Seed = None,
    output: o.Output = None,
    resume_run: o.Resume = False,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
    data_dir: o.DataDir = None,
    no_download: o.NoDownload = False,
) -> None:
    """Train a network on a data set.

    The defaults are good for each data set: "pycopi train digits" needs no flag.
    The output folder gets the model, the history and a learning curve.
    Ctrl-C keeps every complete epoch, and --resume goes on after the last.

    After each epoch the network is evaluated on the test set. That is only shown:
    nothing is selected by it, unless --patience is given.
    """
    given = read_flags(context.params, _PLANNED)
    source = Source(data, data_dir, no_download)
    if resume_run and overwrite:
        msg = "--resume and --overwrite exclude each other; give one of them"
        raise ValueError(msg)
    with open_folder(output or Path("runs", data_name(data))) as folder:
        if resume_run:
            job = resume(source, given, folder)
        else:
            job = start(source, given, folder, overwrite=overwrite)
        _run(job, source, quiet=quiet)


def _run(job: Job, source: Source, *, quiet: bool) -> None:
    """Run a job to its end, or to Ctrl-C."""
    console = Console(highlight=False)
    state = job.state
    job.save(state)  # from here on there is something to resume, or still the run that is replaced
    if not quiet and job.plan.data not in NAMES:
        console.print(f"targets: {job.splits.describe()}", soft_wrap=True, markup=False)
    try:
        with show_progress(console, job.plan.epochs, state.history, quiet=quiet) as shown:
            state = job.run(shown)
        files = _finish(job, state)
    except KeyboardInterrupt as interruption:
        if isinstance(interruption, TrainingInterrupted):
            state = interruption.state
            job.save(state)  # Ctrl-C may have come while it was being saved
        raise KeyboardInterrupt(_how_to_go_on(job, state, source)) from None
    if not quiet:
        selected = job.plan.patience is not None and len(state.history) < job.plan.epochs
        rows = summary_rows(state, job.folder.path, files, selected=selected)
        print_table(console, rows)


def _finish(job: Job, state: State) -> list[str]:
    """Draw the learning curve if that is possible here, and return the files of the run."""
    models = [MODEL] if state.selected is None else [MODEL, BEST]
    try:
        job.draw(state)
    except ImportError as error:
        print(f"no learning curve: {error}", file=sys.stderr)
        return [*models, HISTORY]
    return [*models, HISTORY, PICTURE]


def _how_to_go_on(job: Job, state: State, source: Source) -> str:
    """Return what is saved, and the command that goes on from it."""
    folder = str(job.folder.path)
    if job.keeps_another(state):
        return f"no epoch is complete yet, so {folder} still holds the run from before"
    words = ["pycopi", "train", source.data, "--resume", "--output", folder]
    if source.data_dir is not None:
        words += ["--data-dir", str(source.data_dir)]
    done = f"{len(state.history)} of {job.plan.epochs} epochs are saved in {folder}"
    if not state.history:
        done = "no epoch is complete yet, so nothing was learned"
    return f"{done}; go on with: {shlex.join(words)}"
