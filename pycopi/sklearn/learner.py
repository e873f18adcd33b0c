"""What classifier and regressor share: a network that is made from data, trained, and read out."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

import pycopi
from pycopi._array import Array, HostArray, astype
from pycopi._checks import as_float, as_whole
from pycopi.activations import Activation
from pycopi.presets import FILES
from pycopi.sklearn.callbacks import CallbackSupport, FitTask
from pycopi.sklearn.inputs import beside, read_inputs
from pycopi.sklearn.rows import Rows, gather_rows
from pycopi.sklearn.view import PlainLayers, Trained
from pycopi.training.progress import choose_reporter, write_loss

Given = ParamSpec("Given")
Found = TypeVar("Found")


def all_or_nothing(method: Callable[Given, Found]) -> Callable[Given, Found]:
    """Return a method that trains; where it raises, the estimator stays what it was.

    Complete epochs of a `fit` that is interrupted are kept.
    """

    @wraps(method)
    def trains(*given: Given.args, **named: Given.kwargs) -> Found:
        own = vars(given[0])  # of the estimator
        before = dict(own)
        try:
            return method(*given, **named)
        except BaseException as error:
            history = own.get("_history", ())
            learned = bool(history) and history is not before.get("_history")
            if not (learned and isinstance(error, KeyboardInterrupt)):
                own.clear()
                own.update(before)
            raise

    return trains


@dataclass(eq=False, repr=False)
class Learner(CallbackSupport, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A network with its way of learning; `fit` and `partial_fit` of its children read X and y.

    The defaults are those of the command on users' own files.
    """

    hidden_layer_sizes: Any = FILES.hidden
    _: KW_ONLY
    activation: Any = FILES.activation
    max_iter: int = FILES.epochs
    batch_size: Any = "auto"
    rate: float = FILES.settings.rate
    gain: float = FILES.settings.gain
    decorrelation_rate: float = FILES.settings.decorrelations[0].rate
    step_bound: float | None = FILES.settings.step_bound
    rate_decay: float = FILES.weight_schedule.decay
    standardize: bool = FILES.standardized
    warm_start: bool = False
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    random_state: Any = None
    verbose: bool = False

    @property
    def network_(self) -> pycopi.Network:
        """The network, for the functions of pycopi."""
        return self._trained.network

    @property
    def parameters_(self) -> Any:
        """The parameters of the network."""
        return self._trained.parameters

    @property
    def coefs_(self) -> list[Array]:
        """A matrix (n, m) for each layer, as `MLPClassifier` has them."""
        return self._plain_layers().coefs

    @property
    def intercepts_(self) -> list[Array]:
        """A bias (m,) for each layer."""
        return self._plain_layers().intercepts

    @property
    def input_limits_(self) -> tuple[Array, Array] | None:
        """The least and the largest value of each feature, shape (n,), between which the network clips it."""
        return self._trained.limits

    @property
    def n_layers_(self) -> int:
        """The number of layers, that of the inputs included."""
        return len(self._trained.network.layers) + 1

    @property
    def n_iter_(self) -> int:
        """The number of epochs, each call of ``partial_fit`` counted as one."""
        return len(self.loss_curve_)

    def _plain_layers(self) -> PlainLayers:
        return self._trained.plain_layers()

    def _loss(self) -> str:
        return "squared_error"

    def _settings(self, share: float) -> pycopi.Settings:
        """Return how the network learns; ``share`` is the part of a full batch that a batch is."""
        decorrelates = as_float("decorrelation_rate", self.decorrelation_rate) > 0
        decorrelation = pycopi.Decorrelation(rate=self.decorrelation_rate * share, step_bound=self.step_bound)
        return pycopi.Settings(
            rule="copi" if decorrelates else "gradient",
            rate=as_float("rate", self.rate) * share,
            gain=self.gain,
            loss=self._loss(),
            step_bound=self.step_bound,
            decorrelation=decorrelation,
        )

    def _batch_size(self, rows: int | None) -> int:
        """Return how many of so many rows make a step; None where more are to come."""
        if isinstance(self.batch_size, str) and self.batch_size == "auto":
            return FILES.batch_size if rows is None else FILES.batch_for(rows)
        return as_whole("batch_size", self.batch_size)

    def _network(self, inputs: int, outputs: int, last: Activation) -> pycopi.Network:
        sizes = self.hidden_layer_sizes
        hidden = list(sizes) if isinstance(sizes, (tuple, list, np.ndarray)) else [sizes]
        return pycopi.mlp(
            [inputs, *hidden, outputs],
            activation="sigmoid" if self.activation == "logistic" else self.activation,
            output_activation=last,
            bias=True,
            decorrelated=self.decorrelation_rate > 0,
            standardized=bool(self.standardize),
        )

    def _output_activation(self, targets: HostArray) -> Activation:
        """Return the activation of the last layer for the targets of a run."""
        return pycopi.activations.Identity()

    def _begins(self) -> bool:
        return not (self.warm_start and hasattr(self, "_trained"))

    def _begin(self, inputs: Array, targets: HostArray, outputs: int) -> None:
        """Make the network for the rows of an epoch."""
        network = self._network(inputs.shape[1], outputs, self._output_activation(targets))
        data = {"data": inputs} if self.standardize else {}
        parameters = network.init(self._seed, like=inputs, **data)
        self._trained = Trained(network, parameters)
        self._history: tuple[Any, ...] = ()
        self.loss_curve_: list[float] = []

    def _draw_seed(self) -> None:
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))

    def _fit(
        self, inputs: Array, targets: HostArray, counts: HostArray | None, outputs: int, **data: Any
    ) -> None:
        """Train on checked data, with targets in host memory and ``counts`` of `read_weights`.

        ``data`` are what callbacks see: X, y and metadata.
        """
        max_iter = as_whole("max_iter", self.max_iter)
        if self._begins():
            self._draw_seed()
            self._history = ()
        rows, held_out = self._split(inputs, targets, counts)
        if self._begins():
            self._begin(*rows.of_epoch(0), outputs)
        task = FitTask(self, max_iter, **data)
        with self._advice():
            self._epochs(rows, held_out, len(self._history) + max_iter, task)
        task.end()

    def _epochs(self, rows: Rows, held_out: Rows | None, last: int, task: FitTask) -> None:
        """Train until the network has seen ``last`` epochs."""
        stop = validation = None
        if held_out is not None:
            stop = pycopi.early_stopping(patience=self.n_iter_no_change)
            stop.after = len(self._history)  # what an earlier fit has reached, perhaps on other rows
            validation = self._moved(*held_out.of_epoch(0))
        reporter = choose_reporter(bool(self.verbose))
        progress = reporter and (lambda report: reporter(report._replace(epochs=last)))
        waits = self.decorrelation_rate > 0 and last > 1  # the first epoch: its matrices R learn alone
        schedule = pycopi.Schedule(start=int(waits), decay=self.rate_decay)
        state = pycopi.State(self.parameters_, history=self._history)
        began, arrays, batch_size = len(self._history), None, self._batch_size(rows.length)
        try:
            for epoch in range(began, last):
                if arrays is None or not rows.steady:
                    arrays = self._moved(*rows.of_epoch(epoch))
                task.begin_epoch()
                state = pycopi.fit(
                    self.network_,
                    state,
                    *arrays,
                    epochs=epoch + 1,
                    settings=self._settings(1.0),
                    batch_size=batch_size,
                    seed=self._seed,
                    validation=validation,
                    weight_schedule=schedule,
                    progress=progress or False,
                )
                done = Trained(self.network_, state.parameters)
                ended = task.end_epoch(partial(dict, _trained=done))
                if (stop is not None and stop(state)) or ended:
                    break
        finally:  # also where the user ends it
            self._keep(state, began, stop)

    def _keep(self, state: pycopi.State, began: int, stop: Any) -> None:
        """Keep what was learned since epoch ``began``, or with early stopping the best of it."""
        if len(state.history) == began:
            return
        self._history = state.history
        self.loss_curve_ = [*self.loss_curve_, *(record.loss for record in state.history[began:])]
        if stop is not None:
            state = stop.end(state)
            self.best_iter_ = state.selected or len(state.history)
            self.validation_loss_curve_ = [record.validation_loss for record in state.history]
        self._trained = Trained(self.network_, state.parameters)

    def _partial_fit(self, inputs: Array, targets: HostArray, counts: HostArray | None, outputs: int) -> None:
        new = not hasattr(self, "_trained")
        if new:
            self._draw_seed()
        epoch = 0 if new else self.n_iter_
        inputs, targets = gather_rows(inputs, targets, counts, self._seed).of_epoch(epoch)
        if new:
            self._begin(inputs, targets, outputs)
        batch_size = self._batch_size(None)
        share = min(1.0, inputs.shape[0] / batch_size)
        with self._advice():
            state = pycopi.fit(
                self.network_,
                self.parameters_,
                *self._moved(inputs, targets),
                epochs=1,
                settings=self._settings(share),
                batch_size=batch_size,
                seed=(self._seed + self.n_iter_) % 2**31,
                weight_schedule=pycopi.Schedule(),
                progress=False,
            )
        self.loss_curve_ = [*self.loss_curve_, state.history[-1].loss]
        if self.verbose:
            rows, loss = inputs.shape[0], write_loss(self.loss_curve_[-1])
            print(f"partial_fit {self.n_iter_}: {rows} rows, loss {loss}", file=sys.stderr)
        self._trained = Trained(self.network_, state.parameters)

    def _moved(self, inputs: Array, targets: HostArray) -> tuple[Array, Array]:
        """Return inputs, and targets beside them, as the network takes them: real numbers in its dtype."""
        like = self._trained.like
        dtype = like.dtype if targets.dtype.kind == "f" else None
        return astype(inputs, like.dtype), beside(targets, like, dtype=dtype)

    def _split(self, inputs: Array, targets: HostArray, counts: HostArray | None) -> tuple[Rows, Rows | None]:
        """Return the rows to train on, and with early stopping those to validate on."""
        rows = gather_rows(inputs, targets, counts, self._seed)
        if not self.early_stopping:
            return rows, None
        labels = targets[rows.order] if targets.ndim == 1 and targets.dtype.kind in "iu" else None
        if labels is not None and np.unique(labels, return_counts=True)[1].min() < 2:
            labels = None
        parts = train_test_split(
            np.arange(len(rows.order)),
            test_size=self.validation_fraction,
            random_state=self._seed,
            stratify=labels,
        )
        train, held_out = (
            rows._replace(
                order=rows.order[np.sort(part)],
                counts=None if rows.counts is None else rows.counts[np.sort(part)],
            )
            for part in parts
        )
        return train, held_out

    def _outputs(self, inputs: Any, method: str) -> Array:
        """Return what the network answers to X, shape (N, m)."""
        check_is_fitted(self)
        like = self._trained.like
        return self._trained.outputs(astype(read_inputs(self, inputs, method, like), like.dtype))

    @contextmanager
    def _advice(self) -> Iterator[None]:
        """Let the advice of an error of divergence name the parameters of the estimator."""
        try:
            yield
        except pycopi.DivergenceError as error:
            causes = tuple(cause._replace(python=_as_parameter(cause.flag)) for cause in error.causes)
            place: dict[str, Any] = {"epoch": error.epoch, "step": error.step, "state": error.state}
            raise pycopi.DivergenceError(error.what, error.layer, error.parameters, causes, **place) from error

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        return tags


def _as_parameter(flag: str) -> str:
    """Return the parameter of the estimator that does what a flag of the command does."""
    name, _, value = flag.removeprefix("--").replace("-", "_").partition(" ")
    name = {"decorrelation_bound": "step_bound"}.get(name, name)
    return f"{name}={value or True}"
