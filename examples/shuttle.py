"""Learn a stream in river
=======================

Predicts each sample of river's Shuttle data, then learns from it. Draws shuttle.png, the number of wrong
predictions so far, beside two of river's own learners. Prints the share of predictions that was right::

    pycopi 0.995, logistic regression 0.995, Hoeffding tree 0.991
    the parameters fit in 20 kB: True
"""

import numpy as np
from matplotlib.figure import Figure
from river import linear_model, preprocessing, tree
from river.datasets import Shuttle

from pycopi.river import COPIClassifier

COUNT = 6000


def follow(model: object) -> np.ndarray:
    """Return whether each sample was predicted right before it was learned."""
    right = []
    for x, y in Shuttle().take(COUNT):
        right.append(model.predict_one(x) == y)
        model.learn_one(x, y)
    return np.array(right, float)


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
        right = follow(model)
        axes.step(np.arange(COUNT), np.cumsum(1.0 - right), label=name)
        texts.append(f"{name} {right.mean():.3f}")
    print(", ".join(texts))
    size = sum(array.nbytes for own in models["pycopi"].parameters_ for array in own.named().values())
    print(f"the parameters fit in 20 kB: {size < 20_000}")
    axes.set(xlabel="samples", ylabel="predictions that were wrong", xlim=(0, COUNT), ylim=(0, None))
    axes.legend()
    figure.savefig("shuttle.png")


if __name__ == "__main__":
    main()
