"""Runs the tables by their names, prints them, and keeps them as JSON."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from pycopi._files import whole_file
from pycopi.bench.load import load_now, share_of_others
from pycopi.bench.machine import facts, machine_table
from pycopi.bench.scope import Scope
from pycopi.bench.table import Table

TABLES = ("kernels", "step", "stream", "growth", "memory", "accuracy")
"""What can be measured by name; the last takes minutes to an hour."""

_QUIET = 0.03
"""Share of the processors that others may use before the numbers are in doubt."""


def run(
    names: Sequence[str], scope: Scope, *, show: Callable[[str], None] = print, file: Path | None = None
) -> None:
    """Measure the machine and then the named tables; each is shown, and kept in the file, once it is there."""
    about, before = facts(), load_now()
    show("\n".join(f"- {name}: {text}" for name, text in about.items()))
    done: list[Table] = []
    for table in _measured(names, scope):
        done.append(table)
        show(f"\n{table.markdown()}")
        others = share_of_others(before, load_now())
        if file is not None:
            _keep(file, {"machine": about, "share of others": others, "tables": [t.content() for t in done]})
    if others is not None and others > _QUIET:
        show(
            f"\nOther programs used {others:.0%} of the processors meanwhile: run it again on a quiet machine."
        )


def _measured(names: Sequence[str], scope: Scope) -> Iterator[Table]:
    yield machine_table(quick=scope.quick)
    for name in names:
        yield from import_module(f"pycopi.bench.{name}").tables(scope)


def _keep(file: Path, content: Mapping[str, Any]) -> None:
    with whole_file(file) as path:
        path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
