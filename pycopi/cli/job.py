"""One run of ``pycopi train``, from its description to the files that it leaves."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pycopi._array import Array
from pycopi.cli.backends import reference_array
from pycopi.cli.flags import Given
from pycopi.cli.folder import (
    LAST_GOOD,
    PICTURE,
    Origin,
    holds_a_run,
    remove_rest,
    stored_run,
    write_history,
)
from pycopi.cli.held_out import held_out
from pycopi.cli.plan import FLAGS, Plan, data_name, new_plan
from pycopi.cli.progress import Shown
from pycopi.cli.splits import Splits, lost_columns, open_data, split
from pycopi.data import Dataset
from pycopi.network import Network
from pycopi.state import State
from pycopi.training.checkpoint import Checkpoint, save_run
from pycopi.training.divergence import DivergenceError
from pycopi.training.fingerprint import check_fingerprint, dataset_fingerprint
from pycopi.training.fit import fit
from pycopi.training.history import EarlyStopping, early_stopping


class Job(NamedTuple):
    """A run that is ready to start or to go on; ``replaces`` says that its folder holds another one."""

    origin: Origin
    network: Network
    splits: Splits
    state: State
    checkpoint: Checkpoint
    replaces: bool = False

    @property
    def plan(self) -> Plan:
        """What the run does."""
        return self.origin.plan

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.checkpoint.folder

    def keeps_another(self, state: State) -> bool:
        """Return whether the folder still holds the run that this one replaces after its first epoch."""
        return self.replaces and not state.history

    def save(self, state: State) -> None:
        """Write model and history of a state."""
        if self.keeps_another(state):
            return
        self.checkpoint.save(self.network, state, self.origin.details())
        write_history(self.folder, self.plan, state)
        if self.replaces and len(state.history) == 1:
            remove_rest(self.folder)

    def run(self, shown: Shown) -> State:
        """Return the state at the end; it is saved after each epoch."""
        how, stop, (during, after) = self.plan.recipe.how(), self._stopping(), shown
        if stop is not None and stop(self.state):  # before it was resumed
            how["epochs"] = len(self.state.history)

        def keep_best(state: State) -> None:
            if stop is not None and stop.best is state:
                self.checkpoint.save_best(self.network, state, self.origin.details())

        keep_best(self.state)  # a kill may have come before
        try:
            return fit(
                self.network,
                self.state,
                *self.splits.train,
                **how,
                seed=self.plan.seed,
                validation=self.splits.test,
                callbacks=[*([] if stop is None else [stop]), self.save, keep_best, after],
                progress=during,
            )
        except DivergenceError as error:
            raise ArithmeticError(self._keep_last_good(error)) from error

    def draw(self, state: State) -> None:
        """Draw the learning curve."""
        from pycopi.plotting import learning_curve

        learning_curve(state.history, self.folder / PICTURE)

    def _stopping(self) -> EarlyStopping | None:
        """Return what may end the run early, with the best state so far of a run that goes on."""
        if self.plan.patience is None:
            return None
        stop = early_stopping(patience=self.plan.patience)
        if self.state.history:
            best, lost = self.checkpoint.best_or_aside(self.state.parameters[0].weight)
            stop.best = best and best.state
            print(lost, end="\n" if lost else "", file=sys.stderr)
        return stop

    def _keep_last_good(self, error: DivergenceError) -> str:
        """Save the last good parameters of a run that diverged, and return what to say."""
        what, state = error.describe(flags=True), error.state or self.state
        if self.keeps_another(state):
            return f"{what}; {self.folder} still holds the run from before"
        path, state = self.folder / LAST_GOOD, state._replace(parameters=error.parameters)
        save_run(path, self.network, state, self.origin.details())
        return f"{what}; the last good parameters are in {path}"


def start(given: Given, checkpoint: Checkpoint) -> Job:
    """Return a new run; a run in its folder stays until the first epoch is complete.

    What was typed wrong is named before a run that is in the way.
    """
    origin, splits, like = _open(new_plan(given["data"], _planned(given)), given)
    replaces = holds_a_run(checkpoint.folder, overwrite="overwrite" in given)
    recipe = origin.plan.recipe
    inputs, targets = splits.train
    network = recipe.network(inputs.shape[1], splits.outputs, targets)
    state = recipe.start(network, origin.plan.seed, like=like, inputs=inputs)
    return Job(origin, network, splits, state, checkpoint, replaces)


def resume(given: Given, checkpoint: Checkpoint) -> Job:
    """Return the run that is kept in a folder, to go on with."""
    folder, (stored, history) = checkpoint.folder, stored_run(checkpoint)
    own, name, done = stored.plan.data, data_name(given["data"]), len(history)
    if own != name:
        msg = f"{folder} holds a run on {own}; expected {own} to resume it with, got {name}"
        raise ValueError(msg)
    plan = stored.plan.resumed(_planned(given), folder)
    if plan.epochs < done:
        msg = (
            f"--epochs is {plan.epochs} but the run in {folder} has {done} epochs already; "
            f"expected at least {done}"
        )
        raise ValueError(msg)
    origin, splits, like = _open(plan, given)
    if origin.samples != stored.samples:
        msg = (
            f"{given['data']} has {origin.samples} training samples but the run was on "
            f"{stored.samples}; resume it with the same data"
        )
        raise ValueError(msg)
    run, otherwise = f"the run in {folder}", "start anew with --overwrite"
    check_fingerprint(stored.fingerprint, origin.fingerprint or {}, given["data"], run, otherwise)
    kept = checkpoint.load(like)
    assert kept is not None  # for it has been read already, and its folder is locked
    return Job(origin, kept.network, splits, kept.state._replace(history=history), checkpoint)


def _planned(given: Given) -> Mapping[str, Any]:
    return {one.name: given[one.name] for one in FLAGS if one.name in given}


def _open(plan: Plan, given: Given) -> tuple[Origin, Splits, Array]:
    """Return the origin of a run, its data, and an array of the library and device of the plan."""
    data = open_data(given, plan.task, plan.target)
    plan = _precise(plan, given, data)
    if data.target is not None and data.target not in (data.columns or ()):
        plan = replace(plan, target=data.target)  # a model finds it wherever the column is later
    like, fingerprint = reference_array(plan.backend, plan.device, plan.dtype), dataset_fingerprint(data)
    if plan.test_share is not None:
        data = held_out(data, plan.test_share, plan.seed)
    splits = split(data, like)
    _check_data(plan, splits, given["data"])
    count = len(data.x_train)
    plan = plan.for_data(classes=splits.labels is not None, outputs=splits.outputs, samples=count)
    return Origin(plan, count, fingerprint, splits.labels, data.columns), splits, like


def _precise(plan: Plan, given: Given, data: Dataset) -> Plan:
    """Return the plan in float64 where float32 would lose what the data say; raise if float32 was wanted."""
    lost = lost_columns(data) if plan.dtype == "float32" else []
    if lost and "dtype" in given:
        msg = f"--dtype is float32, in which the numbers of {lost[0]} hardly differ from each other or overflow"
        msg += "; expected float64, which is chosen without the flag"
        raise ValueError(msg)
    return replace(plan, dtype="float64") if lost else plan


def _check_data(plan: Plan, splits: Splits, data: str) -> None:
    """Raise if the data cannot give what the plan asks for."""
    msg = ""
    if plan.patience is not None and splits.test is None:
        msg = (
            f"--patience watches the test loss, but {data} has no test samples; "
            f"keep some of its rows for testing with --test-share 0.2, or leave the flag out"
        )
    elif plan.loss == "cross_entropy" and splits.outputs == 1:
        msg = f"--loss cross_entropy needs two classes or more, but {data} asks for one output"
        msg += "; use squared_error"
    elif plan.loss == "binary_cross_entropy" and splits.labels is None:
        msg = f"--loss binary_cross_entropy needs classes, but the targets of {data} are real numbers"
        msg += "; use squared_error, or --task classes"
    if msg:
        raise ValueError(msg)
