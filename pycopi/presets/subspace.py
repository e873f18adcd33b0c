"""Decorrelation in few directions with all that goes with it, so that nothing has to be tuned."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pycopi._checks import as_whole
from pycopi.network import Network, mlp
from pycopi.optimizers import Decorrelated
from pycopi.settings import Settings
from pycopi.training.course import Course

STEP = 0.05
"""The ``step_bound`` of `Decorrelated` in the recipe."""

SUBSPACE = Settings(
    rule="gradient", rate=0.3, gain=1.0, loss="cross_entropy", optimizer=Decorrelated(step_bound=STEP)
)
"""How networks learn with inputs and perturbations decorrelated in few directions; nothing has to be tuned."""

BATCH_SIZE = 128
"""Samples in a step where there are tens of thousands."""


class Recipe(NamedTuple):
    """A network, how it learns, and the other arguments of `pycopi.fit` that go with both."""

    network: Network
    settings: Settings
    arguments: dict[str, Any]


def subspace_recipe(
    sizes: Sequence[int], *, epochs: int, batch_size: int = BATCH_SIZE, standardized: bool = False
) -> Recipe:
    """Return a network for classes that learns with inputs and perturbations decorrelated in few directions.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of features from the inputs to the classes, at least two.
    epochs : int
        Epochs of the whole run, at least 1; the step size rises and falls over these.
    batch_size : int
        Samples in a step; 128 for tens of thousands of samples, 32 for some hundreds or thousands.
    standardized : bool
        Whether the network scales its inputs, as in `pycopi.mlp`: for tables. Images with values in [0, 1] are
        best as they are.

    Returns
    -------
    Recipe
        ``network``, ``settings``, and the keyword ``arguments`` of `pycopi.fit`.

    Raises
    ------
    ValueError
        If a size or the number of epochs is not a whole number of at least 1.

    Notes
    -----
    Cross-entropy, biases, `pycopi.Decorrelated` with 16 directions on both sides, a rate of 0.3 that rises over
    a tenth of the run and falls in a straight line to 0, and a ``step_bound`` of 0.05.

    Examples
    --------
    >>> import pycopi
    >>> digits = pycopi.data.load_dataset("digits")
    >>> network, settings, arguments = pycopi.subspace_recipe([64, 100, 10], epochs=20, batch_size=32)
    >>> state = pycopi.start(network, settings, like=digits.x_train)
    >>> state = pycopi.fit(network, state, digits.x_train, digits.y_train, **arguments)
    >>> found = pycopi.evaluate(network, state.parameters, digits.x_test, digits.y_test)
    >>> found.accuracy > 0.95
    True
    """
    batch_size = as_whole("batch_size", batch_size)
    network = mlp(sizes, bias=True, decorrelated=False, standardized=standardized)
    arguments = {
        "settings": SUBSPACE,
        "epochs": epochs,
        "batch_size": batch_size,
        "weight_schedule": Course(epochs=epochs),
    }
    return Recipe(network, SUBSPACE, arguments)
