"""The flags of the commands, grouped as the help shows them, each with its unit and default."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pycopi.cli.flags import CHOICES
from pycopi.cli.presets import VARIANCE_SCALED_EPSILON, by_data_set
from pycopi.experiments.methods import METHODS

_NETWORK = "Network"
_LEARNING = "Learning"
_DECORRELATION = "Decorrelation"
_SAVING = "Doing less (off by default)"
_COURSE = "Course of the run"
_VARIANTS = "Variants (off by default)"
_ANALYSIS = "Analysis"
_MACHINE = "Machine"
_FILES = "Data and output"


def _parse_float(text: str) -> float:
    """Return a number; the message of typer itself does not say what was given."""
    try:
        return float(text)
    except ValueError:
        msg = f"{text!r} is not a number"
        raise typer.BadParameter(msg) from None


def _parse_integer(text: str) -> int:
    """Return a whole number, as `_parse_float` does."""
    try:
        return int(text)
    except ValueError:
        msg = f"{text!r} is not a whole number"
        raise typer.BadParameter(msg) from None


_PARSERS = {"FLOAT": _parse_float, "INTEGER": _parse_integer}


def _option(panel: str, name: str, metavar: str, text: str, default: str = "") -> Any:
    """Return an option of a panel, with its default at the end of its help."""
    words = f"{text} Default: {default}." if default else text
    parser = _PARSERS.get(metavar)
    return typer.Option(
        name, metavar=metavar, parser=parser, help=words, show_default=False, rich_help_panel=panel
    )


def _switch(panel: str, name: str, text: str) -> Any:
    """Return an option without a value."""
    return _option(panel, name, "", text)


def _preset(panel: str, name: str, metavar: str, text: str) -> Any:
    """Return an option whose default depends on the data."""
    return _option(panel, name, metavar, text, by_data_set(name.strip("-").replace("-", "_")))


def _choice(panel: str, name: str, text: str) -> Any:
    """Return an option that takes one of some names, the first by default."""
    first, *others = CHOICES[name.strip("-").replace("-", "_")]
    return _option(panel, name, "NAME", f"{text}: {', '.join([f'{first} (default)', *others])}.")


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits (built in), mnist, cifar10, or an .npz file with x, y (and x_test, y_test).",
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model file, or the output folder of a run.")]

Hidden = Annotated[
    str | None,
    _preset(_NETWORK, "--hidden", "SIZES", "Hidden layers: 128,64 or 500x6 (six of 500) or none."),
]
Activation = Annotated[str | None, _choice(_NETWORK, "--activation", "Activation of the hidden layers")]

Credit = Annotated[str | None, _choice(_LEARNING, "--credit", "How the output error reaches the layers below")]
Rule = Annotated[str | None, _choice(_LEARNING, "--rule", "How weights learn")]
Loss = Annotated[
    str | None,
    _option(
        _LEARNING,
        "--loss",
        "NAME",
        f"What the output error is the derivative of: {', '.join(CHOICES['loss'])}.",
        "squared_error; files of classes: cross_entropy",
    ),
]
Rate = Annotated[
    float | None,
    _preset(_LEARNING, "--rate", "FLOAT", "Step size of the weights, dimensionless."),
]
Gain = Annotated[
    float | None,
    _preset(
        _LEARNING,
        "--gain",
        "FLOAT",
        "Factor of the output error, dimensionless; gain times rate is the gradient step.",
    ),
]
BatchSize = Annotated[int | None, _preset(_LEARNING, "--batch-size", "INTEGER", "Samples in a step.")]

DecorrelationRate = Annotated[
    float | None,
    _preset(
        _DECORRELATION,
        "--decorrelation-rate",
        "FLOAT",
        "Step size of the decorrelators, dimensionless; 0 leaves them out, and the default rate becomes "
        "a thousandth, the default gain a hundredfold.",
    ),
]
DecorrelationRule = Annotated[
    str | None,
    _choice(_DECORRELATION, "--decorrelation-rule", "How they learn, as in the paper or locally"),
]
Whitening = Annotated[
    float | None,
    _option(
        _DECORRELATION,
        "--whitening",
        "FLOAT",
        "From 0, which only decorrelates, to 1, which only brings the powers to 1. Above 0 the default "
        "rate becomes a thousandth, the gain a hundredfold, the decorrelation rate a hundredth.",
        "0",
    ),
]
Freeze = Annotated[
    str | None,
    _option(
        _SAVING,
        "--freeze-decorrelation-after",
        "EPOCHS",
        "Epochs after which the decorrelators stay as they are; 3,never freezes that of the first layer alone.",
        "never",
    ),
]
Preset = Annotated[
    str | None,
    _choice(_SAVING, "--preset", "Settings of the paper, or those that do the least work"),
]
Fraction = Annotated[
    str | None,
    _option(
        _SAVING,
        "--decorrelation-fraction",
        "SHARES",
        "Share of each batch that the decorrelators learn from: 0.2, or 1,0.2 for different layers.",
        "1",
    ),
]
Every = Annotated[
    int | None,
    _option(
        _SAVING,
        "--decorrelation-every",
        "INTEGER",
        "Steps from one update of the decorrelators to the next.",
        "1",
    ),
]
StepBound = Annotated[
    float | None,
    _option(
        _SAVING,
        "--step-bound",
        "FLOAT",
        "Largest effective step of the weights, gain times rate times the largest power of the inputs.",
        "none; files: 0.5",
    ),
]
DecorrelationBound = Annotated[
    float | None,
    _option(
        _SAVING,
        "--decorrelation-bound",
        "FLOAT",
        "Largest effective step of the decorrelators, rate times the largest power.",
        "none; files: 0.5",
    ),
]
KeepDecorrelated = Annotated[
    bool | None,
    _switch(
        _SAVING,
        "--keep-decorrelated/--no-keep-decorrelated",
        "Decorrelate the data once while the first layer is frozen; takes as much memory as the data.",
    ),
]

Epochs = Annotated[
    int | None,
    _preset(_COURSE, "--epochs", "INTEGER", "Epochs of the whole run, in passes over the data."),
]
DecorrelationEpochs = Annotated[
    int | None,
    _option(
        _COURSE,
        "--decorrelation-epochs",
        "INTEGER",
        "How many of them, at the start, train the decorrelators alone.",
        "1",
    ),
]
WarmUp = Annotated[
    int | None,
    _option(_COURSE, "--warm-up", "INTEGER", "Epochs over which the rate of the weights rises.", "0"),
]
RateDecay = Annotated[
    float | None,
    _option(
        _COURSE,
        "--rate-decay",
        "FLOAT",
        "Factor by which each epoch multiplies the rate of the weights for the next.",
        "1; files: 0.97",
    ),
]
Patience = Annotated[
    int | None,
    _option(
        _COURSE,
        "--patience",
        "INTEGER",
        "End the run after so many epochs without a lower test loss; this selects by the test set.",
        "off",
    ),
]

Bias = Annotated[bool | None, _switch(_NETWORK, "--bias/--no-bias", "Give each layer a bias; files: on.")]
Task = Annotated[
    str | None,
    _option(
        _NETWORK,
        "--task",
        "NAME",
        "What the targets of a file are: classes or regression.",
        "classes if they are text, booleans, integers, or whole floats of few values",
    ),
]
Standardize = Annotated[
    bool | None,
    _switch(
        _NETWORK,
        "--standardize/--no-standardize",
        "Centre the inputs, divide them by their spread and clip them, inside the network; files: on.",
    ),
]
ScaleTargets = Annotated[
    bool | None,
    _switch(
        _NETWORK,
        "--scale-targets/--no-scale-targets",
        "Learn real-valued targets divided by their spread, and predict in their units; files: on.",
    ),
]
VarianceScaled = Annotated[
    bool | None,
    _switch(
        _VARIANTS,
        "--variance-scaled/--no-variance-scaled",
        "Divide COPI steps by the power of the input; the default rate becomes a tenth.",
    ),
]

Epsilon = Annotated[
    float | None,
    _option(
        _VARIANTS,
        "--epsilon",
        "FLOAT",
        "Added to that power, in squared units of the inputs.",
        f"{VARIANCE_SCALED_EPSILON:g}",
    ),
]

Backend = Annotated[str | None, _choice(_MACHINE, "--backend", "Array library that does the work")]
Device = Annotated[
    str | None,
    _option(
        _MACHINE,
        "--device",
        "NAME",
        "Device of that library, such as cuda or cuda:1.",
        "the library's own",
    ),
]
Dtype = Annotated[str | None, _choice(_MACHINE, "--dtype", "Kind of number")]
Seed = Annotated[
    int | None,
    _option(_MACHINE, "--seed", "INTEGER", "Seed of the first weights and of the shuffling.", "0"),
]

Output = Annotated[
    Path | None,
    _option(
        _FILES,
        "--output",
        "FOLDER",
        "Folder for the model, history.json and learning-curve.png.",
        "runs/ and the name of the data",
    ),
]
Resume = Annotated[
    bool,
    _switch(_FILES, "--resume", "Go on with the run in the output folder; --epochs may extend it."),
]
Overwrite = Annotated[bool, _switch(_FILES, "--overwrite", "Replace the run in the output folder.")]
Quiet = Annotated[bool, _switch(_FILES, "--quiet", "Print nothing but errors.")]
DataDir = Annotated[
    Path | None,
    _option(
        _FILES,
        "--data-dir",
        "FOLDER",
        "Folder that holds MNIST and CIFAR-10; otherwise $PYCOPI_DATA and the cache.",
    ),
]
NoDownload = Annotated[bool, _switch(_FILES, "--no-download", "Do not fetch data that is missing.")]
What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT",
        help="mnist, cifar10, learning-rates, analyses, or some, as mnist,analyses; all; digits.",
    ),
]
Seeds = Annotated[
    int | None,
    _option(_COURSE, "--seeds", "INTEGER", "Runs of each method, from seed 0 up.", "3; cifar10: 1"),
]
PaperEpochs = Annotated[
    int | None,
    _option(_COURSE, "--epochs", "INTEGER", "Epochs of each run.", "20; Adam on cifar10: 30, as published: 60"),
]
Methods = Annotated[
    str | None,
    _option(_COURSE, "--methods", "NAMES", f"Which methods, in this order: {','.join(METHODS)}.", "all"),
]
PaperQuick = Annotated[bool, _switch(_COURSE, "--quick", "One seed and a few epochs: minutes.")]
Full = Annotated[bool, _switch(_COURSE, "--full", "The paper's 5 seeds and 100 epochs: days.")]
ReportOnly = Annotated[bool, _switch(_COURSE, "--report-only", "Train nothing; report what is on disk.")]
ProcessorTime = Annotated[
    bool,
    _switch(_COURSE, "--processor-time", "Report processor time instead of the clock's: for a busy machine."),
]
Note = Annotated[str, _option(_FILES, "--note", "TEXT", "A text to keep with the timings of each run.")]
PaperOutput = Annotated[
    Path,
    _option(_FILES, "--output", "FOLDER", "Folder for runs, results, pictures and report.", "runs/paper"),
]
ReportedLoss = Annotated[
    str | None,
    _option(_FILES, "--loss", "NAME", f"Loss to report: {', '.join(CHOICES['loss'])}.", "the model's own"),
]
Layer = Annotated[
    int,
    _option(
        _ANALYSIS,
        "--layer",
        "INTEGER",
        "Layer whose receptive fields and correlations are drawn, counted from 1 at the inputs.",
        "1",
    ),
]
Samples = Annotated[
    int,
    _option(_ANALYSIS, "--samples", "INTEGER", "Training samples to average over, at most.", "20000"),
]
AnalysisOutput = Annotated[
    Path | None,
    _option(
        _FILES,
        "--output",
        "FOLDER",
        "Folder for analysis.json and the pictures, which replace older ones.",
        "analysis, beside the model",
    ),
]
Split = Annotated[str, _choice(_FILES, "--split", "Part of the data")]
AsJSON = Annotated[bool, _switch(_FILES, "--json", "Print one JSON object.")]
