"""The regressor of streams."""

from typing import Any

import numpy as np

from pycopi.streams.learner import StreamLearner
from pycopi.streams.scaling import NOTHING

_LARGEST = 1e150  # of a target: its square is a number


class StreamRegressor(StreamLearner):
    """A multilayer perceptron that learns real numbers from one sample at a time.

    It takes the samples and the parameters of `StreamClassifier`, but for ``classes``. Targets are learned in
    units of their spread so far, at most 3 of these from their mean, and predicted in their own.

    Parameters
    ----------
    hidden_layer_sizes, activation, rate, gain, decorrelation_rate : tuple of int, str or Activation, float
        The network and its steps, as for `StreamClassifier`.
    decorrelated_layers, step_bound : int, float or None
        As for `StreamClassifier`.
    forgetting : float
        Least share that a sample has in the means and spreads of inputs and targets, in [0, 1].
    seed : int
        Seed of the weights.

    Examples
    --------
    >>> import numpy as np
    >>> from pycopi.streams import StreamRegressor
    >>> rng, model = np.random.default_rng(0), StreamRegressor()
    >>> for x in rng.normal(size=(500, 3)):
    ...     model.learn_one(x, 100.0 + 10.0 * x[0])
    >>> abs(model.predict_one(np.array([1.0, 0.0, 0.0])) - 110.0) < 2.0
    True
    """

    _targets = NOTHING.widened(1)

    def learn_one(self, x: Any, y: float) -> None:
        """Take one step on a sample.

        Parameters
        ----------
        x : dict, or array of shape (n,)
            A sample, as for `StreamClassifier`, whose errors are raised here too.
        y : float
            Its target; a ValueError where it is not finite, or beyond 1e150.
        """
        if not abs(y) <= _LARGEST:
            msg = f"y is {y}; expected a finite number of at most 1e150: leave the sample out"
            raise ValueError(msg + ", or use predict_one alone")
        target = np.array([y], np.float64)
        targets = self._targets.after(target, self._most)
        self._learn(x, targets.standardised(target))
        self._targets = targets

    def predict_one(self, x: Any) -> float:
        """Return the prediction for a sample, in the units of the targets.

        Parameters
        ----------
        x : dict, or array of shape (n,)
            A sample; features that were never learned from are left out.

        Returns
        -------
        float
            The prediction; 0.0 before the first sample.
        """
        if self._inner is None:
            return 0.0
        return float(self._targets.mean[0] + self._targets.spread[0] * self._outputs(x)[0])
