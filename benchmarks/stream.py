"""Streaming decorrelation against the loop over samples that a user would write.

    python benchmarks/stream.py [--samples 256] [--blocks 16,64,256]

The loop is the update without the covariance matrix, in NumPy: two products and two sweeps of R for each
sample. Both sides take turns in one process; the table shows the fastest of three turns, in microseconds a
sample, the ratio, and how far the decorrelated samples differ, relative to the largest.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np

import pycopi

RATE = 1e-5


def loop(matrix: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return the decorrelated samples, by one update after the other."""
    matrix, rows = matrix.copy(), np.empty_like(samples)
    for index, sample in enumerate(samples):
        x = matrix @ sample
        v = x @ matrix
        matrix *= (1 + RATE * x * x)[:, None]
        matrix -= np.outer(RATE * x, v)
        rows[index] = x
    return rows


def seconds(call: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--blocks", default="16,64,256")
    options = parser.parse_args()
    blocks = [int(size) for size in options.blocks.split(",")]
    print(f"{'n':>6}{'block':>7}{'loop, us':>12}{'stream, us':>12}{'ratio':>8}{'difference':>12}")
    for n in (784, 1024, 3072):
        samples = np.random.default_rng(0).random((options.samples, n), dtype=np.float32)
        matrix = np.eye(n, dtype=np.float32)
        plain = partial(loop, matrix, samples)
        wanted = plain()
        for block in blocks:
            blocked = partial(pycopi.decorrelate_stream, matrix, samples, rate=RATE, block_size=block)
            pairs = [(seconds(plain), seconds(blocked)) for _ in range(3)]
            slow, fast = (min(side) / options.samples for side in zip(*pairs, strict=True))
            apart = np.max(np.abs(blocked().decorrelated - wanted)) / np.max(np.abs(wanted))
            row = f"{n:>6}{block:>7}{1e6 * slow:>12.0f}{1e6 * fast:>12.0f}{slow / fast:>8.1f}"
            print(f"{row}{apart:>12.1e}")


if __name__ == "__main__":
    main()
