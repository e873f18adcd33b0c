"""One run of ``pycopi train``, from its description to the files that it leaves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pycopi.cli.backends import reference_array
from pycopi.cli.folder import LAST_GOOD, PICTURE, RunFolder, StoredRun, describe_run
from pycopi.cli.plan import Plan, data_name, new_plan
from pycopi.cli.progress import Shown
from pycopi.cli.splits import Splits, open_data, split
from pycopi.network import Network
from pycopi.storage import save
from pycopi.training.divergence import DivergenceError
from pycopi.training.fit import fit
from pycopi.training.history import Callback, TrainingState, early_stopping


class Source(NamedTuple):
    """Where the data are: what `open_data` takes."""

    data: str
    data_dir: Path | None
    no_download: bool


class Job(NamedTuple):
    """A run that is ready to start or to go on."""

    plan: Plan
    network: Network
    splits: Splits
    state: TrainingState
    folder: RunFolder

    @property
    def samples(self) -> int:
        """The number of training samples, by which a resumed run knows its data again."""
        return int(self.splits.train[0].shape[0])

    def save(self, state: TrainingState) -> None:
        """Write model and history of a state."""
        self.folder.save(self.plan, self.network, self.samples, state, self.splits.labels)

    def run(self, shown: Shown) -> TrainingState:
        """Return the state at the end; it is saved after each epoch."""
        plan, stopping = self.plan, self._stopping()
        ended = any(stop(self.state) for stop in stopping)  # before it was resumed
        try:
            return fit(
                self.network,
                self.state.parameters,
                *self.splits.train,
                epochs=len(self.state.history) if ended else plan.epochs,
                settings=plan.settings,
                batch_size=plan.batch_size,
                seed=plan.seed,
                validation=self.splits.test,
                weight_schedule=plan.schedules.weights,
                decorrelation_schedule=plan.schedules.decorrelation,
                keep_decorrelated=plan.keep_decorrelated,
                callbacks=[self.save, shown.after, *stopping],
                progress=shown.during,
                history=self.state.history,
            )
        except DivergenceError as error:
            raise ArithmeticError(self._keep_last_good(error)) from error

    def draw(self, state: TrainingState) -> None:
        """Draw the learning curve."""
        from pycopi.plotting import learning_curve

        learning_curve(state.history, self.folder.path / PICTURE)

    def _stopping(self) -> list[Callback]:
        """Return the callbacks that may end the run early."""
        if self.plan.patience is None:
            return []
        return [early_stopping(patience=self.plan.patience)]

    def _keep_last_good(self, error: DivergenceError) -> str:
        """Save the last good parameters of a run that diverged, and return what to say."""
        path = self.folder.path / LAST_GOOD
        history = (error.state or self.state).history
        details = describe_run(self.plan, self.samples, history, self.splits.labels)
        save(path, self.network, error.parameters, details=details)
        return f"{error.describe(flags=True)}; the last good parameters are in {path}"


def start(source: Source, given: Mapping[str, Any], folder: RunFolder, *, overwrite: bool) -> Job:
    """Return a new run; its folder is changed only when all else has been found good."""
    folder.check_free(overwrite=overwrite)
    job = _prepare(new_plan(source.data, given), source, folder, None)
    folder.clear()
    return job


def resume(source: Source, given: Mapping[str, Any], folder: RunFolder) -> Job:
    """Return the run that lies in a folder, to go on with."""
    stored = folder.stored()
    own, name, done = stored.plan.data, data_name(source.data), len(stored.history)
    if own != name:
        msg = f"{folder.path} holds a run on {own}; expected {own} to resume it with, got {name}"
        raise ValueError(msg)
    plan = stored.plan.resumed(given, folder.path)
    if plan.epochs < done:
        msg = (
            f"--epochs is {plan.epochs} but the run in {folder.path} has {done} epochs already; "
            f"expected at least {done}"
        )
        raise ValueError(msg)
    return _prepare(plan, source, folder, stored)


def _check_data(plan: Plan, splits: Splits, data: str) -> None:
    """Raise if the data cannot give what the plan asks for."""
    msg = ""
    if plan.patience is not None and splits.test is None:
        msg = (
            f"--patience watches the test loss, but {data} has no x_test and y_test; "
            f"add them to the file, or leave the flag out"
        )
    elif plan.loss == "cross_entropy" and splits.outputs == 1:
        msg = f"--loss cross_entropy needs two classes or more, but {data} asks for one output"
        msg += "; use squared_error"
    if msg:
        raise ValueError(msg)


def _prepare(plan: Plan, source: Source, folder: RunFolder, stored: StoredRun | None) -> Job:
    """Return a run with its data and parameters on the library and device of the plan."""
    like = reference_array(plan.backend, plan.device, plan.dtype)
    splits = split(open_data(*source), like)
    _check_data(plan, splits, source.data)
    plan = plan.for_targets(classes=splits.classes, outputs=splits.outputs)
    network = plan.network(splits.inputs, splits.outputs, splits.train[1])
    if stored is None:
        parts: dict[str, Any] = {
            "feedback": plan.credit == "feedback_alignment",
            "moments": plan.rule == "adam",
        }
        data = splits.train[0] if plan.standardize else None
        state = TrainingState(network.init(plan.seed, like=like, data=data, **parts))
        return Job(plan, network, splits, state, folder)
    state = TrainingState(folder.parameters(like), stored.history)
    job = Job(plan, network, splits, state, folder)
    if job.samples != stored.samples:
        msg = (
            f"{source.data} has {job.samples} training samples but the run was on "
            f"{stored.samples}; resume it with the same data"
        )
        raise ValueError(msg)
    return job
