"""Estimators for scikit-learn: `COPIClassifier`, `COPIRegressor` and `Decorrelator`.

They need no tuning and no scaling beforehand: the networks are those of the command on users' own files. This
module needs scikit-learn 1.6 or newer, the extra ``sklearn``; ``import pycopi`` does not import it.
"""

try:
    import sklearn  # noqa: F401  (which names what is missing)
    from sklearn.utils.validation import validate_data as _since_version_1_6  # noqa: F401
except ImportError as error:
    _states = {"sklearn": "is not installed", "sklearn.utils.validation": "is older"}
    if error.name not in _states:
        raise
    _msg = "pycopi.sklearn needs scikit-learn 1.6 or newer, which "
    _msg += f"{_states[error.name]}: pip install 'pycopi[sklearn]'"
    raise ImportError(_msg, name="sklearn") from error

from pycopi.sklearn.classifier import COPIClassifier
from pycopi.sklearn.decorrelator import CorrelationLeft, Decorrelator
from pycopi.sklearn.regressor import COPIRegressor

__all__ = ["COPIClassifier", "COPIRegressor", "CorrelationLeft", "Decorrelator"]
