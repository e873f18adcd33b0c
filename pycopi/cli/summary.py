"""The short table at the end of a run."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pycopi.network import Parameters
from pycopi.state import EpochRecord, State


def print_table(console: Console, rows: Sequence[tuple[str, str]], title: str | None = None) -> None:
    """Print names and values in two columns; long values are folded, never cut."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        known = value.encode(console.encoding, "backslashreplace").decode(console.encoding)
        table.add_row(Text(name), Text(known))  # escapes have their places in the table, too
    console.print(table)


def summary_rows(
    state: State,
    folder: Path,
    files: Sequence[str],
    *,
    selected: bool,
) -> list[tuple[str, str]]:
    """Return what a run came to, as rows for `print_table`.

    ``selected`` says that the test loss has decided when the run ended. Results are those of the epoch that the
    parameters of the state are from.
    """
    history = state.history
    last, seconds = history[-1], sum(record.seconds for record in history)
    kept = history[(state.selected or len(history)) - 1]
    measured = [
        ("test accuracy", kept.validation_accuracy, ".2%"),
        ("test loss", kept.validation_loss, ".4f"),
        ("training accuracy", kept.accuracy, ".2%"),
        ("training loss", kept.loss, ".4f"),
    ]
    best = "" if kept is last else f"; the results are those of epoch {kept.epoch}, the best"
    floor = f" (floor {last.correlation_floor:.3f})" if last.correlation_floor else ""
    first, final = (sum(r.correlation) / len(r.correlation) for r in (history[0], last))
    return [
        *((name, format(value, form)) for name, value, form in measured if value is not None),
        *_role_of_test(last, selected),
        ("epochs", f"{last.epoch}{best}"),
        ("training time", f"{seconds:.1f} s ({seconds / len(history):.2f} s an epoch)"),
        ("parameters", f"{count_parameters(state.parameters):,}"),
        ("correlation left", f"{first:.3f} after epoch 1, {final:.3f} after epoch {last.epoch}{floor}"),
        ("output", f"{folder}: {', '.join(files)}"),
    ]


def _role_of_test(last: EpochRecord, selected: bool) -> list[tuple[str, str]]:
    """Return what the test set was used for, if there was one."""
    if last.validation_loss is None:
        return []
    end = "its loss ended the run (--patience)" if selected else "shown only, nothing chosen by it"
    return [("test set", f"evaluated after each epoch; {end}")]


def count_parameters(parameters: Parameters) -> int:
    """Return how many numbers are learned."""
    learned = [(own.weight, own.decorrelator, own.bias) for own in parameters]
    sizes = [array.shape for arrays in learned for array in arrays if array is not None]
    return sum(shape[0] * (shape[1] if len(shape) > 1 else 1) for shape in sizes)
