"""Read-outs of a trained network and of what flows through it."""

from pycopi.analysis.correlation import off_diagonal_correlation

__all__ = ["off_diagonal_correlation"]
