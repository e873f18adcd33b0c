"""The regressor."""

from typing import Any

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import validate_data

from pycopi._array import Array, HostArray
from pycopi.activations import Activation, Affine
from pycopi.sklearn.callbacks import with_callbacks
from pycopi.sklearn.inputs import floats_for, host
from pycopi.sklearn.learner import Learner
from pycopi.sklearn.rows import read_weights


class COPIRegressor(RegressorMixin, MultiOutputMixin, Learner):  # type: ignore[misc]
    """A multilayer perceptron for real numbers that learns by constrained parameter inference.

    Columns and targets may be of any scale, and nothing has to be tuned: the network standardises its inputs,
    learns targets of about 1 and gives its predictions in their own units, and every step is bounded.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Numbers of units of the hidden layers; ``()`` makes a linear network.
    activation : {"leaky_relu", "relu", "tanh", "logistic", "identity"} or Activation
        Of the hidden layers. Tools made for `MLPRegressor` know all but ``leaky_relu``.
    max_iter : int
        Epochs of a call of `fit`, at least 1. The first of several decorrelates alone.
    batch_size : int
        Rows in a step, at least 1.
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
        Whether to show a line for each epoch.

    Attributes
    ----------
    coefs_, intercepts_ : list of array
        Matrices (n, m) and biases (m,) of plain layers that answer the same, in the units of inputs and
        targets, as `MLPRegressor` has them.
    input_limits_ : tuple of array, or None
        Between which values the network clips each feature before these layers.
    n_layers_, n_outputs_, n_iter_ : int
        Layers with that of the inputs; outputs; epochs.
    out_activation_ : str
        ``identity``.
    loss_curve_ : list of float
        Mean of half the squared distance of each epoch, in squared units of the targets.
    best_iter_, validation_loss_curve_ : int, list of float
        With early stopping: the epoch that was kept, counted from 1, and the loss on the rows held out.
    network_, parameters_ : Network, tuple
        For the functions of pycopi, such as `pycopi.save`.
    n_features_in_, feature_names_in_ : int, array
        Features seen in `fit`, and their names where they are text.

    Notes
    -----
    The units of the targets are those of the first call of `fit` or `partial_fit`. Weights of rows are those of
    `COPIClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.model_selection import train_test_split
    >>> from pycopi.sklearn import COPIRegressor
    >>> x, x_test, y, y_test = train_test_split(*make_friedman1(600, random_state=0), random_state=0)
    >>> COPIRegressor(random_state=0).fit(x, 1e5 * y).score(x_test, 1e5 * y_test) > 0.8
    True
    """

    out_activation_ = "identity"

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "COPIRegressor":
        """Train on rows, with ``warm_start`` from where the last call left off.

        Parameters
        ----------
        X : array-like, shape (N, n)
            Rows of finite numbers: an array, a data frame, or with ``array_api_dispatch`` an array of any
            library. float32 stays float32, all else becomes float64. Sparse matrices are refused.
        y : array-like, shape (N,) or (N, m)
            Real targets, in any units.
        sample_weight : array-like, shape (N,), or None
            How often each row is seen in an epoch, at least 0.

        Returns
        -------
        COPIRegressor
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            If the data do not fit together or are not finite, or a parameter is out of range.
        DivergenceError
            If parameters or loss are no longer finite, with the parameter to change.
        """
        inputs, targets = self._read(X, y, reset=self._begins())
        counts = read_weights(sample_weight, len(targets))
        seen: dict[str, Any] = {"X": inputs, "y": y, "metadata": {"sample_weight": sample_weight}}
        self._fit(inputs, targets, counts, targets.shape[1], **seen)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "COPIRegressor":
        """Learn from each row once, at the full step size; the first call makes the network.

        The scales of inputs and targets are those of the rows of the first call.

        Parameters
        ----------
        X : array-like, shape (N, n)
            Rows, as `fit` takes them.
        y : array-like, shape (N,) or (N, m)
            Real targets.
        sample_weight : array-like, shape (N,), or None
            How often each row is seen.

        Returns
        -------
        COPIRegressor
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            As `fit` does.
        DivergenceError
            As `fit` does.
        """
        inputs, targets = self._read(X, y, reset=not hasattr(self, "_trained"))
        self._partial_fit(inputs, targets, read_weights(sample_weight, len(targets)), targets.shape[1])
        return self

    def predict(self, X: Any) -> Array:
        """Return the predictions for rows, in the units of the targets.

        Parameters
        ----------
        X : array-like, shape (N, n)
            Rows, on the library and device of those in `fit`.

        Returns
        -------
        array, shape (N,) or (N, m), as y was, in the dtype of the network
            On that library and device.
        """
        outputs = self._outputs(X, "predict")
        return outputs if self._in_columns else outputs[:, 0]

    @property
    def n_outputs_(self) -> int:
        """The number of targets a row."""
        return self._trained.network.outputs

    def _output_activation(self, targets: HostArray) -> Activation:
        return Affine.of(targets)

    def _read(self, inputs: Any, targets: Any, *, reset: bool) -> tuple[Array, HostArray]:
        """Return checked rows, and targets (N, m) in host memory."""
        inputs, targets = validate_data(
            self,
            inputs,
            host(targets),
            dtype=floats_for(inputs),
            multi_output=True,
            y_numeric=True,
            reset=reset,
        )
        targets = np.asarray(targets.toarray() if hasattr(targets, "toarray") else targets, dtype=np.float64)
        if reset:
            self._in_columns = targets.ndim > 1
        targets = targets.reshape(len(targets), -1)
        if not reset and targets.shape[1] != self.n_outputs_:
            msg = f"y has {targets.shape[1]} columns but the network was made for {self.n_outputs_}"
            raise ValueError(msg + "; give as many, or make a new one with warm_start=False")
        return inputs, targets
