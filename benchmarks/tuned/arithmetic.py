"""The arithmetic of an epoch of each method: multiplications and additions of its products."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from pycopi.rules.subspace import SubspaceDecorrelation

_INPUTS_ONLY = ("COPI subspace, inputs only", "FOOF")
_PLAIN = ("SGD", "AdamW", "COPI subspace, rank 0", "COPI subspace, rank 0, bounded")
_FEW = ("COPI subspace", "COPI subspace, bounded", *_INPUTS_ONLY)


def operations(method: str, sizes: tuple[int, ...], setting: Mapping[str, Any]) -> int | None:
    """Return the operations on one sample, a product and a sum counted as two; None where they are not known.

    Backpropagation takes a layer of n inputs and m outputs 6nm, and the first, which pulls nothing back, 4nm.
    Inputs in k directions take 2nk to be projected, 2nk to be changed in these, and 2nk for each that is
    gathered; so do the perturbations of a layer with more than k outputs. What is not done with each sample,
    such as a refresh, is left out.
    """
    if method not in (*_PLAIN, *_FEW):
        return None
    layers = list(pairwise(sizes))
    found = sum(6 * n * m for n, m in layers) - 2 * sizes[0] * sizes[1]
    if method in _PLAIN:
        return found
    rank, passes = setting.get("rank"), 2 * (2 + SubspaceDecorrelation().fraction)
    wide = [n for n, _ in layers]
    if method not in _INPUTS_ONLY:
        wide += [m for _, m in layers if rank is None or m > rank]
    return round(found + sum(passes * n * (n if rank is None else min(rank, n)) for n in wide))
