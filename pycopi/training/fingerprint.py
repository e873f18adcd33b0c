"""What tells data from other data of the same shape, so that a run goes on with its own."""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from pycopi._array import HostArray
from pycopi.data import Dataset


def fingerprint(arrays: Mapping[str, HostArray | None]) -> dict[str, str]:
    """Return dtype, shape and checksum of arrays, by name; those that are None are left out.

    The checksum is CRC-32, which reads some 1.5 GB a second: it guards against mistakes, not against forgery.
    """
    return {name: _describe(array) for name, array in arrays.items() if array is not None}


def dataset_fingerprint(data: Dataset) -> dict[str, str]:
    """Return the fingerprint of all arrays of a data set."""
    names = ("x_train", "y_train", "x_test", "y_test")
    return fingerprint({name: getattr(data, name) for name in names})


def _describe(array: HostArray) -> str:
    flat: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return f"{array.dtype} {array.shape} {zlib.crc32(flat):08x}"


def check_fingerprint(
    stored: Mapping[str, str] | None, found: Mapping[str, str], data: str, run: str, otherwise: str
) -> None:
    """Raise ValueError unless data are those of a run; a run of an older version, without any, takes all.

    ``data`` and ``run`` name both, ``otherwise`` says what to do besides taking the same data.
    """
    if stored is None or dict(stored) == dict(found):
        return
    names = [name for name in {**stored, **found} if stored.get(name) != found.get(name)]
    what = "; ".join(_difference(name, stored.get(name), found.get(name)) for name in names)
    msg = f"{data} is not what {run} was trained on: {what}; resume it with the same data, or {otherwise}"
    raise ValueError(msg)


def _difference(name: str, stored: str | None, found: str | None) -> str:
    if stored is None or found is None:
        return f"{name} is {'new' if stored is None else 'missing'}"
    kinds = [text.rpartition(" ")[0] for text in (stored, found)]
    if kinds[0] == kinds[1]:
        return f"{name} has other values"
    return f"{name} is {kinds[1]} but was {kinds[0]}"
