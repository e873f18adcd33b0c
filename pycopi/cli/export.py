"""``pycopi export``: a saved model as ONNX, as arrays for NumPy alone, or as C."""

import sys
from pathlib import Path
from typing import Any

from pycopi import _json
from pycopi._checks import check_features
from pycopi.cli import flags as f
from pycopi.cli.backends import load_model
from pycopi.cli.folder import read_origin
from pycopi.cli.splits import of_classes, open_columns
from pycopi.export import c, npz, onnx
from pycopi.export.as_c import PREFIX, as_prefix
from pycopi.export.c_learn import check_learning
from pycopi.storage import Saved

FORMATS: dict[str, tuple[str, Any]] = {"onnx": (".onnx", onnx), "npz": (".npz", npz), "c": (".h", c)}
"""The ending of a file of each format, and what writes it."""

FLAGS = (
    f.MODEL,
    f.Flag(f.FILES, "to", f.choice(*FORMATS), f"What to write: {', '.join(FORMATS)}."),
    f.Flag(
        f.FILES,
        "output",
        f.Kind("FILE", "", Path),
        "File to write, which replaces an older one.",
        "the name of the model with the ending of the format, beside it",
    ),
    f.Flag(
        f.FILES,
        "fixed_point",
        f.Kind("DATA"),
        "With --to c: also predict in whole numbers, scaled by the training inputs of this data set.",
    ),
    f.Flag(
        f.FILES, "prefix", f.Kind("NAME", PREFIX, as_prefix), "With --to c: what all names begin with.", "copi"
    ),
    *f.PLACES,
    f.JSON,
)


def export(given: f.Given) -> None:
    """Export a saved model to ONNX, NumPy or C.

    onnx is for any runtime of ONNX, npz for NumPy alone, and c is one header for small
    devices, which predicts, and learns sample by sample as the model has learned.
    Each holds the scaling of inputs and targets, and the labels of the classes.
    """
    kind = given.get("to")
    if kind is None:
        msg = f"--to is not given; expected one of {', '.join(FORMATS)}"
        raise ValueError(msg)
    wrong = [name for name in ("fixed_point", "prefix") if name in given and kind != "c"]
    if wrong:
        msg = f"{f.flag(wrong[0])} is for --to c, but --to is {kind}; leave it out"
        raise ValueError(msg)
    path, saved, _, _ = load_model(given)
    suffix, write = FORMATS[kind]
    file = given.get("output", path.with_suffix(suffix))
    how = of_classes(saved) | (_for_c(path, saved, given) if kind == "c" else {})
    sizes = write(saved.network, saved.parameters, file, **how) or {}
    _show(given, file, {name: one._asdict() for name, one in sizes.items()})


def _for_c(path: Path, saved: Saved, given: f.Given) -> dict[str, Any]:
    """Return what C needs besides: how the model has learned, for single samples, and inputs like its own."""
    how: dict[str, Any] = {"prefix": given["prefix"]} if "prefix" in given else {}
    if "fixed_point" in given:
        data = open_columns(saved.details, {**given, "data": given["fixed_point"]})
        check_features(f"--fixed-point {data.name}", data.x_train, saved.network.inputs)
        how["calibration"] = data.x_train
    if "settings" not in saved.details:
        print("no learn_one: this model does not say how it learned", file=sys.stderr)
        return how
    recipe = read_origin(path, saved.details).plan.recipe
    rates = recipe.settings.rates._replace(share=1.0 / recipe.batch_size)
    try:
        check_learning(saved.network, recipe.settings, rates)
    except ValueError as error:
        print(f"no learn_one: {error}", file=sys.stderr)
        return how
    return {**how, "settings": recipe.settings, "rates": rates}


def _show(given: f.Given, file: Path, sizes: dict[str, dict[str, int]]) -> None:
    if "json" in given:
        print(_json.write({"model": str(given["model"]), "to": given["to"], "output": str(file), **sizes}))
        return
    for name, size in sizes.items():
        print(f"{name}: flash {size['flash']} bytes, RAM {size['ram']} bytes")
    print(f"output: {file}")
