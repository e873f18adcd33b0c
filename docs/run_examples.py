"""Settings of sphinx-gallery, which runs the programs in examples/ and shows what they print and draw.

The programs run in a copy of the folder, because they write files where they are. One that imports what is not
installed, or calls a compiler that is not there, does not run: its first lines say what it prints.
"""

import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

DOCS = Path(__file__).parent
BUILT = DOCS / "_build" / "examples"
IMPORT = re.compile(r"^ *(?:import|from) (\w+)", re.M)
DRAWS = re.compile(r"Draws (\S+\.png), (.*?)\.(?:\s|$)", re.S)
EXPECTED = re.compile(r"::\n\n(?: {4}.*\n)+")
FIRST = ["digits.py", "stream.py", "sklearn_pipeline.py", "memory_map.py", "shuttle.py", "natural_patches.py"]


def settings() -> dict[str, Any]:
    """Return what ``sphinx_gallery_conf`` is to be."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # or JAX says which others it has not found
    shutil.copytree(DOCS.parent / "examples", BUILT, dirs_exist_ok=True)
    run = [path for path in BUILT.rglob("*.py") if is_runnable(path)]
    for path in run:  # what it prints is below, so that nobody reads it twice
        path.write_text(EXPECTED.sub(".\n", path.read_text(encoding="utf-8"), count=1), encoding="utf-8")
    figure = Figure(figsize=(4, 2.8))
    figure.text(0.5, 0.5, ">_", size=90, color="0.6", family="monospace", ha="center", va="center")
    figure.savefig(BUILT / "no-picture.png")
    return {
        "examples_dirs": str(BUILT),
        "gallery_dirs": "gallery",
        "filename_pattern": rf"/({'|'.join(re.escape(path.name) for path in run)})$",
        "within_subsection_order": "run_examples.order",
        "image_scrapers": ("run_examples.pictures",),
        "default_thumb_file": str(BUILT / "no-picture.png"),
        "abort_on_example_error": True,
        "write_computation_times": False,
        "min_reported_time": 3600,
        "show_signature": False,
        "download_all_examples": False,
    }


def is_runnable(path: Path) -> bool:
    """Return whether everything that a program needs is here."""
    text = path.read_text(encoding="utf-8")
    compiler = '"cc"' not in text or shutil.which("cc") is not None
    return compiler and all(find_spec(name) is not None for name in IMPORT.findall(text))


def pictures(block: tuple, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Return the text that shows the picture a program has drawn, described as its first lines describe it."""
    program = Path(block_vars["src_file"])
    found = DRAWS.search(program.read_text(encoding="utf-8"))
    if found is None or not (program.parent / found[1]).is_file():
        return ""
    path = next(block_vars["image_path_iterator"])
    shutil.move(program.parent / found[1], path)
    return figure_rst([path], gallery_conf["src_dir"], " ".join(found[2].split()))


def order(name: str) -> tuple[int, str]:
    """Return what the programs of a folder are sorted by: some come first, then the others by name."""
    return (FIRST.index(name) if name in FIRST else len(FIRST)), name
