"""What one run of the suite skips, another runs: ``-p skips --skips-to FILE``, then ``--skips-from FILE``.

The first run has none of the optional libraries. Where they are installed, the second runs the tests that were
skipped without them, those marked ``libraries``, which test more with them, and doctests.
"""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--skips-to", type=Path, metavar="FILE", help="write the names of skipped tests to a file")
    parser.addoption("--skips-from", type=Path, metavar="FILE", help="run the tests that this file names")


class Writer:
    """Remembers what is skipped, tests and whole files, and writes it at the end."""

    def __init__(self, path: Path) -> None:
        self.path, self.names = path, set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.names.add(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.names.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.path.write_text("\n".join(sorted(self.names)))


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("skips_to")
    if path is not None and not hasattr(config, "workerinput"):  # of pytest-xdist, which reports to one process
        config.pluginmanager.register(Writer(path.absolute()))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    path = config.getoption("skips_from")
    if path is None:
        return
    names = set(path.read_text().splitlines())

    def chosen(item: pytest.Item) -> bool:
        named = item.nodeid in names or item.nodeid.partition("::")[0] in names
        return named or item.get_closest_marker("libraries") is not None or isinstance(item, pytest.DoctestItem)

    config.hook.pytest_deselected(items=[item for item in items if not chosen(item)])
    items[:] = [item for item in items if chosen(item)]
