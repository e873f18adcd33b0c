"""The command ``pycopi``: train, evaluate, analyse, export, reproduce, info, completion.

Rules of this room:

- nothing but ``python -m pycopi`` imports it; rich is imported when the command runs, array libraries,
  matplotlib and data when they are needed;
- an error is one line on standard error and exit status 2; Ctrl-C is exit status 130, from the first import on;
- nobody has to read what is printed: a terminal that was closed, or a reader that has ended, ends no run;
- a file in an output folder is there whole or not at all.
"""

import sys

try:
    from pycopi.cli.interrupts import leave_at_once
except KeyboardInterrupt:
    print("interrupted", file=sys.stderr)
    raise SystemExit(130) from None


def main() -> None:
    """Run the command with the arguments of this process, and exit with its status."""
    leave_at_once()
    from pycopi.cli.streams import lost, tolerant

    sys.stdout, sys.stderr = tolerant(sys.stdout), tolerant(sys.stderr)
    status, reason = _run(), lost(sys.stdout)
    if reason is not None:
        print(f"error: standard output: {reason}", file=sys.stderr)
    raise SystemExit(status or (0 if reason is None else 2))


def _run() -> int:
    try:
        from pycopi.cli.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "rich":
            raise
        print(
            'error: the command needs rich, which is not installed; install it with: pip install "pycopi[cli]"',
            file=sys.stderr,
        )
        return 2
    return run(sys.argv[1:])
