"""Decorrelation of single samples against the loop that a user would write, and against the memory.

    python benchmarks/stream.py [--samples 256] [--blocks 32,64,128] [--sizes 1024,3072]
    python benchmarks/stream.py --single [--sizes 4096,8192]

The loop is the update without the covariance matrix, in NumPy: two products and three sweeps of R for each
sample. All sides take turns in one process, and medians are compared. The first table has the microseconds of a
sample in `decorrelate_stream`, the ratio, and how far the decorrelated samples differ, relative to the
largest. The second has single samples, each through `decorrelate_sample` and through a training step of a
network of one layer, and the share of that time that the memory needs: as long as NumPy takes, in a thread for
each core, to scale a matrix in place.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

import pycopi
from pycopi.kernels import RankK, pull_then_update, update_then_project

RATE = 1e-5
SLOW = pycopi.Settings(gain=1.0, rate=1e-6, decorrelation=pycopi.Decorrelation(rate=1e-6))  # no divergence
Side = Callable[[], object]


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


def medians(sides: list[Side], turns: int) -> list[float]:
    """Return the median seconds of each side; the sides take turns."""
    seconds: list[list[float]] = [[] for _ in sides]
    for turn in range(turns + 1):
        for times, side in zip(seconds, sides, strict=True):
            began = time.perf_counter()
            side()
            if turn:  # the first warms up
                times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in seconds]


def compare_streams(sizes: list[int], blocks: list[int], count: int) -> None:
    """Print the table of streams."""
    print(f"{'n':>6}{'block':>7}{'loop, us':>12}{'stream, us':>12}{'ratio':>8}{'difference':>12}")
    for n in sizes:
        samples = np.random.default_rng(0).random((count, n), dtype=np.float32)
        matrix = np.eye(n, dtype=np.float32)
        few = samples[: max(8, count // (1 + n // 256))]
        sides: list[Side] = [partial(loop, matrix, few)]
        sides += [partial(pycopi.decorrelate_stream, matrix, samples, rate=RATE, block_size=b) for b in blocks]
        slow, *fast = medians(sides, 3)
        slow, wanted = slow / len(few), loop(matrix, few)
        for block, side, took in zip(blocks, sides[1:], fast, strict=True):
            apart = np.max(np.abs(side().decorrelated[: len(few)] - wanted)) / np.max(np.abs(wanted))
            row = f"{n:>6}{block:>7}{1e6 * slow:>12.0f}{1e6 * took / count:>12.0f}"
            print(f"{row}{slow * count / took:>8.1f}{apart:>12.1e}")


def scale_in_threads(pool: ThreadPoolExecutor, parts: list[np.ndarray], factor: np.float32) -> None:
    """Multiply every part in place, each in a thread: as fast as memory can be read and written."""
    list(pool.map(lambda part: np.multiply(part, factor, out=part), parts))


class Single:
    """The sides of the table of single samples, on matrices of their own."""

    def __init__(self, n: int) -> None:
        draw = np.random.default_rng(0).random
        self.state = pycopi.start_samples(np.eye(n, dtype=np.float32))
        self.sample, self.target = draw((1, n), dtype=np.float32), np.zeros((1, n), np.float32)
        self.network = pycopi.mlp([n, n])
        self.parameters = self.network.init(0)
        self.change = RankK(draw((1, n), np.float32), draw((1, n), np.float32), 1e-9, draw(n, np.float32), None)

    def decorrelate(self) -> None:
        self.state = pycopi.decorrelate_sample(self.state, self.sample[0], rate=RATE, copy=None).state

    def project(self) -> None:
        update_then_project(self.state.decorrelator, self.change._replace(row_scale=None), self.sample[0])

    def pull(self) -> None:
        pull_then_update(self.state.decorrelator, self.sample[0], self.change._replace(row_scale=None))

    def train(self) -> None:
        self.parameters, _ = pycopi.train_step(
            self.network, self.parameters, self.sample, self.target, SLOW, copy=None
        )


def compare_singles(sizes: list[int], turns: int) -> None:
    """Print the table of single samples."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    names = ("decorrelate_sample", "update_then_project", "pull_then_update", "train_step")
    print(f"{'n':>6}{'scale, GB/s':>13}" + "".join(f"{name:>28}" for name in names))
    with ThreadPoolExecutor(threads) as pool:
        for n in sizes:
            single, one = Single(n), np.float32(1.0)
            parts = np.array_split(np.ones((n, n), np.float32), threads)
            samples = np.random.default_rng(0).random((max(3, 2048 // n), n), dtype=np.float32)
            sides = [
                partial(scale_in_threads, pool, parts, one),
                single.decorrelate, single.project, single.pull, single.train,
                partial(loop, np.eye(n, dtype=np.float32), samples),
            ]  # fmt: skip
            limit, *took, slow = medians(sides, turns)
            row = f"{n:>6}{8e-9 * n * n / limit:>13.1f}"
            for name, seconds in zip(names, took, strict=True):
                # A step of the network moves two matrices, each with one read beside the read and the write.
                work = 3.0 if name == "train_step" else 1.0
                row += f"{1e6 * seconds:>12.0f} us, share {limit * work / seconds:.2f}"
            print(f"{row}   loop / decorrelate_sample {slow / len(samples) / took[0]:.1f}")


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--blocks", default="32,64,128")
    parser.add_argument("--sizes", default=None)
    parser.add_argument("--single", action="store_true")
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    sizes = [int(n) for n in (options.sizes or ("4096,8192" if options.single else "784,1024,3072")).split(",")]
    if options.single:
        compare_singles(sizes, options.turns)
    else:
        compare_streams(sizes, [int(size) for size in options.blocks.split(",")], options.samples)


if __name__ == "__main__":
    main()
