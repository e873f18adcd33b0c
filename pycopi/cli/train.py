"""``pycopi train``: its flags, and the order of things."""

import shlex
import sys
from pathlib import Path

from rich.console import Console

from pycopi.cli import flags as f
from pycopi.cli.folder import HISTORY, PICTURE, open_folder
from pycopi.cli.job import Job, resume, start
from pycopi.cli.plan import FLAGS as PLANNED
from pycopi.cli.plan import data_name
from pycopi.cli.progress import print_table, show_progress, summary_rows
from pycopi.data import NAMES
from pycopi.state import State
from pycopi.training.checkpoint import BEST, MODEL
from pycopi.training.history import TrainingInterrupted

FLAGS = (
    f.DATA,
    *PLANNED,
    f.output("Folder for the model, history.json and learning-curve.png.", "runs/ and the name of the data"),
    f.Flag(f.FILES, "resume", None, "Go on with the run in the output folder; --epochs may extend it."),
    f.Flag(f.FILES, "overwrite", None, "Replace the run in the output folder."),
    f.QUIET,
    f.VERBOSE,
    *f.PLACES,
)


def train(given: f.Given) -> None:
    """Train a network on a data set.

    The defaults are good for each data set: "pycopi train digits" needs no flag.
    The output folder gets the model, the history and a learning curve.
    Ctrl-C keeps every complete epoch, and --resume goes on after the last.

    After each epoch the network is evaluated on the test set. That is only shown:
    nothing is selected by it, unless --patience is given.
    """
    if "resume" in given and "overwrite" in given:
        msg = "--resume and --overwrite exclude each other; give one of them"
        raise ValueError(msg)
    with open_folder(given.get("output", Path("runs", data_name(given["data"])))) as checkpoint:
        _run(resume(given, checkpoint) if "resume" in given else start(given, checkpoint), given)


def _run(job: Job, given: f.Given) -> None:
    console, quiet = Console(highlight=False), "quiet" in given
    state = job.state
    job.save(state)  # from here on there is something to resume, or still the run that is replaced
    if not quiet and given["data"] not in NAMES:
        console.print(f"targets: {job.splits.describe()}", soft_wrap=True, markup=False)
    try:
        with show_progress(
            console, job.plan.epochs, state.history, quiet=quiet, verbose="verbose" in given
        ) as shown:
            state = job.run(shown)
        files = _finish(job, state)
    except KeyboardInterrupt as interruption:
        if isinstance(interruption, TrainingInterrupted):
            state = interruption.state
            job.save(state)  # Ctrl-C may have come while it was being saved
        raise KeyboardInterrupt(_how_to_go_on(job, state, given)) from None
    if not quiet:
        selected = job.plan.patience is not None and len(state.history) < job.plan.epochs
        print_table(console, summary_rows(state, job.folder, files, selected=selected))


def _finish(job: Job, state: State) -> list[str]:
    """Draw the learning curve if that is possible here, and return the files of the run."""
    models = [MODEL] if state.selected is None else [MODEL, BEST]
    try:
        job.draw(state)
    except ImportError as error:
        print(f"no learning curve: {error}", file=sys.stderr)
        return [*models, HISTORY]
    return [*models, HISTORY, PICTURE]


def _how_to_go_on(job: Job, state: State, given: f.Given) -> str:
    """Return what is saved, and the command that goes on from it."""
    folder = str(job.folder)
    if job.keeps_another(state):
        return f"no epoch is complete yet, so {folder} still holds the run from before"
    words = ["pycopi", "train", given["data"], "--resume", "--output", folder]
    if "data_dir" in given:
        words += ["--data-dir", str(given["data_dir"])]
    done = f"{len(state.history)} of {job.plan.epochs} epochs are saved in {folder}"
    if not state.history:
        done = "no epoch is complete yet, so nothing was learned"
    return f"{done}; go on with: {shlex.join(words)}"
