"""A run of `fit` in a folder: what it begins with, and what keeps it after each epoch."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

from pycopi._array import is_numpy
from pycopi._trees import first_array
from pycopi.network import Network
from pycopi.state import State
from pycopi.training.checkpoint import Checkpoint
from pycopi.training.fingerprint import check_fingerprint, fingerprint
from pycopi.training.history import Callback, EarlyStopping

Folder = Checkpoint | str | os.PathLike[str]


class Kept(NamedTuple):
    """What a run begins with, and its callbacks; ``ended`` says that early stopping has ended it already."""

    state: State
    callbacks: tuple[Callback, ...]
    ended: bool


@contextmanager
def kept_in(folder: Folder, network: Network, new: Kept, data: Sequence[Any]) -> Iterator[Kept]:
    """Give what a run goes on with: the state that a folder holds, or that of a new run.

    The folder is locked until the block ends, unless it is a Checkpoint that is open. NumPy arrays among the
    data are known again by their fingerprint.
    """
    whole = folder if isinstance(folder, Checkpoint) else Checkpoint(folder)
    with nullcontext(whole) if whole.is_open else whole as checkpoint:
        arrays = zip(("inputs", "targets"), data, strict=True)
        details = {"fingerprint": fingerprint({name: array for name, array in arrays if is_numpy(array)})}
        stops = [callback for callback in new.callbacks if isinstance(callback, EarlyStopping)]
        others = [callback for callback in new.callbacks if callback not in stops]
        like = first_array(new.state.parameters)
        stored = checkpoint.load(like, network)
        if stored is not None:
            run = f"the run in {checkpoint.folder}"
            _check_method(stored.state, new.state, run)
            known = stored.details.get("fingerprint")
            check_fingerprint(known, details["fingerprint"], "the data", run, "name another folder")
            best, lost = checkpoint.best_or_aside(like, network)
            if lost:
                warnings.warn(lost, RuntimeWarning, stacklevel=4)
            for stop in stops:
                stop.best = stop.best or (best and best.state)

        def save(state: State) -> None:
            checkpoint.save(network, state, details)
            if any(stop.best is state for stop in stops):
                checkpoint.save_best(network, state, details)

        state = new.state if stored is None else stored.state
        ended = any([stop(state) for stop in stops])
        yield Kept(state, (*stops, save, *others), ended)


def _check_method(stored: State, new: State, run: str) -> None:
    """Raise if a run keeps other things for its optimizer or credit than a new state does."""
    kept, wanted = (set(one._replace(parameters=()).named()) for one in (stored, new))
    if kept != wanted:
        msg = f"{run} was made with another optimizer or credit; give fit the same settings, or name another"
        msg += " folder"
        raise ValueError(msg)
