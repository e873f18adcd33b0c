"""The command ``pycopi``: train, evaluate, analyse, info.

Rules of this room:

- nothing but ``python -m pycopi`` imports it; typer and rich are imported when the command runs, array
  libraries, matplotlib and data when they are needed;
- an error is one line on standard error and exit status 2; Ctrl-C is exit status 130;
- a file in an output folder is there whole or not at all.
"""

import os
import sys

_NEEDED = ("typer", "rich", "click")


def main() -> None:
    """Run the command with the arguments of this process, and exit with its status."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # closed by who started it
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
    try:
        from pycopi.cli.app import app
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        print(
            f"error: the command needs {error.name}, which is not installed; "
            f'install it with: pip install "pycopi[cli]"',
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    app(prog_name="pycopi")
