"""README, documentation and examples: what they show runs and prints that, and what they link to is there.

A block of Python followed by a block of text must print that text. Numbers may differ in rounding, ``...``
stands for anything. Blocks of one page share their names and run in their order; those that import a
library which is not installed are skipped, visibly.
"""

import contextlib
import io
import json
import re
import runpy
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

import pycopi

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "docs" / "index.md").is_file():
    pytest.skip("the repository is not here, only its tests", allow_module_level=True)

PAGES = sorted(str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")))
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))
OPTIONAL = ("river", "skimage", "aeon", "torch", "jax", "dask", "skl2onnx", "onnxruntime", "sklearn")
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.M | re.S)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
ABSOLUTE = 0.015  # a few test images of 360
RELATIVE = 0.1  # a loss, late in a run


def assert_prints(actual: str, expected: str) -> None:
    """Compare texts line by line: words exactly, numbers with a decimal point with tolerance."""
    have, want = actual.strip().splitlines(), expected.strip().splitlines()
    if len(have) != len(want):
        msg = f"{len(have)} lines instead of {len(want)}:\n{actual}"
        raise AssertionError(msg)
    for got, shown in zip(map(str.strip, have), map(str.strip, want), strict=True):
        pattern = re.escape(NUMBER.sub(lambda m: m[0] if "." not in m[0] else "#", shown))
        pattern = pattern.replace(re.escape("#"), f"({NUMBER.pattern})").replace(re.escape("..."), ".*")
        match = re.fullmatch(re.sub(r"(\\ )+", r" +", pattern), got)
        numbers = [float(n) for n in NUMBER.findall(shown) if "." in n]
        if match is None or any(
            abs(float(g) - n) > ABSOLUTE + RELATIVE * abs(n)
            for g, n in zip(match.groups(), numbers, strict=True)
        ):
            msg = f"printed {got!r} where {shown!r} is shown"
            raise AssertionError(msg)


def run(code: str, names: dict) -> str:
    """Return what a block prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "<block>", "exec"), names)
    return printed.getvalue()


def library_of(code: str) -> str | None:
    """Return the optional library that a block imports."""
    return next((name for name in OPTIONAL if re.search(rf"^ *(import|from) {name}\b", code, re.M)), None)


def blocks_of(page: str) -> list[tuple[str, str | None]]:
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def libraries_of(page: str) -> list[str | None]:
    return sorted({library_of(code) for code, _ in blocks_of(page)}, key=str)


@pytest.mark.parametrize(
    ("page", "library"), [(page, library) for page in PAGES for library in libraries_of(page)]
)
def test_blocks_print_what_is_shown(page, library, tmp_path, monkeypatch):
    if library is not None:
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "block"}
    for code, expected in blocks_of(page):
        if library_of(code) in (None, library):
            printed = run(code, names)
            if library_of(code) == library:
                assert_prints(printed, expected)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_print_what_their_docstrings_say(path, tmp_path, monkeypatch):
    library = library_of(path.read_text(encoding="utf-8"))
    if library is not None:
        pytest.importorskip(library)
    if '"cc"' in path.read_text(encoding="utf-8") and shutil.which("cc") is None:
        pytest.skip("there is no C compiler cc")
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            names = runpy.run_path(str(path), run_name="__main__")
        except ImportError as error:
            if library is None or not str(error.name).startswith(library):
                raise
            pytest.skip(str(error))  # an older version
    shown = [line for line in names["__doc__"].splitlines() if line.startswith("    ")]
    assert_prints(printed.getvalue(), "\n".join(line.strip() for line in shown))
    for picture in re.findall(r"Draws (\S+\.png), ", names["__doc__"]):
        assert Path(picture).stat().st_size > 0
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60


def test_make_docs_runs_every_program_of_the_gallery():
    """What a program imports comes with the package, the extra ``docs`` or the Makefile's own line for it."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    docs = extras["docs"]
    (first,) = (one for one in docs if one.startswith("pycopi["))
    parts = [part for name in first[len("pycopi[") : -1].split(",") for part in extras[name]]
    alone = re.findall(r"--no-deps '(\w+)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    installed = set(re.findall(r"[\w-]+", " ".join([*docs, *parts, *alone]))) | {
        "pycopi",
        "numpy",
        "array_api_compat",
    }
    others = {"skimage": "scikit-image", "sklearn": "scikit-learn"}
    for path in EXAMPLES:
        for name in re.findall(r"^(?:import|from) (\w+)", path.read_text(encoding="utf-8"), re.M):
            known = name in sys.stdlib_module_names or others.get(name, name) in installed
            assert known, f"{path.name} imports {name}, which make docs does not install"


