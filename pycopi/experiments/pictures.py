"""The pictures of runs: which curves are drawn of which results, and under what file names."""

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

from pycopi._files import whole_file
from pycopi.experiments.document import Gallery, Picture
from pycopi.experiments.published import PUBLISHED
from pycopi.experiments.results import Result, Summary
from pycopi.plotting.curves import Curve, compare_curves

STYLES = {
    "copi-bp": 4,
    "copi-fa": 5,
    "bp-decor": 3,
    "copi-local": 6,
    "bp-adam": 0,
    "bp-adam-published": 1,
}
"""The colour and the marker of each method, the same in every picture."""

_VARIED = 2  # those of a method at other step sizes than the paper's

_QUANTITIES = (
    ("test_accuracy", "test accuracy (% of samples)", 100.0),
    ("train_accuracy", "training accuracy (% of samples)", 100.0),
    ("test_loss", "test loss (mean per sample)", 1.0),
    ("train_loss", "training loss (mean per sample)", 1.0),
)
_BAND = "Mean over the seeds, with a band of one standard deviation where there are several."

OWN_ADAM = (
    "Adam's seconds are those of pycopi's own NumPy code; the fused Adam of PyTorch takes a fifth to a half of "
    "them a step."
)
"""What a comparison by seconds must say."""


def method_pictures(summaries: Sequence[Summary], folder: Path, prefix: str) -> Gallery:
    """Draw accuracy and loss of the methods on one data set, against epochs and against seconds."""
    pictures = []
    for field, label, factor in _QUANTITIES:
        for against in ("epoch", "seconds"):
            path = folder / f"{prefix}-{field.replace('_', '-')}-{against}.png"
            marked = field == "test_accuracy" and against == "epoch"
            curves = [_method_curve(summary, field, marked=marked) for summary in summaries]
            own = against == "seconds" and any(
                summary.run.preset.settings.rule == "adam" for summary in summaries
            )
            note = "Adam in pycopi's own NumPy code" if own else ""
            compare_curves(curves, path, label=label, against=against, factor=factor, skipped=1, note=note)
            what = label.partition(" (")[0].capitalize()
            behind = "the epoch" if against == "epoch" else "the training time"
            marks = " Dotted: the published peaks." if any(curve.published for curve in curves) else ""
            slower = f" {OWN_ADAM}" if own else ""
            pictures.append(Picture(path, f"{what} against {behind}. {_BAND}{marks}{slower}"))
    return Gallery(pictures)


def step_pictures(summaries: Sequence[Summary], folder: Path) -> Gallery:
    """Draw the learning-rate figure: test accuracy for the gains of COPI and for the rates of Adam."""
    pictures = []
    parts = (
        ("copi-bp", "gain", "COPI, backpropagated, by its gain"),
        ("bp-adam-published", "rate", "Adam (published variant), by its rate"),
    )
    for method, name, title in parts:
        value = attrgetter(f"run.preset.settings.{name}")
        chosen = sorted((summary for summary in summaries if summary.run.method == method), key=value)
        if not any(result.epochs for summary in chosen for result in summary.results):
            continue
        curves = [
            _curve(summary, f"{name} {value(summary):g}", "test_accuracy", (5, 3, 4)[index % 3])
            for index, summary in enumerate(chosen)
        ]
        path = folder / f"learning-rates-{name}.png"
        compare_curves(curves, path, label="test accuracy (% of samples)", factor=100.0, skipped=1)
        pictures.append(Picture(path, f"{title}. Test accuracy against the epoch."))
    return Gallery(pictures)


def correlation_pictures(results: Sequence[Result], folder: Path, prefix: str) -> Gallery:
    """Draw the correlation left in each layer against the epoch, a picture for each method's first seed."""
    pictures, seen = [], set()
    for result in results:
        run = result.run
        if len(result.epochs) < 2 or not run.preset.decorrelated or run.series in seen:
            continue
        seen.add(run.series)
        layers = len(result.epochs[0]["correlation"])
        curves = [
            Curve(f"layer {layer + 1}", [[entry["correlation"][layer] for entry in result.epochs]], (), layer)
            for layer in range(layers)
        ]
        path = folder / f"{prefix}-correlation-{run.series}.png"
        compare_curves(curves, path, label="correlation left (mean |r|, 0 to 1)", from_zero=True)
        title = f"{run.title}, seed {run.seed}"
        what = "mean off-diagonal correlation of each layer's decorrelated inputs"
        pictures.append(Picture(path, f"{title}: {what}."))
    return Gallery(pictures)


def _curve(summary: Summary, label: str, field: str, style: int) -> Curve:
    chosen = [result for result in summary.results if result.epochs]
    values = [result.values(field) for result in chosen]
    return Curve(label, values, [result.seconds for result in chosen], style)


def _method_curve(summary: Summary, field: str, *, marked: bool) -> Curve:
    """Return the curve of a method; ``marked`` adds the published peak of its test accuracy."""
    run = summary.run
    style = _VARIED if run.varied else STYLES[run.method]
    curve = _curve(summary, run.title, field, style)
    published = PUBLISHED.get((run.data, run.method)) if marked else None
    return curve if published is None else curve._replace(published=published.test_peak)


_COLOURS = 256


def shrink(path: Path) -> None:
    """Write a PNG picture anew with a palette of 256 colours, which is a third of its size."""
    from PIL import Image  # Matplotlib needs it, so it is there

    with Image.open(path) as picture:
        plain = picture.convert("RGB")  # the palette that covers all colours keeps colour bars smooth
        reduced = plain.quantize(_COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    with whole_file(path) as temporary:
        reduced.save(temporary, optimize=True)
