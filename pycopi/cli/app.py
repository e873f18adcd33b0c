"""The application: its commands, and what becomes of errors."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, NoReturn

from rich.console import Console

from pycopi import __version__, _json
from pycopi.cli import analyse, completion, evaluate, export, predict, reproduce, train
from pycopi.cli.flags import JSON, Flag, Given, flag, read_flags
from pycopi.cli.interrupts import INTERRUPTED, leave_silently, raise_again
from pycopi.cli.progress import print_table
from pycopi.config import configuration

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


def info(given: Given) -> None:
    """Print version, engine in use, array libraries found, and threads."""
    if "json" in given:
        print(_json.write(configuration()))
    else:
        print_table(Console(), list(configuration().items()))


class Command(NamedTuple):
    """What is called by a name: its help is the docstring of what runs."""

    run: Callable[[Given], None]
    flags: Sequence[Flag]


COMMANDS = {
    "train": Command(train.train, train.FLAGS),
    "evaluate": Command(evaluate.evaluate, evaluate.FLAGS),
    "predict": Command(predict.predict, predict.FLAGS),
    "analyse": Command(analyse.analyse, analyse.FLAGS),
    "export": Command(export.export, export.FLAGS),
    "reproduce": Command(reproduce.reproduce, reproduce.FLAGS),
    "info": Command(info, (JSON,)),
    "completion": Command(completion.completion, completion.FLAGS),
}
"""The commands by name, in the order of the help."""

NEXT = """\
Train a network, in seconds and without a download:
  pycopi train digits      handwritten digits, built in
  pycopi train FILE.csv    your table; last column: target

Look at what it has learned:
  pycopi evaluate runs/digits digits
  pycopi analyse runs/digits digits

All commands: pycopi --help
All flags of one: pycopi train --help"""
"""What to do first, for a person who gives no command."""


def run(words: Sequence[str]) -> int:
    """Run the command that the words after ``pycopi`` name, and return its status.

    An error is one line on standard error, without a traceback; the environment variable
    ``PYCOPI_TRACEBACK=1`` shows it, to find a bug.
    """
    try:
        raise_again()
        command, given = _parse(words)
        command.run(given)
    except SystemExit as end:  # of --help, --version and errors of usage
        return int(end.code or 0)
    except KeyboardInterrupt as interruption:
        leave_silently()  # a second one ends this too
        print(": ".join(["interrupted", *map(str, interruption.args)]), file=sys.stderr)
        return INTERRUPTED
    except _EXPECTED as error:
        if os.environ.get("PYCOPI_TRACEBACK", "0") not in ("", "0"):
            raise
        print(f"error: {describe(error)}", file=sys.stderr)
        return FAILED
    finally:
        leave_silently()
    return 0


def describe(error: BaseException) -> str:
    """Return the message of an error as one line."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(text.split()) or type(error).__name__


class _Help(argparse.HelpFormatter):
    """Help whose paragraphs are as wide as the terminal; one with indented lines keeps its lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        parts = text.split("\n\n")
        return "\n\n".join(part if "\n  " in f"\n{part}" else fill(part, width, indent) for part in parts)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all errors are."""

    def __init__(self, name: str, about: str, arguments: str) -> None:
        super().__init__(
            name,
            usage=f"{name} {arguments}",
            description=about,
            formatter_class=lambda prog: _Help(prog, max_help_position=32),
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Print what is wrong with the arguments, and end the process."""
        self.exit(FAILED, f"error: {' '.join(message.split())} (see {self.prog} --help)\n")


def _parse(words: Sequence[str]) -> tuple[Command, Given]:
    """Return a command and what it was given; --help and --version end the process."""
    about = "Train networks by constrained parameter inference (COPI), with decorrelated inputs."
    root = _Parser("pycopi", about, "COMMAND ...")
    root.add_argument("--version", action="version", version=f"pycopi {__version__}", help="Print the version.")
    commands = root.add_argument_group("commands")
    for name, command in COMMANDS.items():  # only to be listed: which one is meant is read below
        commands.add_argument(name, nargs="?", help=_about(command).splitlines()[0])
    if not words:
        print(f"pycopi {__version__}\n\n{NEXT}")
        root.exit()
    name = words[0]
    if name.startswith("-"):
        _, unknown = root.parse_known_args(words)
        root.error(f"no such option: {unknown[0] if unknown else name}")
    if name not in COMMANDS:
        root.error(f"no such command: {name}{_meant(name, COMMANDS)}")
    return COMMANDS[name], _read(name, COMMANDS[name], words[1:])


def _read(name: str, command: Command, words: Sequence[str]) -> dict[str, Any]:
    arguments = [one.name.upper() for one in command.flags if not one.panel]
    parser = _Parser(f"pycopi {name}", _about(command), " ".join([*arguments, "[options]"]))
    groups: dict[str, Any] = {"": parser}
    for one in command.flags:
        if one.panel not in groups:
            groups[one.panel] = parser.add_argument_group(one.panel)
        one.add_to(groups[one.panel])
    found, unknown = parser.parse_known_args(words)
    if unknown:
        word = unknown[0].partition("=")[0]
        kind = "option" if word.startswith("-") else "argument"
        known = [flag(one.name) for one in command.flags if one.panel]
        parser.error(f"no such {kind}: {word}{_meant(word, known)}")
    return read_flags(command.flags, vars(found))


def _about(command: Command) -> str:
    lines = (command.run.__doc__ or "").strip().splitlines()
    return "\n".join(line.removeprefix("    ") for line in lines)


def _meant(word: str, known: Any) -> str:
    """Return what may have been meant by a word that is not known."""
    near = get_close_matches(word, known, 1, 0.65)
    return f"; did you mean {near[0]}?" if near else ""
