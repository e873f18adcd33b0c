"""What is in the repository but not in the package, for tests that run where it is."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


def benchmark(name: str) -> ModuleType:
    """Return a module of the benchmarks; the tests of the importing file are skipped without them."""
    if not (ROOT / "benchmarks" / "__init__.py").is_file():
        pytest.skip("the benchmarks are not here, only the tests", allow_module_level=True)
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))  # at the end: the installed package is found first
    return importlib.import_module(f"benchmarks.{name}")
