"""What the trained networks have learned: the analyses of the paper, on the models of finished runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pycopi.experiments.document import Block
from pycopi.experiments.plan import Run
from pycopi.experiments.results import Result
from pycopi.experiments.runner import Source


class Analysis(NamedTuple):
    """The analyses of one run: numbers for the results, blocks for the report."""

    run: Run
    values: dict[str, Any]
    blocks: tuple[Block, ...]


def analyse_runs(results: Sequence[Result], output: Path, source: Source, folder: Path) -> list[Analysis]:
    return []


def analysis_blocks(analyses: Sequence[Analysis]) -> list[Block]:
    return [block for analysis in analyses for block in analysis.blocks]
