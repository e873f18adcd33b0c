"""The application: its commands, and what becomes of errors."""

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pycopi.cli.evaluate import evaluate
from pycopi.cli.info import info
from pycopi.cli.train import train

FAILED, INTERRUPTED = 2, 130
"""Exit statuses after an error, and after Ctrl-C as shells have it."""

_EXPECTED = (
    ValueError,
    TypeError,
    OSError,
    ImportError,
    MemoryError,
    ArithmeticError,  # DivergenceError
    RuntimeError,  # what torch and jax say of a device that fails
)


class OneLineErrors(TyperGroup):
    """Commands whose errors are one line on standard error, without a traceback.

    The environment variable ``PYCOPI_TRACEBACK=1`` shows it, for whoever looks for a bug.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, BrokenPipeError):  # typer knows what to do
            raise
        except KeyboardInterrupt as interruption:
            print(": ".join(["interrupted", *map(str, interruption.args)]), file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except _EXPECTED as error:
            if os.environ.get("PYCOPI_TRACEBACK", "0") not in ("", "0"):
                raise
            print(f"error: {describe(error)}", file=sys.stderr)
            raise typer.Exit(FAILED) from None


def describe(error: BaseException) -> str:
    """Return the message of an error as one line."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(text.split()) or type(error).__name__


app = typer.Typer(
    cls=OneLineErrors,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from pycopi import __version__

        print(f"pycopi {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            callback=_show_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Train networks by constrained parameter inference (COPI), with decorrelated inputs."""


app.command()(train)
app.command()(evaluate)
app.command()(info)
