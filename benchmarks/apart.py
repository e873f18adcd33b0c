"""Decorrelation in few directions: W and R apart, learned by COPI or the gradient, and folded as A = W R.

    python -m benchmarks.apart mnist "apart, COPI" [--epochs 3] [--rate 0.3] [--gain 1000] [--damping 1]

Prints, after each epoch, the accuracy on the last 5,000 training rows, which are kept out for choices, that on
the test set, and the processor seconds of training. Batches have 128 rows.
"""

import argparse
import time
from typing import Any

import pycopi
from pycopi.data import load_dataset

SIZES = {"mnist": [784, *[500] * 6, 10], "cifar10": [3072, *[1000] * 4, 10]}
HELD_OUT, BATCH, EVERY = 5_000, 128, 8
FORMS = ("apart, COPI", "apart, gradient", "folded", "folded, inputs alone")


def run_of(form: str, sizes: list[int], given: argparse.Namespace) -> pycopi.Recipe:
    """Return network, settings and the other arguments of a form."""
    recipe = pycopi.subspace_recipe(sizes, epochs=given.epochs, batch_size=BATCH)
    how = pycopi.SubspaceDecorrelation(damping=given.damping)
    fields: dict[str, Any] = {"rate": given.rate, "gain": 1.0, "loss": "cross_entropy", "rule": "gradient"}
    network = recipe.network
    if form.startswith("folded"):
        fields["optimizer"] = pycopi.Decorrelated(
            inputs=how, perturbations=None if form.endswith("alone") else how
        )
    else:
        how = pycopi.SubspaceDecorrelation(damping=given.damping, fraction=1.0, refresh=1500 // EVERY * 4)
        network = pycopi.mlp(sizes, bias=True, decorrelated=how)
        fields |= {"decorrelation": pycopi.Decorrelation(every=EVERY), "step_bound": given.bound}
        if form.endswith("COPI"):
            fields |= {"rule": "copi", "rate": given.rate / given.gain, "gain": given.gain}
    return pycopi.Recipe(network, recipe.settings, recipe.arguments | {"settings": pycopi.Settings(**fields)})


def main() -> None:
    """Train, and print a line an epoch."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.apart", description=__doc__, formatter_class=raw)
    parser.add_argument("data", choices=SIZES)
    parser.add_argument("form", choices=FORMS)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rate", type=float, default=0.3, help="of the gradient; COPI's is this by the gain")
    parser.add_argument("--gain", type=float, default=1000.0, help="of COPI")
    parser.add_argument("--damping", type=float, default=1.0)
    parser.add_argument("--bound", type=float, default=1.0, help="on the step, where W and R are apart")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    _, x, y, x_test, y_test = load_dataset(given.data)[:5]
    network, settings, arguments = run_of(given.form, SIZES[given.data], given)
    state = pycopi.start(network, settings, seed=given.seed, like=x[:1])
    rows = x[:-HELD_OUT], y[:-HELD_OUT]
    run = pycopi.epochs(network, state, *rows, seed=given.seed, **arguments)
    seconds, began = 0.0, time.process_time()
    for state in run:
        seconds += time.process_time() - began
        sets = ((x[-HELD_OUT:], y[-HELD_OUT:]), (x_test, y_test))
        kept, test = (pycopi.evaluate(network, state.parameters, *one).accuracy for one in sets)
        print(f"epoch {len(state.history)}: held out {kept:.4f}, test {test:.4f}, {seconds:.1f} s", flush=True)
        began = time.process_time()


if __name__ == "__main__":
    main()
