"""Learning one sample at a time, in the style of river: a classifier, a regressor and a whitening transformer.

They need NumPy alone. `pycopi.river` has the same as estimators of river.
"""

from pycopi.streams.classifier import StreamClassifier
from pycopi.streams.decorrelator import StreamDecorrelator
from pycopi.streams.regressor import StreamRegressor

__all__ = ["StreamClassifier", "StreamDecorrelator", "StreamRegressor"]
