"""Trained networks for where pycopi is not: ONNX, NumPy alone, and C for small devices.

All three get the folded network, one matrix a layer, with the scaling of inputs and outputs inside and the
labels of the classes beside it. ONNX needs the extra ``onnx``, which is imported when something is exported.
"""

from pycopi.export.as_c import c
from pycopi.export.as_npz import npz
from pycopi.export.as_onnx import onnx
from pycopi.export.c_text import Footprint
from pycopi.export.converters import register_converters

__all__ = ["Footprint", "c", "npz", "onnx", "register_converters"]
