"""The power of each decorrelated input, which every rule needs: its second moment over the batch."""

from pycopi._array import Array, astype, namespace, wide_floats


def mean_square(decorrelated: Array) -> Array:
    """Return the power s2 of each input: the mean of its square over the batch, shape (n,)."""
    xp = namespace(decorrelated)
    if decorrelated.shape[0] == 1:
        return astype(xp.square(wide_floats(decorrelated[0, :])), decorrelated.dtype)
    return astype(xp.mean(xp.square(wide_floats(decorrelated)), axis=0), decorrelated.dtype)
