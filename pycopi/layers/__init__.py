"""Layers: frozen descriptions, and pure functions of their parameters; one family a file."""

from pycopi.layers.base import Layer, Record, Trace
from pycopi.layers.dense import Dense, DenseParameters, xavier_normal
from pycopi.layers.subspace import SubspaceDense

__all__ = ["Dense", "DenseParameters", "Layer", "Record", "SubspaceDense", "Trace", "xavier_normal"]
