"""Test rows for files that have none: a share of the rows, which nothing learns from."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pycopi.data import Dataset
from pycopi.training.fingerprint import dataset_fingerprint


def held_out(dataset: Dataset, share: float, seed: int) -> Dataset:
    """Return a data set without test samples with a share of its samples as these, drawn by a seed.

    Each class keeps its share, as far as whole samples can.
    """
    count = len(dataset.x_train)
    if dataset.x_test is not None:
        msg = f"--test-share is {share:g}, but {dataset.name} has test samples; leave the flag out"
        raise ValueError(msg)
    if not 1 <= int(share * count) < count:
        msg = (
            f"--test-share is {share:g} of {count} samples; expected one sample or more, and some to learn from"
        )
        raise ValueError(msg)
    order, y = np.random.default_rng(seed).permutation(count), dataset.y_train
    if dataset.classes is not None:
        order = order[np.argsort(y[order], kind="stable")]
    chosen = np.zeros(count, dtype=bool)
    chosen[order] = np.diff(np.floor(share * np.arange(count + 1))) > 0  # evenly over the order
    x = dataset.x_train
    return dataset._replace(x_train=x[~chosen], y_train=y[~chosen], x_test=x[chosen], y_test=y[chosen])


def as_in_its_run(dataset: Dataset, details: Mapping[str, Any]) -> Dataset:
    """Return a data set with the test samples that a model's run has kept of it, if it is that run's."""
    settings = details.get("settings")
    if not isinstance(settings, dict) or settings.get("test_share") is None:
        return dataset
    same = dataset_fingerprint(dataset) == details.get("fingerprint")
    return held_out(dataset, settings["test_share"], settings.get("seed", 0)) if same else dataset
