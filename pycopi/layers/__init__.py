"""Layers: frozen descriptions, and pure functions of their parameters; one family a file."""

from pycopi.layers.base import Layer, Record, Trace
from pycopi.layers.dense import Dense, DenseParameters, xavier_normal

__all__ = ["Dense", "DenseParameters", "Layer", "Record", "Trace", "xavier_normal"]
