"""The report of a plan: what is said in which order, and the files that say it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pycopi._build import VERSION
from pycopi._files import write_text
from pycopi.experiments.analyses import Analysis, analyse_runs, analysis_blocks
from pycopi.experiments.checks import Check, check_compression, check_peaks
from pycopi.experiments.document import Block, Code, Heading, Text, pictures_of
from pycopi.experiments.pictures import OWN_ADAM, correlation_pictures, method_pictures, shrink, step_pictures
from pycopi.experiments.plan import ANALYSED, Experiment, Run, Size
from pycopi.experiments.render import render_html, render_markdown
from pycopi.experiments.results import Clock, Result, as_json, collect, summarise, timings_json, write_csv
from pycopi.experiments.runner import Source
from pycopi.experiments.store import write_json
from pycopi.experiments.tables import check_table, method_table, peak_table, run_table

RESULTS, TABLE, TIMINGS = "results.json", "results.csv", "timings.json"
PAGE, MARKDOWN = "report.html", "report.md"

_MEASURED = (
    "Accuracies are those of the whole training and test set, evaluated after each epoch; accuracies in the "
    "course of an epoch are in the record of each run. Epochs are counted from 1; with decorrelation the first "
    "one decorrelates alone. The test set is only looked at: nothing is selected by it but the peak that the "
    "paper reports as well."
)

_SECONDS = {
    "clock": "Seconds are those of training alone, without evaluation, by the clock.",
    "processor": "Seconds are processor time of training alone, without evaluation, all threads together: the "
    "machine did other work at the same time, which makes the clock's longer but hardly these.",
}


class Request(NamedTuple):
    """What is to be reported: the experiments, how much of each, where the runs lie, and the command."""

    name: str
    experiments: Sequence[tuple[Experiment, Size]]
    output: Path
    command: str
    clock: Clock = "clock"

    @property
    def runs(self) -> list[Run]:
        """Every run of the plan, once."""
        found = [run for experiment, size in self.experiments for run in experiment.runs(size)]
        return list(dict.fromkeys(found))

    @property
    def folder(self) -> Path:
        """Where results, pictures and the report lie."""
        return self.output / self.name


def write_report(request: Request, source: Source) -> Path:
    """Write results, pictures and report of what is on disk, and return the path of the page."""
    folder = request.folder
    folder.mkdir(parents=True, exist_ok=True)
    results = collect(request.runs, request.output, request.clock)
    analyses = analyse_runs(_analysed(request, results), request.output, source, folder)
    write_json(folder / RESULTS, {**as_json(results), "analyses": [analysis.values for analysis in analyses]})
    write_json(folder / TIMINGS, timings_json(results))
    write_csv(results, folder / TABLE)
    blocks = _page(request, results, analyses)
    for picture in pictures_of(blocks):
        shrink(picture.path)
    title = f"pycopi {VERSION}: {request.name}"
    write_text(folder / PAGE, render_html(title, blocks))
    write_text(folder / MARKDOWN, render_markdown(blocks))
    return folder / PAGE


def _analysed(request: Request, results: Sequence[Result]) -> list[Result]:
    """Return the results whose networks are looked into: the first seed of COPI, unless it diverged."""
    asked = [pair for pair in request.experiments if pair[0].name in ("analyses", "digits")]
    runs = {run for experiment, size in asked for run in experiment.runs(size)}
    return [
        result
        for result in results
        if result.run in runs and result.run.seed == 0 and result.run.method in ANALYSED
        if result.status in ("finished", "incomplete")
    ]


def _page(request: Request, results: Sequence[Result], analyses: Sequence[Analysis]) -> list[Block]:
    summaries = summarise(results)
    checks = check_peaks(summaries) + _check_compression(analyses)
    blocks: list[Block] = [
        Heading("Constrained parameter inference: the paper, run again", 1),
        Text(_introduction(results)),
        Text(f"{_SECONDS[request.clock]} {OWN_ADAM}"),
        Code(request.command),
    ]
    if checks:
        blocks += [Heading("Against the paper"), check_table(checks)]
    for experiment, size in request.experiments:
        if experiment.name == "analyses":  # they stand at the end
            continue
        wanted = set(experiment.runs(size))
        own = [result for result in results if result.run in wanted and result.epochs]
        blocks += [Heading(experiment.title[:1].upper() + experiment.title[1:]), Text(experiment.about)]
        blocks += _section(experiment, own, request.folder) if own else [Text("No run is complete yet.")]
    if analyses:
        blocks += analysis_blocks(analyses)
    blocks += [Heading("What was run"), method_table(summaries), run_table(results), Text(_MEASURED)]
    return blocks


def _section(experiment: Experiment, results: Sequence[Result], folder: Path) -> list[Block]:
    summaries = summarise(results)
    if experiment.name == "learning-rates":
        return [step_pictures(summaries, folder), peak_table(summaries, "test")]
    name = experiment.name
    return [
        peak_table(summaries, "test"),
        peak_table(summaries, "train"),
        method_pictures(summaries, folder, name),
        Heading("How much correlation is left", 3),
        correlation_pictures(results, folder, name),
    ]


def _introduction(results: Sequence[Result]) -> str:
    done = sum(result.status == "finished" for result in results)
    environments = [result.timings["environment"] for result in results if result.timings["environment"]]
    machines = list(dict.fromkeys(_machine(environment) for environment in environments))
    return (
        f"{done} of {len(results)} runs are finished. "
        f"Made with pycopi {VERSION} on: {'; '.join(machines) or 'nothing yet'}."
    )


def _machine(environment: dict[str, Any]) -> str:
    names = ("processor", "processors", "threads", "engine", "C core", "backend numpy", "python")
    texts = {name: str(environment.get(name, "")) for name in names}
    return (
        f"{texts['processor']} ({texts['processors']} processors, {texts['threads']}), "
        f"engine {texts['engine']}, NumPy {texts['backend numpy']}, Python {texts['python']}"
    )


def _check_compression(analyses: Sequence[Analysis]) -> list[Check]:
    values = {one.run.data: one.values for one in analyses if one.run.method == "copi-bp"}
    curves = {data: found["compression"] for data, found in values.items()}
    return check_compression(curves, {data: found["epoch"] for data, found in values.items()})
