"""The estimators of `pycopi.streams` as those of river, for its pipelines, metrics and checks.

This module needs river 0.25 or newer, the extra ``river``; ``import pycopi`` does not import it.
"""

try:
    from river import base
except ImportError as error:
    if error.name != "river":
        raise
    _msg = "pycopi.river needs river, which is not installed: pip install 'pycopi[river]'; pycopi.streams has "
    raise ImportError(_msg + "the same estimators without it", name="river") from error

from pycopi.streams import StreamClassifier, StreamDecorrelator, StreamRegressor

__all__ = ["COPIClassifier", "COPIRegressor", "Decorrelator"]


class COPIClassifier(StreamClassifier, base.Classifier):
    __doc__ = StreamClassifier.__doc__

    @property
    def _multiclass(self) -> bool:
        return True


class COPIRegressor(StreamRegressor, base.Regressor):
    __doc__ = StreamRegressor.__doc__


class Decorrelator(StreamDecorrelator, base.Transformer):
    __doc__ = StreamDecorrelator.__doc__
