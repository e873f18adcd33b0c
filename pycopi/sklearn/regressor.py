"""The regressor."""

from typing import Any

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import validate_data

from pycopi._array import Array, HostArray, astype, namespace
from pycopi.activations import Activation, Affine
from pycopi.data.rounding import lost_in_float32
from pycopi.sklearn.callbacks import with_callbacks
from pycopi.sklearn.inputs import floats_for, host
from pycopi.sklearn.learner import Learner, all_or_nothing
from pycopi.sklearn.rows import read_weights


class COPIRegressor(RegressorMixin, MultiOutputMixin, Learner):  # type: ignore[misc]
    """A multilayer perceptron for real numbers that learns by constrained parameter inference.

    Columns and targets may be of any scale, and nothing has to be tuned: the network standardises its inputs,
    learns targets of about 1 and gives its predictions in their own units, and every step is bounded.

    Parameters
    ----------
    hidden_layer_sizes, activation : int or sequence of int, str or Activation
        The network, as for `COPIClassifier`.
    max_iter, batch_size, rate, gain, decorrelation_rate, step_bound, rate_decay : int, float, "auto" or None
        The epochs and their steps, as for `COPIClassifier`.
    standardize, warm_start, early_stopping, validation_fraction, n_iter_no_change : bool, float, int
        What `fit` begins with, and when it ends, as for `COPIClassifier`.
    random_state, verbose : int, RandomState or None, bool
        What weights and batches are drawn from, and whether to show a line for each epoch or `partial_fit`.

    Attributes
    ----------
    coefs_, intercepts_ : list of array
        Matrices (n, m) and biases (m,) of plain layers that answer the same, in the units of inputs and
        targets, as `MLPRegressor` has them.
    out_activation_ : str
        ``identity``.
    loss_curve_ : list of float
        Mean of half the squared distance of each epoch, in squared units of the targets.
    input_limits_, n_layers_, n_outputs_, n_iter_, best_iter_, validation_loss_curve_ : tuple, int, list
        As those of `COPIClassifier`.
    network_, parameters_, n_features_in_, feature_names_in_ : Network, tuple, int, array
        As those of `COPIClassifier`.

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

    @all_or_nothing
    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "COPIRegressor":
        """Train on rows, with ``warm_start`` from where the last call left off.

        Parameters
        ----------
        X : array-like, shape (N, n)
            Rows of finite numbers, as `COPIClassifier.fit` takes them.
        y : array-like, shape (N,) or (N, m)
            Real targets, in any units. Where float32 would lose what they vary by, the network is float64.
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

    @all_or_nothing
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "COPIRegressor":
        """Learn from each row once, at the full step size; the first call makes the network.

        The scales of inputs and targets are those of the rows of the first call.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As for `fit`, which raises the same.

        Returns
        -------
        COPIRegressor
            The estimator itself.
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
        if reset and lost_in_float32(targets):
            inputs = astype(inputs, namespace(inputs).float64)
        if not reset and targets.shape[1] != self.n_outputs_:
            msg = f"y has {targets.shape[1]} columns but the network was made for {self.n_outputs_}"
            raise ValueError(msg + "; give as many, or make a new one with warm_start=False")
        return inputs, targets
