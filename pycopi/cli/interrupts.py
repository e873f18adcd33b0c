"""Ctrl-C while libraries are loaded, before a command can answer it: one line and status 130, no traceback."""

import os
import signal
from types import FrameType

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process within an import, where what is imported may swallow or print an exception."""
    try:
        os.write(2, b"interrupted\n")
    except OSError:  # nobody reads it
        pass
    os._exit(INTERRUPTED)


def _raise(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def leave_at_once() -> None:
    """End the process on Ctrl-C from here on, unless it has been started to ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def raise_again() -> None:
    """Raise KeyboardInterrupt on Ctrl-C from here on: a command runs, which has something to keep."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, _raise)


def leave_silently() -> None:
    """Let Ctrl-C kill the process from here on: all is done and said."""
    if signal.getsignal(signal.SIGINT) is _raise:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
