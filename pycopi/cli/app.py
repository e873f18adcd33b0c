"""The application: its commands, and what becomes of errors."""

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pycopi.cli.analyse import analyse
from pycopi.cli.evaluate import evaluate
from pycopi.cli.info import info
from pycopi.cli.interrupts import INTERRUPTED, leave_silently, raise_again
from pycopi.cli.reproduce import reproduce
from pycopi.cli.train import train

FAILED = 2
"""Exit status after an error."""

_EXPECTED = (
    ValueError,
    TypeError,
    OSError,
    ImportError,
    MemoryError,
    ArithmeticError,  # DivergenceError
    RuntimeError,  # what torch and jax say of a device that fails
)


_UsageError: Any = typer.BadParameter.__base__  # of click, or of the copy in newer typer


class PlainHelp(TyperCommand):
    """A command in whose help only what takes a value looks as if it did."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        for parameter in self.params:
            if parameter.param_type_name == "argument":  # its name says enough
                parameter.display_type_rich = lambda ctx: None  # type: ignore[attr-defined]

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option --help."""
        return _as_switch(super().get_help_option(ctx))


class OneLineErrors(TyperGroup):
    """Commands whose errors are one line on standard error, without a traceback.

    The environment variable ``PYCOPI_TRACEBACK=1`` shows it, for whoever looks for a bug.
    """

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option --help."""
        return _as_switch(super().get_help_option(ctx))

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        """Return the context of the arguments before the name of a command."""
        wanted = bool(args)  # without any, typer shows the help
        try:
            return super().make_context(info_name, args, *rest, **extra)
        except _UsageError as error:
            if not wanted:
                raise
            raise _usage(error) from None

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        try:
            raise_again()
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):  # typer knows what to do
            raise
        except _UsageError as error:
            raise _usage(error) from None
        except KeyboardInterrupt as interruption:
            leave_silently()  # a second one ends this too
            print(": ".join(["interrupted", *map(str, interruption.args)]), file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except _EXPECTED as error:
            if os.environ.get("PYCOPI_TRACEBACK", "0") not in ("", "0"):
                raise
            print(f"error: {describe(error)}", file=sys.stderr)
            raise typer.Exit(FAILED) from None
        finally:
            leave_silently()


def _as_switch(option: Any) -> Any:
    """Return an option that takes no value, without the kind of a value in its help."""
    if option is not None:
        option.metavar = ""
    return option


def _usage(error: Any) -> typer.Exit:
    """Print what is wrong with the arguments as one line, and return the end of the process."""
    text = " ".join(error.format_message().split()).rstrip(".")
    print(f"error: {text[:1].lower()}{text[1:]} (see pycopi --help)", file=sys.stderr)
    return typer.Exit(FAILED)


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
            metavar="",
            help="Print the version and exit.",
            callback=_show_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Train networks by constrained parameter inference (COPI), with decorrelated inputs."""


app.command(cls=PlainHelp)(train)
app.command(cls=PlainHelp)(evaluate)
app.command(cls=PlainHelp)(analyse)
app.command(cls=PlainHelp)(reproduce)
app.command(cls=PlainHelp)(info)
