"""Pictures of runs. Matplotlib is imported when one is drawn; its global state is left alone."""

from pycopi.plotting.learning_curve import learning_curve

__all__ = ["learning_curve"]
