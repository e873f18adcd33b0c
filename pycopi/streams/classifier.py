"""The classifier of streams."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pycopi.streams.learner import StreamLearner


@dataclass(eq=False, repr=False)
class StreamClassifier(StreamLearner):
    """A multilayer perceptron for classes that learns from one sample at a time.

    A sample is an array or a dict of numbers of any scale. Features and classes need not be known before: a new
    feature gets a column, and a new class an output. A feature that is missing, None, NaN, infinite or beyond
    1e30 counts as its mean so far. Every step is bounded, so that nothing has to be tuned.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int
        Numbers of units of the hidden layers; ``()`` makes a linear network.
    activation : str or Activation
        Of the hidden layers, as for `pycopi.mlp`.
    rate, gain : float
        Step size of the weights and factor of the output error, dimensionless, at least 0; a step along the
        gradient has their product. A large rate lets the weights of a long stream grow: change the gain.
    decorrelation_rate : float
        Step size of the decorrelating matrices, dimensionless, at least 0; after t samples it is divided by
        1 + rate t.
    decorrelated_layers : int or None
        How many layers decorrelate their inputs, from the first on; None is all. Each has one more matrix
        to read and to write for a sample.
    step_bound : float or None
        Largest effective step, dimensionless, above 0; beyond 2 a step overshoots. None bounds nothing.
    forgetting : float
        Least share that a sample has in the means and spreads of the inputs, in [0, 1]; with 0 all samples
        since the first count alike.
    seed : int
        Seed of the weights.
    classes : tuple or None
        Classes that are known before, in the order of the outputs; others still get an output when they come.

    Notes
    -----
    A step on an array is the scaling of its inputs and the equations of one row, on NumPy in float32, in two
    calls of the C core for a layer where its activation is a rectifier, leaky or not, or the identity. A dict
    takes one look-up for each feature beside it. Memory depends on the numbers of features and classes alone.

    Examples
    --------
    >>> from pycopi.streams import StreamClassifier
    >>> model = StreamClassifier()
    >>> for _ in range(20):
    ...     model.learn_one({"length": 1.5, "width": 0.2}, "small")
    ...     model.learn_one({"length": 5.5, "width": 2.1}, "large")
    >>> model.predict_one({"length": 5.0})
    'large'
    """

    classes: tuple[Hashable, ...] | None = None

    _loss = "cross_entropy"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._outputs_of: dict[Any, int] = {label: place for place, label in enumerate(self.classes or ())}
        self._wanted = np.eye(len(self._outputs_of), dtype=np.float32)

    def learn_one(self, x: Any, y: Hashable) -> None:
        """Take one step on a sample.

        Parameters
        ----------
        x : dict, or array of shape (n,)
            Numbers by the names of their features, or in the order of the first array.
        y : hashable
            Its class.

        Raises
        ------
        TypeError, ValueError
            If a feature is no number, or an array has another shape than the first.
        DivergenceError
            If the outputs are not finite, which takes ``step_bound=None``.
        """
        place = self._outputs_of.get(y, len(self._outputs_of))
        wanted = self._wanted if place < len(self._wanted) else np.eye(place + 1, dtype=np.float32)
        self._learn(x, wanted[place : place + 1])
        self._wanted = wanted  # and only now: a sample that is refused leaves no trace
        self._outputs_of[y] = place

    def predict_proba_one(self, x: Any) -> dict[Any, float]:
        """Return the probability of each class seen so far.

        Parameters
        ----------
        x : dict, or array of shape (n,)
            A sample; features that were never learned from are left out.

        Returns
        -------
        dict
            Probabilities that sum to 1, by class; empty before the first sample.
        """
        if self._inner is None:
            return {}
        logits = self._outputs(x)
        raised = np.exp(logits - logits.max())
        return dict(zip(self._outputs_of, (raised / raised.sum()).tolist(), strict=True))

    def predict_one(self, x: Any) -> Any:
        """Return the likeliest class.

        Parameters
        ----------
        x : dict, or array of shape (n,)
            A sample, as for `predict_proba_one`.

        Returns
        -------
        hashable
            A class; None before the first sample.
        """
        found = self.predict_proba_one(x)
        return max(found, key=found.__getitem__) if found else None
