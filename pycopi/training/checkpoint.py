"""The one home of a run on disk: parameters, history and details in one file, always whole."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from pycopi._array import Array
from pycopi._lock import locked
from pycopi.network import Network
from pycopi.state import EpochRecord, State
from pycopi.storage import read_state, write_state

MODEL, BEST, ASIDE = "model.safetensors", "best.safetensors", "best-damaged.safetensors"


class StoredRun(NamedTuple):
    """A run as it is on disk: the network, the state to go on from, and the details saved with them."""

    network: Network
    state: State
    details: dict[str, Any]


class Checkpoint:
    """A folder that keeps a run: ``with Checkpoint(folder) as checkpoint`` locks and opens it.

    Each save replaces the one before in one moment, so that a kill at any time leaves the last complete
    state. ``model.safetensors`` is that state, ``best.safetensors`` an earlier one that is worth keeping;
    `pycopi.load` reads both.

    Parameters
    ----------
    folder : path
        Where the run is kept; made if need be. No other run may be at work there.
    otherwise : str
        What to do about a folder that is taken besides waiting, for the error.

    Raises
    ------
    BlockingIOError
        On entering, if another run is at work in the folder.
    OSError
        On entering, if it is a file or cannot be made.

    Examples
    --------
    >>> import numpy as np, pycopi, tempfile
    >>> network = pycopi.mlp([2, 8, 2])
    >>> x, y = np.eye(2, dtype=np.float32), np.array([0, 1])
    >>> def train(folder, epochs):
    ...     with pycopi.Checkpoint(folder) as checkpoint:
    ...         stored = checkpoint.load()
    ...         state = pycopi.start(network) if stored is None else stored.state
    ...         keep = lambda state: checkpoint.save(network, state)
    ...         return pycopi.fit(network, state, x, y, epochs=epochs, callbacks=[keep])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = train(folder, epochs=2)
    ...     [record.epoch for record in train(folder, epochs=3).history]
    [1, 2, 3]
    """

    def __init__(self, folder: str | os.PathLike[str], *, otherwise: str = "name another folder") -> None:
        self.folder = Path(folder)
        self._otherwise = otherwise
        self._lock: ExitStack | None = None

    def __enter__(self) -> "Checkpoint":
        """Lock the folder, and return the checkpoint."""
        with ExitStack() as stack:
            stack.enter_context(locked(self.folder, otherwise=self._otherwise))
            self._lock = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def is_open(self) -> bool:
        """Whether the folder is locked by this object."""
        return self._lock is not None

    def load(self, like: Array | None = None, network: Network | None = None) -> StoredRun | None:
        """Return the last state that was saved.

        Parameters
        ----------
        like : array, real floating, or None
            An array whose library, device and dtype the parameters get; None gives NumPy arrays.
        network : Network or None
            As for `pycopi.load`.

        Returns
        -------
        StoredRun or None
            ``network``, ``state`` and ``details``; None where nothing has been saved yet.

        Raises
        ------
        ValueError
            If the file is damaged, or a model without the history of a run.
        """
        return load_run(self.folder / MODEL, like, network)

    def load_best(self, like: Array | None = None, network: Network | None = None) -> StoredRun | None:
        """Return the best state of this run.

        Parameters
        ----------
        like, network : array and Network, or None
            As for `load`, which raises the same.

        Returns
        -------
        StoredRun or None
            The state that `save_best` kept; None where there is none, or it is not of the run that `load`
            returns.
        """
        best = load_run(self.folder / BEST, like, network)
        last = load_run(self.folder / MODEL, network=network)
        if best is None or last is None:
            return None
        own, whole = (_records(run.state) for run in (best, last))
        return best if whole[: len(own)] == own else None

    def best_or_aside(self, like: Array | None, network: Network | None = None) -> tuple[StoredRun | None, str]:
        """Return what `load_best` does; a file that cannot be read is renamed, and the text says so."""
        try:
            return self.load_best(like, network), ""
        except ValueError as error:
            aside = (self.folder / BEST).replace(self.folder / ASIDE)
            return None, f"{error}; the run goes on without it, and it is kept as {aside}"

    def save(self, network: Network, state: State, details: Mapping[str, Any] | None = None) -> None:
        """Keep a state, usually that after an epoch, as the one to go on from.

        Parameters
        ----------
        network : Network
            The description.
        state : State
            Parameters of any library, and the history.
        details : mapping or None
            Anything else to keep, of the kinds that JSON has.

        Raises
        ------
        RuntimeError
            If the checkpoint is not open.
        ValueError, TypeError
            If something cannot be written as JSON, or the parameters are not the network's.
        OSError
            If the file cannot be written; the state that was saved before is kept.
        """
        self._save(MODEL, network, state, details)

    def save_best(self, network: Network, state: State, details: Mapping[str, Any] | None = None) -> None:
        """Keep a state as the best one so far, beside the last; `save` it first.

        A kill between the two leaves the best of before, and the history of the last state tells that it is
        better.

        Parameters
        ----------
        network, state, details : Network, State, mapping or None
            As for `save`, which raises the same.
        """
        self._save(BEST, network, state, details)

    def _save(self, name: str, network: Network, state: State, details: Mapping[str, Any] | None) -> None:
        if self._lock is None:
            msg = f'the checkpoint in {self.folder} is not open; save inside "with checkpoint:"'
            raise RuntimeError(msg)
        save_run(self.folder / name, network, state, details)


def chosen_model(folder: Path) -> Path:
    """Return the model file of a run to use: the best where the run has kept it, otherwise the last."""
    if not (folder / BEST).is_file():
        return folder / MODEL  # which may be a model alone, without a run
    return folder / (MODEL if Checkpoint(folder).load_best() is None else BEST)


def save_run(path: Path, network: Network, state: State, details: Mapping[str, Any] | None = None) -> None:
    """Write a model file with the history of its run among its details."""
    own = {"history": _records(state), "selected": state.selected, "step": int(state.step)}
    for name in own:
        if name in (details or {}):
            msg = f"details have {name!r}, under which that of the state is kept; give theirs another name"
            raise ValueError(msg)
    write_state(path, network, state, {**(details or {}), **own})


def load_run(path: Path, like: Array | None = None, network: Network | None = None) -> StoredRun | None:
    """Return the run in a file that `save_run` wrote, None where there is no file."""
    if not path.is_file():
        return None
    (network, _, details), state = read_state(path, like, network)
    return StoredRun(network, restored(path, state, details), details)


def restored(path: Path, state: State, details: dict[str, Any]) -> State:
    """Return the state of a model file with its history; what belongs to it is taken out of the details."""
    if "history" not in details:
        msg = (
            f"{path}: a model without the history of a run, so no run can go on from it; "
            f"give its parameters to pycopi.fit, or name another folder"
        )
        raise ValueError(msg)
    try:
        history = tuple(EpochRecord.from_json(record) for record in details.pop("history"))
    except (TypeError, ValueError) as error:
        msg = f"{path}: the history in this file cannot be read ({error}); start the run anew"
        raise ValueError(msg) from error
    step = int(details.pop("step", sum(record.steps for record in history)))
    return state._replace(step=step, history=history, selected=details.pop("selected", None))


def _records(state: State) -> list[dict[str, Any]]:
    return [record.as_json() for record in state.history]
