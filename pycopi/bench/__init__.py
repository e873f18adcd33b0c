"""Benchmarks: ``pycopi bench`` measures this machine, pycopi on it, and what others would write instead.

Rules of this room:

- one table a file; each yields `Table` objects and prints nothing itself;
- the sides of a table take turns within one process (`pycopi.bench.timing`), and ratios come first;
- a rival is what a competent user of its library writes, and a test checks that it computes the same;
- PyTorch, SciPy, scikit-learn and threadpoolctl are imported when a table needs them; a side that is not
  installed is left out with a line that says so.
"""
