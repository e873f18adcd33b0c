"""The archive that NumPy alone can read."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from pycopi._files import whole_file
from pycopi.data.targets import Label
from pycopi.export.folded import fold
from pycopi.network import Network, Parameters


def npz(
    network: Network,
    parameters: Parameters,
    path: str | os.PathLike[str],
    *,
    classes: Sequence[Label] | None = None,
    probabilities: bool = False,
) -> None:
    """Write a network as an archive of arrays that NumPy reads without pycopi.

    Parameters
    ----------
    network, parameters, path, classes, probabilities : Network, tuple, path, sequence or None, bool
        As for `c`; by custom the file ends in ``.npz``.

    Raises
    ------
    TypeError, ValueError
        As `c` does, or if the parameters are not finite.
    OSError
        If the file cannot be written.

    Notes
    -----
    The arrays, for layers from 1: ``weight_1`` (m, n), ``bias_1`` (m,), ``activation_1``, a text, with
    ``slope_1``, or ``scale_1`` and ``offset_1`` (m,). ``layers`` is their number; ``mean`` and ``spread`` (n,)
    are those of standardised inputs, ``clip((y - mean) / spread, -3, 3)``. What a network does not have is not
    there. Numbers are float64 where the parameters are, else float32.

    Examples
    --------
    >>> import numpy as np, pycopi, tempfile
    >>> network = pycopi.mlp([3, 2])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pycopi.export.npz(network, network.init(seed=0), f"{folder}/model.npz")
    ...     sorted(np.load(f"{folder}/model.npz"))
    ['activation_1', 'layers', 'probabilities', 'weight_1']
    """
    model = fold(network, parameters, classes, probabilities)
    found: dict[str, Any] = {"mean": model.mean, "spread": model.spread}
    for number, layer in enumerate(model.layers, 1):
        own = layer._asdict() | ({} if layer.activation == "leaky_relu" else {"slope": None})
        found |= {f"{name}_{number}": value for name, value in own.items()}
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in found.items() if value is not None}
    arrays = {name: one.astype(model.dtype) if one.dtype.kind == "f" else one for name, one in arrays.items()}
    if model.classes is not None:
        arrays["classes"] = model.classes
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, layers=len(model.layers), probabilities=model.probabilities, **arrays)
