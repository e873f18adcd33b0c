"""The package as a whole: what it imports, how its rooms depend on each other, what it exports."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from assertions import exactly

import pycopi
from pycopi.kernels import numba

pytestmark = pytest.mark.libraries
ROOT = Path(pycopi.__file__).parent
TESTS = sorted(Path(__file__).parent.glob("*.py"))

HEAVY = (
    "numba",
    "cupy",
    "torch",
    "jax",
    "dask",
    "sklearn",
    "river",
    "scipy",
    "threadpoolctl",
    "matplotlib",
    "rich",
    "pooch",
    "safetensors",
    "onnx",
    "onnxruntime",
    "skl2onnx",
)

FLOORS = (
    ("_array", "_build", "_files", "_json", "_core"),
    ("_checks", "_control", "_lock", "_tensors", "data"),
    ("_buffers", "_moving", "_targets", "_trees"),
    ("kernels",),
    ("rules", "activations", "config", "_recording"),
    ("losses", "optimizers"),
    ("layers",),
    ("credit",),
    ("network", "settings"),
    ("state",),
    ("analysis", "storage"),
    ("training",),
    ("plotting", "presets"),
    ("_public",),
    ("experiments", "sklearn", "streams"),
    ("export", "river"),
    ("cli",),
    ("__main__",),
)
"""The rooms from the ground up: each may import what is on the floors below it, and itself."""


def test_importing_pycopi_imports_nothing_heavy():
    code = f"import sys, pycopi; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def floor_of(room):
    """Return the floor of a room; any other name is of the public interface, on the floor of training."""
    known = {name: number for number, rooms in enumerate(FLOORS) for name in rooms}
    return known.get(room, known["training"])


def imports_of(path):
    """Return the rooms that a file imports, for its types too."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "pycopi":
            names = [f"pycopi.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        yield from (name.split(".")[1] for name in names if name.startswith("pycopi."))


def files_of(room):
    return [ROOT / f"{room}.py"] if (ROOT / f"{room}.py").exists() else sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", [room for rooms in FLOORS for room in rooms if room != "_core"])
def test_imports_run_downwards(room):
    files = files_of(room)
    assert files
    for path in files:
        for imported in imports_of(path):
            assert imported == room or floor_of(imported) < floor_of(room), f"{path.name} imports {imported}"


def test_kernels_are_called_below_networks_alone():
    """Above, layers propose changes and optimizers make them."""
    above = FLOORS[FLOORS.index(("network", "settings")) :]
    callers = {
        room for rooms in above for room in rooms for path in files_of(room) if "kernels" in imports_of(path)
    }
    assert callers <= {"_public"}  # which hands on a few names


def test_no_file_is_over_400_lines():
    """Each is of one idea: what grows beyond is split."""
    lengths = {path: len(path.read_text().splitlines()) for path in (*TESTS, *ROOT.rglob("*.py"))}
    assert {str(path): lines for path, lines in lengths.items() if lines > 400} == {}


def test_no_test_file_imports_another():
    """What several need is in a helper module, so that any file can be split or run by itself."""
    for path in TESTS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("test_"), f"{path.name} imports {node.module}"


def test_every_room_stands_on_a_floor():
    found = {path.name.partition(".")[0] for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert found - {"__init__", "__pycache__", "py"} <= {room for rooms in FLOORS for room in rooms}


def test_every_public_name_is_there_and_documented():
    assert len(set(pycopi.__all__)) == len(pycopi.__all__)
    for name in set(pycopi.__all__) - {"__version__"}:
        assert getattr(pycopi, name).__doc__, name


def test_every_public_module_is_there_after_one_import():
    """Each in a process of its own, since any test may have imported it."""
    code = (
        "import sys, pycopi\n"
        "modules = ['activations', 'analysis', 'data', 'export', 'plotting', 'presets']\n"
        "early = [name for name in modules if f'pycopi.{name}' in sys.modules]\n"
        "listed = set(modules) <= set(dir(pycopi))\n"
        "there = [getattr(pycopi, name).__name__ for name in modules]\n"
        "print(early, listed, there)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    early, modules = [], ["activations", "analysis", "data", "export", "plotting", "presets"]
    assert found.stdout == f"{early} True {[f'pycopi.{name}' for name in modules]}\n[]\n"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=exactly("module 'pycopi' has no attribute 'dta'")):
        pycopi.dta  # noqa: B018
    assert not hasattr(pycopi, "__wrapped__")


def test_the_wheel_holds_every_module():
    for path in ROOT.rglob("*.py"):
        name = ".".join(("pycopi", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        if path.parent.name == "numba" and not numba.available:
            continue  # of which some import Numba
        library = "river" if path.stem == "river" else path.parent.name
        if library in ("sklearn", "river") and importlib.util.find_spec(library) is None:
            continue
        importlib.import_module(name)


def test_training_works_without_the_c_core():
    """What a pure-Python installation does, shown by hiding the core from the import."""
    code = (
        "import sys; sys.modules['pycopi._core'] = None\n"
        "import numpy as np, pycopi\n"
        "from pycopi.kernels import native\n"
        "x, y = np.eye(4, dtype=np.float32), np.arange(4)\n"
        "network = pycopi.mlp([4, 8, 4])\n"
        "settings = pycopi.Settings(gain=100.0)\n"
        "state = pycopi.fit(network, network.init(0), x, y, epochs=60, settings=settings)\n"
        "print(native.available, state.history[-1].accuracy)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False 1.0\n"
