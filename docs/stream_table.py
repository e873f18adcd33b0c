"""Prints the table of stream rules in copi.md: run it, with MNIST at hand, when a rule changes."""

from typing import Any

import numpy as np

import pycopi
from pycopi.analysis import correlation_floor, off_diagonal_correlation
from pycopi.data import load_dataset

SAMPLES = 12_000
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "whitening=0.5": {"whitening": 0.5},
    'rule="rls"': {"rule": "rls"},
}
RATES = {
    ("digits", "plain"): 1e-2,
    ("digits", "whitening=0.5"): 3e-3,
    ("digits", 'rule="rls"'): 3e-3,
    ("mnist", "plain"): 3e-3,
    ("mnist", "whitening=0.5"): 5e-4,
    ("mnist", 'rule="rls"'): 3e-4,
}


def main() -> None:
    """Print a row for each data set and rule, with the floor of so many held-out samples."""
    print("| data | rule | rate | seen while learning | held out | median power |")
    print("|---|---|---|---|---|---|")
    for name in ("digits", "mnist"):
        data = load_dataset(name)
        x, test = data.x_train[:SAMPLES], data.x_test
        start = np.eye(x.shape[1], dtype=np.float32)
        print(f"| {name} | none | | | {off_diagonal_correlation(test):.3f} | {_median_power(test):.2g} |")
        for way, keywords in WAYS.items():
            rate = RATES[name, way]
            stream = pycopi.decorrelate_stream(start, x, rate=rate, **keywords)
            later = test @ stream.decorrelator.T
            seen, left = map(off_diagonal_correlation, (stream.decorrelated, later))
            print(f"| {name} | `{way}` | {rate:g} | {seen:.3f} | {left:.3f} | {_median_power(later):.2g} |")
        print(f"| {name} | floor | | {correlation_floor(len(x)):.3f} | {correlation_floor(len(test)):.3f} | |")


def _median_power(rows: Any) -> float:
    return float(np.median(np.mean(np.square(rows), axis=0)))


if __name__ == "__main__":
    main()
