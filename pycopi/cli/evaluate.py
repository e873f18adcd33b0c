"""``pycopi evaluate``: loss and accuracy of a saved model."""

from pycopi import _json
from pycopi._array import Array, HostArray, is_numpy
from pycopi.cli import options as o
from pycopi.cli.backends import reference_array
from pycopi.cli.flags import read_flag
from pycopi.cli.splits import open_for_model, place
from pycopi.data import Dataset
from pycopi.storage import Saved, load
from pycopi.training.checkpoint import chosen_model
from pycopi.training.evaluate import evaluate as evaluate_network


def evaluate(
    model: o.Model,
    data: o.Data,
    split: o.Split = "test",
    loss: o.ReportedLoss = None,
    backend: o.Backend = None,
    device: o.Device = None,
    data_dir: o.DataDir = None,
    no_download: o.NoDownload = False,
    as_json: o.AsJSON = False,
) -> None:
    """Print loss and accuracy of a saved model on a data set.

    Given the folder of a run with --patience, it takes the model of the best epoch.
    """
    split = read_flag("split", split)
    path = chosen_model(model) if model.is_dir() else model
    saved = load(path)
    loss = _stored_loss(saved) if loss is None else read_flag("loss", loss)
    like = _reference(saved, backend, device)
    dataset = open_for_model(saved.details, data, data_dir, no_download)
    pair = place(*choose_split(dataset, split), like)
    if not is_numpy(like):
        saved = load(path, like=like)
    result = evaluate_network(saved.network, saved.parameters, *pair, loss=loss)
    rows = {"loss": result.loss, "accuracy": result.accuracy, "samples": result.samples}
    if as_json:
        print(_json.write({"model": str(model), "data": data, "split": split, **rows}))
        return
    for name, value in rows.items():
        if value is not None:
            print(f"{name:<9} {value:.4f}" if isinstance(value, float) else f"{name:<9} {value}")


def choose_split(dataset: Dataset, split: str) -> tuple[HostArray, HostArray]:
    """Return inputs and targets of one part of a data set."""
    if split == "train":
        return dataset.x_train, dataset.y_train
    if dataset.x_test is None or dataset.y_test is None:
        msg = (
            f"{dataset.name} has no test arrays x_test and y_test; "
            f"add them to the file, or evaluate with --split train"
        )
        raise ValueError(msg)
    return dataset.x_test, dataset.y_test


def _stored_loss(saved: Saved) -> str:
    """Return the loss that a model was trained with, where it says so."""
    settings = saved.details.get("settings")
    return str(settings["loss"]) if isinstance(settings, dict) and "loss" in settings else "squared_error"


def _reference(saved: Saved, backend: str | None, device: str | None) -> Array:
    """Return an array of the library and device to work on, in the dtype of the model."""
    name = "numpy" if backend is None else read_flag("backend", backend)
    return reference_array(name, device, saved.parameters[0].weight.dtype.name)
