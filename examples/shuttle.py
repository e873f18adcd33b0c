"""Learn the sensors of a space shuttle as they report, and count what was predicted right beforehand.

Each sample of river's Shuttle is predicted first and learned from then. Draws shuttle.png with the samples per
second of each learner, and prints the share that was right, beside two of river's own learners:

    pycopi 0.995, logistic regression 0.995, Hoeffding tree 0.991
    the parameters fit in 20 kB: True
"""

import time

import numpy as np
from matplotlib.figure import Figure
from river import linear_model, preprocessing, tree
from river.datasets import Shuttle

from pycopi.river import COPIClassifier

COUNT = 6000


def follow(model: object) -> tuple[np.ndarray, float]:
    """Return whether each sample was predicted right before it was learned, and the samples per second."""
    right, began = [], time.perf_counter()
    for x, y in Shuttle().take(COUNT):
        right.append(model.predict_one(x) == y)
        model.learn_one(x, y)
    return np.array(right, float), COUNT / (time.perf_counter() - began)


def main() -> None:
    """Follow the stream, print, draw."""
    models = {
        "pycopi": COPIClassifier((50,)),
        "logistic regression": preprocessing.StandardScaler() | linear_model.LogisticRegression(),
        "Hoeffding tree": tree.HoeffdingTreeClassifier(),
    }
    figure = Figure(figsize=(8, 4), dpi=120, layout="constrained")
    axes, texts = figure.subplots(), []
    for name, model in models.items():
        right, speed = follow(model)
        axes.step(np.arange(COUNT), np.cumsum(1.0 - right), label=f"{name}, {speed:.0f} samples/s")
        texts.append(f"{name} {right.mean():.3f}")
    print(", ".join(texts))
    size = sum(array.nbytes for own in models["pycopi"].parameters_ for array in own.named().values())
    print(f"the parameters fit in 20 kB: {size < 20_000}")
    axes.set(xlabel="samples", ylabel="predictions that were wrong", xlim=(0, COUNT), ylim=(0, None))
    axes.legend()
    figure.savefig("shuttle.png")


if __name__ == "__main__":
    main()
