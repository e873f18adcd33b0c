"""Rows of the race against tuned rivals, as a run would leave them."""

from repository import benchmark

trial = benchmark("tuned.trial")
Entry, Trial, Row = trial.Entry, trial.Trial, trial.Row

DIGITS = Entry("digits", "COPI subspace, rank 0", "raw")


def row(entry=DIGITS, setting=None, *, epochs=2, seed=0, part="search", score=0.5, test=None, error=""):
    """Return a row of two epochs, the second with the validation accuracy ``score``."""
    setting = {"rate": 0.1, "batch": 128} if setting is None else setting
    what = Trial(entry, setting, epochs, seed, part)
    return Row(what, (0.1, score), (2.0, 1.0), (0.5, 0.25), test, error)
