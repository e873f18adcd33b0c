"""Train on files larger than memory
=================================

Writes 20,000 samples of y = sin(3 u) + v w to two .npy files and opens them as memory maps, so that only the
rows of the current batch are read. Draws memory-map.png, the predictions for held-out samples against the
truth. Prints the share of the variance that the network does not explain::

    epoch  1: unexplained 0.993
    epoch  5: unexplained 0.009
    epoch 10: unexplained 0.002
"""

import numpy as np
from matplotlib.figure import Figure

import pycopi


def write_samples(count: int) -> None:
    """Write inputs and targets; a real file would come from elsewhere."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1.0, 1.0, size=(count, 4)).astype(np.float32)
    np.save("inputs.npy", x)
    np.save("targets.npy", np.sin(3.0 * x[:, 0]) + x[:, 1] * x[:, 2])


def main() -> None:
    """Write the files, open them, train."""
    write_samples(20_000)
    x, y = np.load("inputs.npy", mmap_mode="r"), np.load("targets.npy", mmap_mode="r")
    network = pycopi.mlp([4, 64, 64, 1], activation="tanh", bias=True)
    state = pycopi.fit(
        network,
        network.init(seed=0),
        x[:16_000],
        y[:16_000],
        epochs=10,
        settings=pycopi.Settings(rate=1e-2, gain=30.0, decorrelation=pycopi.Decorrelation(rate=1e-2)),
        validation=(x[16_000:], y[16_000:]),
    )
    for record in (state.history[0], state.history[4], state.history[9]):
        share = 2.0 * record.validation_loss / float(np.var(y[16_000:]))
        print(f"epoch {record.epoch:2}: unexplained {share:.3f}")
    figure = Figure(figsize=(5, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.scatter(y[16_000:], network.predict(state.parameters, x[16_000:]), s=2)
    axes.set(xlabel="truth", ylabel="prediction", aspect="equal")
    figure.savefig("memory-map.png")


if __name__ == "__main__":
    main()
