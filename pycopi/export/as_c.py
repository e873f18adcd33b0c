"""The header of C99: `predict`, and what a device needs to learn sample by sample."""

import os
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pycopi._array import Array, to_numpy
from pycopi._build import VERSION
from pycopi._checks import check_features, check_finite, check_samples
from pycopi._files import write_text
from pycopi.data.targets import Label
from pycopi.export.c_fixed import predict_fixed
from pycopi.export.c_learn import learn_one
from pycopi.export.c_predict import common, predict
from pycopi.export.c_text import Footprint, Part
from pycopi.export.folded import Folded, check_dense, fold, host_parameters
from pycopi.losses import CrossEntropy
from pycopi.network import Network, Parameters
from pycopi.settings import Rates, Settings

PREFIX = "a name of C of at most 31 letters, digits and underscores"
"""What a prefix must be, in words."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")


def c(
    network: Network,
    parameters: Parameters,
    path: str | os.PathLike[str],
    *,
    classes: Sequence[Label] | None = None,
    probabilities: bool = False,
    settings: Settings | None = None,
    rates: Rates | None = None,
    calibration: Array | None = None,
    prefix: str = "copi",
) -> dict[str, Footprint]:
    """Write a network as one header of C99, which predicts, and learns on the device where it is told how.

    Parameters
    ----------
    network : Network
        The description: `Dense` layers with activations of `pycopi.activations`.
    parameters : tuple of DenseParameters
        Its parameters, of any library; C has them in 32 bits.
    path : path
        File to write, by custom ``.h``; one that is there is replaced when the new one is complete.
    classes : sequence of labels, or None
        Numbers or texts, one for each output; None for real targets.
    probabilities : bool
        Whether a softmax of the outputs has the probabilities of the classes, as after cross-entropy.
    settings : Settings or None
        How the device learns: COPI or the gradient form, with backpropagated credit and plain steps. None
        leaves learning out.
    rates : Rates or None
        Step sizes in place of those of the settings; single samples should take a share of a batch's step.
    calibration : array, shape (N, n), or None
        Inputs like those to come, of any library: whole numbers of 16 bits are scaled by the signals that these
        make. None leaves ``predict_fixed`` out.
    prefix : str
        What all names begin with, so that a program can have several networks.

    Returns
    -------
    dict of Footprint
        What each function takes in bytes, ``flash`` of constants and ``ram``; the header says it too.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit the network, a number is beyond 32 bits, a layer or an activation has no
        such form, or C does not know one of the methods in the settings.
    OSError
        If the file cannot be written.

    Notes
    -----
    The header needs ``math.h`` alone, and ``stdint.h`` for whole numbers; nothing is allocated, and every name
    is static. ``predict`` and ``learn_one`` follow `Network.predict` and `pycopi.train_step` on one row, in
    float32.

    Examples
    --------
    >>> import pycopi, tempfile
    >>> network = pycopi.mlp([3, 4, 2])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pycopi.export.c(network, network.init(seed=0), f"{folder}/model.h")
    {'predict': Footprint(flash=80, ram=16)}
    """
    prefix = as_prefix(prefix)
    model = fold(network, parameters, classes, probabilities)
    own = host_parameters(network, parameters)
    parts: dict[str, Part] = {"predict": predict(model)}
    if calibration is not None:
        parts["predict_fixed"] = predict_fixed(model, _largest(network, own, calibration))
    softmax = model.probabilities
    if settings is not None:
        check_dense(network)
        parts["learn_one"] = learn_one(network, own, model, settings, rates)
        softmax |= isinstance(settings.method.loss, CrossEntropy)
    includes = "#include <math.h>\n" + ("#include <stdint.h>\n" if calibration is not None else "")
    guard = f"{prefix.upper()}_H_OF_PYCOPI"
    code = f"{_about(Path(path).name, model, parts)}#ifndef {guard}\n#define {guard}\n\n{includes}\n"
    code += "\n".join([common(model, softmax), *(part.code for part in parts.values())])
    write_text(path, code.replace("@", prefix) + f"\n#endif /* {guard} */\n")
    return {name: part.footprint for name, part in parts.items()}


def as_prefix(text: str) -> str:
    """Return a text that names in C may begin with, checked."""
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        msg = f"prefix is {text!r}; expected {PREFIX}"
        raise ValueError(msg)
    return text


def _largest(network: Network, parameters: Parameters, calibration: Array) -> list[float]:
    """Return the largest sizes of a network's inputs, as it scales them, and of the outputs of each layer."""
    check_features("calibration", calibration, network.inputs)
    check_samples("calibration", calibration.shape[0])
    check_finite(calibration=calibration)
    folded = network.fold(parameters)
    records = folded.network.forward(folded.parameters, to_numpy(calibration).astype(np.float64)).records
    return [float(np.max(np.abs(one))) for one in (records[0].decorrelated, *(one.outputs for one in records))]


def _about(name: str, model: Folded, parts: dict[str, Part]) -> str:
    """Return the comment at the top: what is in the file, and what it takes."""
    about = f"{name}: a network {model.text()}, exported by pycopi {VERSION} as C99. It needs math.h of the "
    about += "C library, and allocates nothing. Bytes are of constants and of working memory, without code."
    lines = textwrap.wrap(about, 100)
    for part in parts.values():
        lines += ["", *(f"{one};" for one in part.functions)]
        where = "in its struct" if len(part.functions) > 1 else "on the stack"
        lines.append(f"    flash {part.footprint.flash} bytes, RAM {part.footprint.ram} bytes {where}")
    return "/* " + "\n   ".join(lines).replace("\n   \n", "\n\n").replace("*/", "* /") + "\n */\n"
