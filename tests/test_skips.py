"""What one run of the suite skips, another runs, and nothing twice."""

from pathlib import Path

pytest_plugins = ["pytester"]

TWO_FILES = {
    "test_some": """
import os, pytest

def test_always(): pass

@pytest.mark.libraries
def test_more_with_libraries(): pass

@pytest.mark.parametrize("name", ["numpy", "other"])
def test_each(name):
    if name == "other" and "OTHER" not in os.environ:
        pytest.skip("not installed")
""",
    "test_whole": """
import os, pytest

if "OTHER" not in os.environ:
    pytest.skip("not installed", allow_module_level=True)

def test_of_the_other_library(): pass
""",
}


def test_what_is_skipped_runs_elsewhere(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    pytester.makeini("[pytest]\nmarkers = libraries")
    pytester.makepyfile(**TWO_FILES)
    how = ("-p", "skips", "-p", "no:cacheprovider", "-n", "1")
    first = pytester.runpytest_subprocess(*how, "--skips-to=skips")
    first.assert_outcomes(passed=3, skipped=2)
    monkeypatch.setenv("OTHER", "1")
    second = pytester.runpytest_subprocess(*how, "--skips-from=skips", "-v")
    second.assert_outcomes(passed=3)
    for name in ("test_each[[]other]", "test_more_with_libraries", "test_of_the_other_library"):
        second.stdout.fnmatch_lines(f"*{name}*")
