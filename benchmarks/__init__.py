"""Measurements of pycopi, outside the package: run ``python -m benchmarks`` in the root of the repository.

Rules of this room:

- a table is a function from a `Scope` to `Table` objects, and prints nothing itself;
- the sides of a table take turns within one process (`benchmarks.sides`), and ratios come first;
- a rival is what a competent user of its library writes, and a test checks that it computes the same;
- PyTorch, SciPy, scikit-learn and threadpoolctl are imported when a table needs them; a side that is not
  installed is left out with a line that says so.

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
