"""Layers: frozen descriptions, and pure functions of their parameters; one family a file."""

from pycopi.layers.base import Layer, Trace
from pycopi.layers.dense import LEARNED, Dense, DenseParameters, Record

__all__ = ["LEARNED", "Dense", "DenseParameters", "Layer", "Record", "Trace"]
