"""The classifier."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d, validate_data

from pycopi._array import Array, HostArray, is_numpy, namespace, to_numpy
from pycopi.activations import Sigmoid
from pycopi.losses import log_softmax
from pycopi.sklearn.callbacks import with_callbacks
from pycopi.sklearn.inputs import beside, floats_for, host
from pycopi.sklearn.learner import Learner, all_or_nothing
from pycopi.sklearn.rows import read_weights, scaled
from pycopi.sklearn.view import PlainLayers


@dataclass(eq=False, repr=False)
class COPIClassifier(ClassifierMixin, Learner):  # type: ignore[misc]
    """A multilayer perceptron for classes that learns by constrained parameter inference.

    Columns may be of any scale, and nothing has to be tuned: the network standardises its inputs, and every
    step is bounded. It takes two classes, more, or several labels for each row.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Numbers of units of the hidden layers; ``()`` makes a linear network.
    activation : {"leaky_relu", "relu", "tanh", "logistic", "identity"} or Activation
        Of the hidden layers. Tools made for `MLPClassifier` know all but ``leaky_relu``.
    max_iter : int
        Epochs of a call of `fit`, at least 1. The first of several decorrelates alone.
    batch_size : int or "auto"
        Rows in a step, at least 1. ``"auto"`` is 64, or a fifth of the rows of `fit`, but at least 16.
    rate, gain : float
        Step size of the weights and factor of the output error, dimensionless, at least 0; a step along the
        gradient has their product.
    decorrelation_rate : float
        Step size of the decorrelating matrices, dimensionless, at least 0. With 0 there are none, and the
        weights learn along the gradient.
    step_bound : float or None
        Largest effective step, dimensionless, above 0; beyond 2 a step overshoots. None bounds nothing.
    rate_decay : float
        Factor by which each epoch multiplies the step size of the weights, in [0, 1].
    standardize : bool
        Whether the network centres its inputs, divides each by its spread and clips it to 3 of these.
    warm_start : bool
        Whether `fit` goes on with the network that is there: two fits of 40 epochs are one of 80.
    early_stopping : bool
        Whether to hold out a share of the rows and to keep the epoch that has the least loss on them.
    validation_fraction : float
        That share, in (0, 1).
    n_iter_no_change : int
        Epochs without a new best after which early stopping ends the run, at least 1.
    random_state : int, RandomState or None
        What weights and batches are drawn from.
    verbose : bool
        Whether to show a line for each epoch, or call of `partial_fit`.
    class_weight : dict, "balanced" or None
        Weights of the classes, by which the weights of the rows are multiplied.

    Attributes
    ----------
    classes_ : array, shape (k,)
        The classes in sorted order; with several labels a row, the numbers of the labels.
    coefs_, intercepts_ : list of array
        Matrices (n, m) and biases (m,) of plain layers that answer the same, as `MLPClassifier` has them.
    input_limits_ : tuple of array, or None
        Between which values the network clips each feature before these layers.
    n_layers_, n_outputs_, n_iter_ : int
        Layers with that of the inputs; outputs (1 for two classes); epochs.
    out_activation_ : str
        ``softmax`` or ``logistic``.
    loss_curve_ : list of float
        Mean loss of each epoch, of each batch before its step: cross-entropy, with several labels their sum.
    best_iter_, validation_loss_curve_ : int, list of float
        With early stopping: the epoch that was kept, counted from 1, and the loss on the rows held out.
    network_, parameters_ : Network, tuple
        For the functions of pycopi, such as `pycopi.save`.
    n_features_in_, feature_names_in_ : int, array
        Features seen in `fit`, and their names where they are text.

    Notes
    -----
    The order of the rows makes no difference. A sample weight is how often a row is seen in an epoch: 0 leaves
    it out and 2 is the row twice. Weights that are not whole, or more than 10 in the mean, are relative:
    scaled to a mean of 1, and drawn anew in each epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.model_selection import train_test_split
    >>> from pycopi.sklearn import COPIClassifier
    >>> x, x_test, y, y_test = train_test_split(*load_wine(return_X_y=True), random_state=0)
    >>> COPIClassifier(random_state=0).fit(x, y).score(x_test, y_test) > 0.95
    True
    """

    class_weight: Any = field(default=None, kw_only=True)

    @all_or_nothing
    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "COPIClassifier":
        """Train on rows, with ``warm_start`` from where the last call left off.

        Parameters
        ----------
        X : array-like, shape (N, n)
            Rows of finite numbers: an array, a data frame, or with ``array_api_dispatch`` an array of any
            library. float32 stays float32, all else becomes float64. Sparse matrices are refused.
        y : array-like, shape (N,) or (N, k)
            A class for each row, numbers or text; or 0 and 1 for each of k labels.
        sample_weight : array-like, shape (N,), or None
            How often each row is seen in an epoch, at least 0.

        Returns
        -------
        COPIClassifier
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            If the data do not fit together, are not finite or have one class alone, or a parameter is out of
            range.
        DivergenceError
            If parameters or loss are no longer finite, with the parameter to change.
        """
        inputs, labels, several = self._read(X, y)
        counts = read_weights(sample_weight, len(labels))
        if self._begins():
            self._set_classes(labels if counts is None else labels[counts > 0], several)
        targets = self._encode(labels, counts, several)
        self._place_classes(inputs)
        seen: dict[str, Any] = {"X": inputs, "y": y, "metadata": {"sample_weight": sample_weight}}
        self._fit(inputs, targets, self._class_weights(labels, targets, counts), self._width(), **seen)
        return self

    @all_or_nothing
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "COPIClassifier":
        """Learn from each row once, at the full step size; the first call makes the network.

        The scales of the inputs are those of the rows of the first call.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As for `fit`.
        classes : array-like, shape (k,), or None
            All classes that will ever come; the first call needs them, but not for several labels a row.

        Returns
        -------
        COPIClassifier
            The estimator itself.

        Raises
        ------
        TypeError, ValueError, DivergenceError
            As `fit` does, and if ``classes`` are missing, or a class is none of them.
        """
        new = not hasattr(self, "_trained")
        inputs, labels, several = self._read(X, y, reset=new)
        if new and classes is None and not several:
            msg = "classes is None in the first call of partial_fit"
            raise ValueError(msg + "; expected all classes that will ever come, such as numpy.unique(y)")
        if new:
            self._set_classes(labels if several else column_or_1d(host(classes)), several)
        elif classes is not None and not np.array_equal(np.unique(host(classes)), to_numpy(self.classes_)):
            msg = f"classes are {classes!r} but the first call had {self.classes_!r}; expected the same"
            raise ValueError(msg)
        counts = read_weights(sample_weight, len(labels))
        targets = self._encode(labels, counts, several)
        if self.class_weight == "balanced":
            msg = "class_weight is 'balanced', which needs all rows at once; give partial_fit a dict of weights"
            raise ValueError(msg)
        self._partial_fit(inputs, targets, self._class_weights(labels, targets, counts), self._width())
        self._place_classes(inputs)
        return self

    def predict(self, X: Any) -> Array:
        """Return the likeliest class of each row, shape (N,); with several labels 0 and 1 for each, (N, k).

        Parameters
        ----------
        X : array-like, shape (N, n)
            Rows, on the library and device of those in `fit`.

        Returns
        -------
        array, shape (N,) or (N, k)
            On that library and device; classes that are text are NumPy.
        """
        outputs = self._outputs(X, "predict")
        xp = namespace(outputs)
        if self._several:
            return xp.astype(Sigmoid()(outputs) > 0.5, xp.int64)
        index = xp.argmax(outputs, axis=1)
        return (
            self.classes_[to_numpy(index)] if is_numpy(self.classes_) else xp.take(self.classes_, index, axis=0)
        )

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, or of each label.

        Parameters
        ----------
        X : array-like, shape (N, n)
            Rows, as for `predict`.

        Returns
        -------
        array, shape (N, k), in the dtype of the network
            Probabilities; those of classes sum to 1 in each row.
        """
        outputs = self._outputs(X, "predict_proba")
        return Sigmoid()(outputs) if self._several else namespace(outputs).exp(log_softmax(outputs))

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of what `predict_proba` returns, at most 0."""
        outputs = self._outputs(X, "predict_log_proba")
        return namespace(outputs).log(Sigmoid()(outputs)) if self._several else log_softmax(outputs)

    @property
    def n_outputs_(self) -> int:
        """The number of outputs: of the classes, but 1 for two of them, or of the labels."""
        return 1 if self._binary else self._trained.network.outputs

    @property
    def out_activation_(self) -> str:
        """What makes probabilities of the outputs."""
        return "logistic" if self._several or self._binary else "softmax"

    @property
    def _binary(self) -> bool:
        return not self._several and self._trained.network.outputs == 2

    def _loss(self) -> str:
        return "binary_cross_entropy" if self._several else "cross_entropy"

    def _plain_layers(self) -> PlainLayers:
        return self._trained.plain_layers(binary=self._binary)

    def _read(self, inputs: Any, labels: Any, *, reset: bool | None = None) -> tuple[Array, HostArray, bool]:
        """Return checked rows, labels in host memory, and whether these are several a row."""
        reset = self._begins() if reset is None else reset
        inputs, labels = validate_data(
            self, inputs, host(labels), dtype=floats_for(inputs), multi_output=True, reset=reset
        )
        if hasattr(labels, "toarray"):
            labels = labels.toarray()
        check_classification_targets(labels)
        kind = type_of_target(labels)
        if kind == "multilabel-indicator":
            return inputs, np.asarray(labels), True
        if kind == "multiclass-multioutput":
            msg = "y has several classes a row; expected one class, or 0 and 1 for each label"
            raise ValueError(msg)
        return inputs, column_or_1d(labels, warn=True), False

    def _set_classes(self, labels: HostArray, several: bool) -> None:
        self.classes_ = np.arange(labels.shape[1]) if several else np.unique(labels)
        self._several = several
        if not several and len(self.classes_) < 2:
            msg = f"y has one class, {self.classes_.tolist()[0]!r}; expected rows of at least two classes"
            raise ValueError(msg)

    def _width(self) -> int:
        return int(self.classes_.shape[0])

    def _encode(self, labels: HostArray, counts: HostArray | None, several: bool) -> HostArray:
        """Return class numbers (N,), or labels as real numbers (N, k)."""
        classes = to_numpy(self.classes_)
        if several != self._several or (several and labels.shape[1] != len(classes)):
            came, had = _shown(several, labels), _shown(self._several, classes[None, :])
            msg = f"y has {came} but the network was made for {had}; make a new one with warm_start=False"
            raise ValueError(msg)
        if several:
            return labels.astype(np.float64)
        numbers = np.clip(np.searchsorted(classes, labels), 0, len(classes) - 1).astype(np.int64)
        wrong = classes[numbers] != labels
        if counts is not None:
            wrong &= counts > 0
        if wrong.any():
            odd = labels[wrong].tolist()[0]
            msg = f"y has the class {odd!r}, which is none of the network's {classes.tolist()}"
            raise ValueError(msg + "; name all classes in the first call of partial_fit, or fit anew")
        return numbers

    def _class_weights(
        self, labels: HostArray, targets: HostArray, counts: HostArray | None
    ) -> HostArray | None:
        """Return how often each row is seen, its class considered."""
        if self.class_weight is None:
            return counts
        rows = np.ones(len(labels)) if counts is None else counts
        if self.class_weight == "balanced" and not self._several:
            totals = np.bincount(targets, rows, len(self.classes_))
            weights = (rows.sum() / (np.count_nonzero(totals) * np.where(totals > 0, totals, 1.0)))[targets]
        else:
            weights = compute_sample_weight(self.class_weight, labels)
        odd = weights[~(np.isfinite(weights) & (weights >= 0))]
        if len(odd) or not (weights * rows > 0).any():
            what = f"{odd[0]:g}" if len(odd) else "0 for every class that has rows"
            msg = f"class_weight is {what}; expected finite numbers of at least 0, and one above 0"
            raise ValueError(msg)
        return scaled(weights * rows)

    def _place_classes(self, inputs: Array) -> None:
        """Put numbers of classes beside the network, so that predictions come from there."""
        self.classes_ = beside(to_numpy(self.classes_), inputs)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _shown(several: bool, labels: HostArray) -> str:
    return f"{labels.shape[1]} labels a row" if several else "one class a row"
