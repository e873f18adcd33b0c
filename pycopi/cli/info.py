"""``pycopi info``: what is live on this machine."""


def info() -> None:
    """Print version, engine in use, array libraries found, and threads."""
    from rich.console import Console

    from pycopi.cli.summary import print_table
    from pycopi.config import configuration

    print_table(Console(), list(configuration().items()))
