"""Pictures of runs and analyses. Matplotlib is imported when one is drawn; its global state is left alone."""

from pycopi.plotting.compression import compression_curves
from pycopi.plotting.correlation import correlation_matrices
from pycopi.plotting.curves import Curve, compare_curves
from pycopi.plotting.images import image_comparison
from pycopi.plotting.learning_curve import learning_curve
from pycopi.plotting.receptive_fields import receptive_field_grid

__all__ = [
    "Curve",
    "compare_curves",
    "compression_curves",
    "correlation_matrices",
    "image_comparison",
    "learning_curve",
    "receptive_field_grid",
]
