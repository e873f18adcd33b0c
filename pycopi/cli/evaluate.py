"""``pycopi evaluate``: loss and accuracy of a saved model."""

from pycopi import _json
from pycopi._array import HostArray
from pycopi.cli.backends import load_model
from pycopi.cli.flags import BACKEND, DATA, DEVICE, FILES, JSON, MODEL, PLACES, Flag, Given, choice
from pycopi.cli.splits import open_for_model, place
from pycopi.data import Dataset
from pycopi.losses import LOSSES
from pycopi.training.evaluate import evaluate as evaluate_network
from pycopi.training.progress import write_loss

FLAGS = (
    MODEL,
    DATA,
    BACKEND,
    DEVICE,
    Flag(FILES, "split", choice("test", "train"), "Part of the data: test (default), train."),
    Flag(FILES, "loss", choice(*LOSSES), f"Loss to report: {', '.join(LOSSES)}.", "the model's own"),
    *PLACES,
    JSON,
)


def evaluate(given: Given) -> None:
    """Print loss and accuracy of a saved model on a data set.

    Given the folder of a run with --patience, it takes the model of the best epoch.
    """
    split = given.get("split", "test")
    _, saved, _, like = load_model(given)
    settings = saved.details.get("settings")
    own = str(settings["loss"]) if isinstance(settings, dict) and "loss" in settings else "squared_error"
    dataset = open_for_model(saved.details, given)
    pair = place(*choose_split(dataset, split), like)
    result = evaluate_network(saved.network, saved.parameters, *pair, loss=given.get("loss", own))
    rows = {"loss": result.loss, "accuracy": result.accuracy, "samples": result.samples}
    if "json" in given:
        about = {"model": str(given["model"]), "data": given["data"], "split": split}
        print(_json.write({**about, **rows}))
        return
    for name, value in rows.items():
        if value is not None:
            print(f"{name:<9} {write_loss(value) if isinstance(value, float) else value}")


def choose_split(dataset: Dataset, split: str) -> tuple[HostArray, HostArray]:
    """Return inputs and targets of one part of a data set."""
    if split == "train":
        return dataset.x_train, dataset.y_train
    if dataset.x_test is None or dataset.y_test is None:
        where = "as no table has" if dataset.columns else "x_test and y_test of an .npz file"
        msg = f"{dataset.name} has no test samples ({where}); take all its rows with --split train"
        raise ValueError(msg)
    return dataset.x_test, dataset.y_test
