"""Notice that a sensor was turned
===============================

Whitens the accelerometers of a person who walks, sample by sample: a recording from Daphnet that comes with
aeon. Its labels show nothing unusual, so the program turns the sensor on the leg by 90 degrees for 10 seconds.
Draws drift.png, the acceleration of the leg and the power after whitening. Prints how well the power tells
turned samples from others::

    5440 samples of 9 channels, 0 labelled
    chance that a turned sample scores higher: 0.86 whitened, 0.75 only scaled
"""

import aeon
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

from pycopi.streams import StreamDecorrelator

SECOND, TURNED = 64, slice(50 * 64, 60 * 64)
FILE = f"{aeon.__path__[0]}/datasets/data/Daphnet_S06R02E0/S06R02E0.csv"


def score(rows: np.ndarray, *, whitened: bool) -> np.ndarray:
    """Return the power of each sample before it is learned from, as the mean of a second."""
    model, found = StreamDecorrelator(whiten=whitened, rate=1e-3 * whitened), []
    for row in rows:
        found.append(np.mean(np.square(model.transform_one(row))))
        model.learn_one(row)
    return np.convolve(found, np.ones(SECOND) / SECOND)[: len(rows)]


def main() -> None:
    """Turn a sensor, score, print, draw."""
    table = np.loadtxt(FILE, delimiter=",", skiprows=1 + 25 * SECOND, usecols=range(1, 11))  # no standing
    rows, labels = table[:, :9], table[:, 9] > 0
    print(f"{len(rows)} samples of {rows.shape[1]} channels, {labels.sum()} labelled")
    rows[TURNED, 3], rows[TURNED, 5] = -rows[TURNED, 5], rows[TURNED, 3].copy()
    labels[TURNED] = True
    scores = {name: score(rows, whitened=name == "whitened") for name in ("whitened", "only scaled")}
    later = slice(10 * SECOND, None)
    areas = [roc_auc_score(labels[later], one[later]) for one in scores.values()]
    print("chance that a turned sample scores higher: {:.2f} whitened, {:.2f} only scaled".format(*areas))
    figure = Figure(figsize=(9, 5), dpi=120, layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    seconds = np.arange(len(rows)) / SECOND
    top.plot(seconds, rows[:, [3, 5]], linewidth=0.5, label=["forward", "lateral"])
    for name, values in scores.items():
        bottom.plot(seconds, values, label=name)
    for axes, title in ((top, "acceleration of the leg, mg"), (bottom, "power of a second")):
        axes.axvspan(50, 60, color="0.85", label="turned")
        axes.set(title=title, xlim=(0, seconds[-1]))
        axes.legend(loc="upper left", ncols=3)
    bottom.set(ylim=(0.4, 2.2), xlabel="seconds")
    figure.savefig("drift.png")


if __name__ == "__main__":
    main()
