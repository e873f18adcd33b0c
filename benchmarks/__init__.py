"""Measurements of pycopi, outside the package: ``python -m benchmarks`` from the root of the repository.

What is measured is the installed package. Its sources are in the same folder as this one and would come first
on the path, without their C core; so that folder goes to the end of the path.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The root of the repository."""

sys.path.sort(
    key=lambda entry: Path(entry or ".").resolve() == ROOT
)  # False first; the others keep their order
