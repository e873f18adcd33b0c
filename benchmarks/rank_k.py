"""Times the rank-k update against the NumPy expression and against SciPy's in-place matrix product.

All sides take turns within one process, and medians are compared, so that a slow spell of the
machine meets every side. Two operations are timed, both in place:

- ``plain``: ``M + scale * left.T @ right``; rivals are NumPy and, from SciPy, ``gemm`` with
  ``beta=1``, which reads and writes M once as well;
- ``scaled``: ``M * column_scale + scale * left.T @ right``, which gemm alone cannot do.

Run ``python benchmarks/rank_k.py --threads 1``; ``--threads`` sets the threads of BLAS, which reads
their number when it is loaded.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

SIZES = (64, 256, 512, 1024, 2048, 3072, 4096)
RANKS = (1, 2, 4, 8, 16, 32, 50, 64, 100, 128, 256, 1000)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1, help="threads of BLAS")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="n, of n x n matrices")
    parser.add_argument("--ranks", type=int, nargs="+", default=RANKS, help="k")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each side")
    return parser.parse_args()


def medians(sides: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median seconds of one call of each side; the sides take turns."""
    start = time.perf_counter()
    for side in sides.values():
        side()
    inner = max(1, int(2e-3 * len(sides) / (time.perf_counter() - start)))
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            for _ in range(inner):
                side()
            seconds[name].append((time.perf_counter() - start) / inner)
    return {name: statistics.median(times) for name, times in seconds.items()}


def sides_of(n: int, k: int, dtype: str) -> dict[str, Callable[[], Any]]:
    """Return the operations to time, all on the same arrays; values stay small over many calls."""
    import numpy as np

    from pycopi.kernels import native

    try:
        from scipy.linalg import blas
    except ImportError:
        blas = None

    rng = np.random.default_rng(0)
    matrix, columns = rng.standard_normal((n, n)).astype(dtype), np.ones(n, dtype)
    left, right = (rng.standard_normal((k, n)).astype(dtype) for _ in range(2))
    update, scale = native.rank_k_update, 1e-9
    sides: dict[str, Callable[[], Any]] = {
        "plain": lambda: update(matrix, left, right, scale, None, None, False),
        "scaled": lambda: update(matrix, left, right, scale, None, columns, False),
        "NumPy plain": lambda: matrix + scale * (left.T @ right),
        "NumPy scaled": lambda: matrix * columns + scale * (left.T @ right),
    }
    if blas is not None:
        gemm = blas.sgemm if dtype == "float32" else blas.dgemm
        # Column-major BLAS sees the transposes: M.T += scale * right.T @ left.
        sides["gemm plain"] = lambda: gemm(
            scale, right.T, left.T, beta=1.0, c=matrix.T, trans_b=True, overwrite_c=True
        )
    return sides


def machine(dtype: str) -> tuple[float, float]:
    """Return the measured matrix-product rate in GFLOP/s and read-write bandwidth in GB/s."""
    import numpy as np

    square, long = np.ones((2048, 2048), dtype), np.ones(1 << 25, dtype)
    product = np.empty_like(square)
    best = medians(
        {
            "product": lambda: np.matmul(square, square, out=product),
            "sweep": lambda: np.multiply(long, 1.0, out=long),
        },
        5,
    )
    return 2 * 2048**3 / best["product"] / 1e9, 2 * long.nbytes / best["sweep"] / 1e9


def main() -> None:
    options = arguments()
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    from pycopi import _core

    flops, bandwidth = machine(options.dtype)
    print(
        f"{options.dtype}, {options.threads} BLAS threads, C core on {_core.instruction_set()}; "
        f"matrix product {flops:.0f} GFLOP/s, one-thread sweep {bandwidth:.1f} GB/s"
    )
    print("ratios: how many times faster than the rival\n")
    heads = ("NumPy/scaled", "NumPy/plain", "gemm/plain", "plain us", "GFLOP/s", "GB/s")
    print(f"{'n':>5} {'k':>5}" + "".join(f"{head:>13}" for head in heads))
    for n in options.sizes:
        for k in options.ranks:
            rounds = options.rounds if n * n * k < 1 << 31 else 3
            seconds = medians(sides_of(n, k, options.dtype), rounds)
            plain = seconds["plain"]
            cells = [
                f"{seconds['NumPy scaled'] / seconds['scaled']:.2f}",
                f"{seconds['NumPy plain'] / plain:.2f}",
                f"{seconds['gemm plain'] / plain:.2f}" if "gemm plain" in seconds else "-",
                f"{plain * 1e6:.1f}",
                f"{2 * n * n * k / plain / 1e9:.1f}",
                f"{2 * n * n * int(options.dtype[5:]) / 8 / plain / 1e9:.1f}",
            ]
            print(f"{n:>5} {k:>5}" + "".join(f"{cell:>13}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
