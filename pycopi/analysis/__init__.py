"""Read-outs of a trained network and of what flows through it.

Layers are counted from 1 at the inputs. Data may be larger than memory allows copies of: every analysis goes
over them a batch at a time and keeps only sums.
"""

from pycopi.analysis.alignment import CreditAngles, credit_angles, update_alignment
from pycopi.analysis.compression import CompressedNetwork, compress, compression_curve
from pycopi.analysis.correlation import correlation_floor, correlation_matrix, off_diagonal_correlation
from pycopi.analysis.layer_correlation import LayerCorrelation, layer_correlations, mean_off_diagonal
from pycopi.analysis.receptive_fields import receptive_fields
from pycopi.analysis.whitening import Whitening, zca

__all__ = [
    "CompressedNetwork",
    "CreditAngles",
    "LayerCorrelation",
    "Whitening",
    "compress",
    "compression_curve",
    "correlation_floor",
    "correlation_matrix",
    "credit_angles",
    "layer_correlations",
    "mean_off_diagonal",
    "off_diagonal_correlation",
    "receptive_fields",
    "update_alignment",
    "zca",
]
