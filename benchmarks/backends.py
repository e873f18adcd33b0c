"""The same steps on every backend: how far the losses part, and how long a step takes.

    python -m benchmarks.backends [--data mnist] [--dtype float32] [--steps 100] [--data-dir DIR]

Trains the paper's network for the data set on each backend that is installed, from the same seed and
on the same batches: as many steps that only decorrelate, as the run begins with, then as many that
learn. The differences are the largest, over the steps of either kind, of |loss - NumPy's loss| divided
by NumPy's loss; seconds are the median of a learning step. At the paper's gain of 1000 learning
amplifies rounding: in float32 two backends part in some tens of learning steps as far as float32 parts
from float64, while in float64 they stay together.
"""

import argparse
import functools
import importlib
import importlib.util
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import pycopi
from benchmarks.step import sizes_of
from pycopi.data import load_dataset
from pycopi.presets import CIFAR10, DIGITS, MNIST

SETUPS = {
    preset.data: (sizes_of(preset), preset.batch_size, preset.settings) for preset in (DIGITS, MNIST, CIFAR10)
}
MODULES = {
    "numpy": "numpy",
    "array-api-strict": "array_api_strict",
    "torch": "torch",
    "jax": "jax.numpy",
    "cupy": "cupy",
}


def step_of(name: str) -> Callable[..., Any]:
    """Return the training step as a user of the library would call it."""
    if name == "jax":
        import jax

        static, donated = ("network", "settings"), "state"
        return jax.jit(pycopi.train_step, static_argnames=static, donate_argnames=donated)
    return functools.partial(pycopi.train_step, copy=None)


def run(name: str, data: str, dtype: str, batches: list[Any]) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the losses of the decorrelating and of the learning steps, and the seconds of one of these."""
    xp = importlib.import_module(MODULES[name])
    sizes, _, settings = SETUPS[data]
    network, step = pycopi.mlp(sizes), step_of(name)
    if dtype == "float64" and name == "jax":
        importlib.import_module("jax").config.update("jax_enable_x64", True)
    parameters = network.init(0, like=xp.asarray(np.zeros(1, dtype)))
    moved = [(xp.asarray(x.astype(dtype)), xp.asarray(y)) for x, y in batches]
    how = settings.decorrelation.rate
    early, losses, seconds = [], [], []
    for x, y in moved:
        parameters, metrics = step(network, parameters, x, y, settings, pycopi.Rates(None, how))
        early.append(float(metrics.loss))
    for x, y in moved:
        began = time.perf_counter()
        parameters, metrics = step(network, parameters, x, y, settings, pycopi.Rates(settings.rate, how))
        losses.append(float(metrics.loss))
        float(parameters[0].weight[0, 0])  # waits for the device
        seconds.append(time.perf_counter() - began)
    return np.array(early), np.array(losses), statistics.median(seconds)


def main() -> None:
    """Print the table."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.backends", description=__doc__, formatter_class=raw)
    parser.add_argument("--data", choices=SETUPS, default="mnist")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--data-dir")
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    data = load_dataset(options.data, data_dir=options.data_dir)
    size = SETUPS[options.data][1]
    rows = np.random.default_rng(0).permutation(len(data.y_train))
    chosen = [rows[index * size : (index + 1) * size] for index in range(options.steps)]
    batches = [(data.x_train[part], data.y_train[part]) for part in chosen if len(part)]
    wanted: Any = None
    print(f"{'backend':<18}{'last loss':>12}{'decorrelating':>15}{'learning':>12}{'ms a step':>12}")
    for name, module in MODULES.items():
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            print(f"{name:<18}  not installed")
            continue
        *losses, seconds = run(name, options.data, options.dtype, batches)
        wanted = losses if wanted is None else wanted
        early, late = (np.max(np.abs(a - b) / b) for a, b in zip(losses, wanted, strict=True))
        print(f"{name:<18}{losses[1][-1]:>12.6f}{early:>15.1e}{late:>12.1e}{1e3 * seconds:>12.2f}")


if __name__ == "__main__":
    main()