@pytest.mark.parametrize(
    ("page", "most"), [("README.md", 120), ("CONTRIBUTING.md", 45), ("docs/performance.md", 150)]
)
def test_pages_that_everybody_reads_are_short(page, most):
    assert len((ROOT / page).read_text(encoding="utf-8").splitlines()) <= most


def test_the_three_numbers_of_the_readme_are_those_of_their_pages():
    readme, users, performance, report = (
        (ROOT / page).read_text(encoding="utf-8")
        for page in ("README.md", "docs/users.md", "docs/performance.md", "docs/results/report.md")
    )
    accuracy, best, sets, time, faster = re.search(
        r"\*\*([\d.]+) %\*\* .*\*\*(\d+) of (\d+)\*\* .*\*\*(\d+) µs\*\* [^[]*\[(\d+) times", readme, re.S
    ).groups()
    peak = re.search(r"^\| MNIST, COPI, backprop[^|]*\|[^|]*\| ([\d.]+)", report, re.M)
    assert accuracy == f"{100 * float(peak[1]):.1f}"
    assert (best, sets) == re.search(r"on (\d+) of the (\d+)\s+sets", users).groups()
    row = re.search(r"^\| 1024 \| +([\d.]+) \|[^|]*\|[^|]*\| +([\d.]+) \|", performance, re.M)
    assert (faster, time) == tuple(f"{float(one):.0f}" for one in row.groups())


def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    cells = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert names["accuracy"] > 0.98
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / path) if path else ROOT / page
        assert file.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in anchors_of(file.read_text(encoding="utf-8")), f"{page} links to {target}"


def anchors_of(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings)
    return {*plain, *re.findall(r"^\(([\w-]+)\)=$", text, re.M)}


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"pycopi\.(\w+)", text))
    missing = set(pycopi.__all__) - listed
    assert not missing, f"docs/api.md lacks {sorted(missing)}"


def test_every_room_is_in_the_design():
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| `.*?\|", text, re.M))))
    files = {path.name.partition(".")[0] for path in (ROOT / "pycopi").iterdir()}
    missing = files - listed - {"__init__", "__pycache__", "py"}
    assert not missing, f"docs/design.md lacks {sorted(missing)}"


def test_versions_agree():
    changelog = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    assert changelog is not None
    assert citation is not None
    assert changelog[1].strip("[]") == citation[1].strip("\"'") == pycopi.__version__
    recipe = (ROOT / "packaging" / "recipe.yaml").read_text(encoding="utf-8")
    assert f'version: "{pycopi.__version__}"' in recipe


def test_the_conda_recipe_needs_what_the_package_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = [f"python{project['project']['requires-python']}", *project["project"]["dependencies"]]
    recipe = (ROOT / "packaging" / "recipe.yaml").read_text(encoding="utf-8")
    found = recipe.partition("  run:\n")[2].partition("\n\n")[0].replace("- ", "").replace(" ", "").split()
    assert found == needed
    assert all(one.replace(">=", " >=") in recipe for one in project["build-system"]["requires"])


@pytest.mark.parametrize("page", PAGES)
def test_flags_of_the_command_exist(page):
    """Every --flag that a page shows after `pycopi COMMAND` is one of that command."""
    pytest.importorskip("rich")
    from pycopi.cli.app import COMMANDS
    from pycopi.cli.flags import flag

    text = (ROOT / page).read_text(encoding="utf-8")
    names = "train|evaluate|analyse|export|reproduce|info|completion"
    for name, rest in re.findall(rf"\bpycopi ({names})\b([^`\n]*)", text):
        known = {flag(one.name) for one in COMMANDS[name].flags} | {"--help"}
        for word in re.findall(r"--[\w-]+", rest):
            assert word.replace("--no-", "--") in known or word in known, f"{page}: pycopi {name} has no {word}"


@pytest.mark.parametrize(
    ("actual", "expected"),
    [("a 1", "a 2"), ("a 0.5", "a 0.9"), ("a", "a\nb"), ("b 0.5", "a 0.5"), ("a nan", "a 0.5")],
)
def test_assert_prints_fails_on_what_is_wrong(actual, expected):
    with pytest.raises(AssertionError):
        assert_prints(actual, expected)


def test_assert_prints_accepts_rounding():
    assert_prints("x  0.501 (3,)\nanything at all", "x 0.5 (3,)\nany... all")
