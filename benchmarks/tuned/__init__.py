"""The race against tuned rivals: run ``python -m benchmarks.tuned``.

Rules of this room:

- a *trial* is one run of one method at one setting, on one thread, and ends as one row; every row is kept,
  those of runs that diverged too, and a trial that has its row is never run again;
- an *entry* is a network, a method and a variant of the inputs; each has a search of its own, of the same
  number of trials, and is chosen by the last 5,000 training rows alone;
- the test set is read once, at the end of a final run;
- tables are made from the rows, and the page is checked against them.
"""
