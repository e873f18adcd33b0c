"""One run of ``pycopi train``, from its description to the files that it leaves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pycopi._array import Array
from pycopi.cli.backends import reference_array
from pycopi.cli.folder import PICTURE, Origin, RunFolder
from pycopi.cli.plan import Plan, data_name, new_plan
from pycopi.cli.progress import Shown
from pycopi.cli.splits import Splits, open_data, split
from pycopi.network import Network
from pycopi.state import State
from pycopi.state import start as new_state
from pycopi.training.divergence import DivergenceError
from pycopi.training.fingerprint import check_fingerprint, dataset_fingerprint
from pycopi.training.fit import fit
from pycopi.training.history import EarlyStopping, early_stopping


class Source(NamedTuple):
    """Where the data are: what `open_data` takes."""

    data: str
    data_dir: Path | None
    no_download: bool


class Job(NamedTuple):
    """A run that is ready to start or to go on; ``replaces`` says that its folder holds another one."""

    origin: Origin
    network: Network
    splits: Splits
    state: State
    folder: RunFolder
    replaces: bool = False

    @property
    def plan(self) -> Plan:
        """What the run does."""
        return self.origin.plan

    def keeps_another(self, state: State) -> bool:
        """Return whether the folder still holds the run that this one replaces after its first epoch."""
        return self.replaces and not state.history

    def save(self, state: State) -> None:
        """Write model and history of a state."""
        if self.keeps_another(state):
            return
        self.folder.save(self.origin, self.network, state)
        if self.replaces and len(state.history) == 1:
            self.folder.remove_rest()

    def run(self, shown: Shown) -> State:
        """Return the state at the end; it is saved after each epoch."""
        plan, stop = self.plan, self._stopping()
        ended = stop is not None and stop(self.state)  # before it was resumed

        def keep_best(state: State) -> None:
            if stop is not None and stop.best is state:
                self.folder.checkpoint.save_best(self.network, state, self.origin.details())

        keep_best(self.state)  # a kill may have come before
        try:
            return fit(
                self.network,
                self.state,
                *self.splits.train,
                epochs=len(self.state.history) if ended else plan.epochs,
                settings=plan.settings,
                batch_size=plan.batch_size,
                seed=plan.seed,
                validation=self.splits.test,
                weight_schedule=plan.schedules.weights,
                decorrelation_schedule=plan.schedules.decorrelation,
                keep_decorrelated=plan.keep_decorrelated,
                callbacks=[*([] if stop is None else [stop]), self.save, keep_best, shown.after],
                progress=shown.during,
            )
        except DivergenceError as error:
            raise ArithmeticError(self._keep_last_good(error)) from error

    def draw(self, state: State) -> None:
        """Draw the learning curve."""
        from pycopi.plotting import learning_curve

        learning_curve(state.history, self.folder.path / PICTURE)

    def _stopping(self) -> EarlyStopping | None:
        """Return what may end the run early, with the best state so far of a run that goes on."""
        if self.plan.patience is None:
            return None
        stop = early_stopping(patience=self.plan.patience)
        if self.state.history:
            stop.best = self.folder.best(like=self.state.parameters[0].weight)
        return stop

    def _keep_last_good(self, error: DivergenceError) -> str:
        """Save the last good parameters of a run that diverged, and return what to say."""
        what, state = error.describe(flags=True), error.state or self.state
        if self.keeps_another(state):
            return f"{what}; {self.folder.path} still holds the run from before"
        state = state._replace(parameters=error.parameters)
        path = self.folder.save_last_good(self.origin, self.network, state)
        return f"{what}; the last good parameters are in {path}"


def start(source: Source, given: Mapping[str, Any], folder: RunFolder, *, overwrite: bool) -> Job:
    """Return a new run; a run in its folder stays until the first epoch is complete."""
    replaces = folder.holds_a_run(overwrite=overwrite)
    plan = new_plan(source.data, given)
    origin, splits, like = _open(plan, source)
    plan = origin.plan
    network = plan.network(splits.inputs, splits.outputs, splits.train[1])
    data = splits.train[0] if plan.standardize else None
    state = new_state(network, plan.settings, plan.seed, like=like, data=data)
    return Job(origin, network, splits, state, folder, replaces)


def resume(source: Source, given: Mapping[str, Any], folder: RunFolder) -> Job:
    """Return the run that is kept in a folder, to go on with."""
    stored, history = folder.stored()
    own, name, done = stored.plan.data, data_name(source.data), len(history)
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
    origin, splits, like = _open(plan, source)
    if origin.samples != stored.samples:
        msg = (
            f"{source.data} has {origin.samples} training samples but the run was on "
            f"{stored.samples}; resume it with the same data"
        )
        raise ValueError(msg)
    run, otherwise = f"the run in {folder.path}", "start anew with --overwrite"
    check_fingerprint(stored.fingerprint, origin.fingerprint or {}, source.data, run, otherwise)
    network, state = folder.last(like)
    return Job(origin, network, splits, state._replace(history=history), folder)


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


def _open(plan: Plan, source: Source) -> tuple[Origin, Splits, Array]:
    """Return the origin of a run, its data, and an array of the library and device of the plan."""
    like = reference_array(plan.backend, plan.device, plan.dtype)
    data = open_data(*source, plan.task)
    splits = split(data, like)
    _check_data(plan, splits, source.data)
    plan = plan.for_targets(classes=splits.classes, outputs=splits.outputs)
    return Origin(plan, len(data.x_train), dataset_fingerprint(data), splits.labels), splits, like
