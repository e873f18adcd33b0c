"""Whether what was measured agrees with the paper, within stated tolerances, and why not."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pycopi.experiments.plan import STEADIER
from pycopi.experiments.published import COMPRESSION, COMPRESSION_TOLERANCE, PEAK_TOLERANCE, PUBLISHED
from pycopi.experiments.results import Summary
from pycopi.presets import PAPER_EPOCHS, PRESETS

AGREES, DIFFERS, UNFINISHED = "agrees", "differs", "unfinished"


class Check(NamedTuple):
    """One comparison: what, the wanted value in words, ours, whether they agree, and why they may not."""

    what: str
    wanted: str
    found: str
    verdict: str
    reason: str


def check_peaks(summaries: Sequence[Summary]) -> list[Check]:
    """Return the comparisons of peak test accuracies with the paper's, for its settings and steadier ones."""
    found = []
    for summary in summaries:
        run = summary.run
        key = (run.data, run.method)
        usual = run.rate is None and run.gain in (None, STEADIER.get(key))
        if summary.test is None or not usual or key not in PEAK_TOLERANCE:
            continue
        wanted, allowed = PEAK_TOLERANCE[key]
        away = summary.test.mean - wanted
        agrees = away >= 0 if allowed is None else abs(away) <= allowed
        text = f"at least {wanted:.3f}" if allowed is None else f"{wanted:.3f} ± {allowed:.3f}"
        what = f"{run.preset.title}, {run.title}: peak test accuracy"
        found.append(Check(what, text, summary.test.text, *_verdict(agrees, summary)))
    return found


def check_compression(curves: Mapping[str, Sequence[float]], epochs: Mapping[str, int]) -> list[Check]:
    """Return the comparisons of accuracies after removing one to five layers with the paper's.

    ``epochs`` says how long the networks were trained, by data set.
    """
    found = []
    for data, ours in curves.items():
        for removed, published in list(enumerate(COMPRESSION.get(data, ())))[1:6]:
            if removed >= len(ours):
                break
            away = ours[removed] - published
            agrees = abs(away) <= COMPRESSION_TOLERANCE
            trained = f"this network was trained for {epochs[data]} epochs, the paper's for {PAPER_EPOCHS}"
            reason = "" if agrees else f"{away:+.4f} from the published value; {trained}"
            found.append(
                Check(
                    f"{PRESETS[data].title}, COPI: test accuracy after removing {removed} of the layers",
                    f"{published:.4f} ± {COMPRESSION_TOLERANCE:.2f}",
                    f"{ours[removed]:.4f}",
                    AGREES if agrees else DIFFERS,
                    reason,
                )
            )
    return found


def _verdict(agrees: bool, summary: Summary) -> tuple[str, str]:
    """Return the verdict on a peak, and what in the runs may explain a difference."""
    if agrees:
        return AGREES, ""
    unfinished = any(result.status == "incomplete" for result in summary.results)
    return UNFINISHED if unfinished else DIFFERS, "; ".join(_reasons(summary))


def _reasons(summary: Summary) -> list[str]:
    """Return what the runs themselves say about why a peak differs."""
    run, peak, reasons = summary.run, summary.test, []
    published = PUBLISHED.get((run.data, run.method))
    for result in summary.results:
        if result.status != "finished":
            reasons.append(f"seed {result.run.seed} {result.status} after {len(result.epochs)} epochs")
    if peak is not None and peak.epoch >= run.epochs:
        reasons.append(f"the best epoch is the last of {run.epochs}, so more epochs may raise it")
    if published is not None and published.test_epoch is not None and run.epochs < published.test_epoch:
        reasons.append(
            f"the published peak came at epoch {published.test_epoch:g}, these runs end at {run.epochs}"
        )
    if peak is not None and published is not None and published.test_peak and published.test_deviation:
        away = (peak.mean - published.test_peak) / published.test_deviation
        seeds = len(summary.results)
        reasons.append(
            f"{away:+.1f} published standard deviations away, on {seeds} seed{'s' if seeds > 1 else ''}"
        )
    return reasons or ["no reason is apparent from the runs"]
