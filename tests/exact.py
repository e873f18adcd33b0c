"""Settings whose steps are as large as their rates say, as in the paper."""

import pycopi


def decorrelation(**fields):
    """Return how R learns without a bound."""
    return pycopi.Decorrelation(**{"step_bound": None, **fields})


def settings(**fields):
    """Return settings without bounds but for those that are given."""
    return pycopi.Settings(**{"step_bound": None, "decorrelation": decorrelation(), **fields})
