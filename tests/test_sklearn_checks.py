"""The estimators pass scikit-learn's own checks, all of them; it skips those whose libraries are not there."""

import importlib.util
from contextlib import nullcontext

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks

from pycopi.sklearn import COPIClassifier, COPIRegressor, Decorrelator

ESTIMATORS = [
    COPIClassifier(max_iter=10),
    COPIRegressor(max_iter=10),
    Decorrelator(),
    Decorrelator("learned", whiten=True, passes=2),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_accepts_the_estimator(estimator, check):
    with everything_of_the_strict_library():
        check(estimator)


def everything_of_the_strict_library():
    """Let array-api-strict do all of the standard: other tests switch parts of it off."""
    if importlib.util.find_spec("array_api_strict") is None:
        return nullcontext()
    from array_api_strict import ArrayAPIStrictFlags

    return ArrayAPIStrictFlags(
        boolean_indexing=True, data_dependent_shapes=True, enabled_extensions=("linalg", "fft")
    )
