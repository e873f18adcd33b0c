"""The CuPy engine without a GPU: its kernels compile, and do on the host what they should.

Their CUDA source is compiled by nvcc, and once more as C++, with a loop over blocks and threads around it, so
that the engine's own code can run on NumPy arrays; cuBLAS is replaced by NumPy.
"""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
from assertions import assert_close, exactly, tolerance
from backends import NUMPY
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import DTYPES, SEEDS

from pycopi.kernels import Bound, RankK, portable
from pycopi.kernels import cupy as engine

NVCC, COMPILER = shutil.which("nvcc"), shutil.which("c++")
SIZES = st.one_of(st.integers(0, 5), st.sampled_from([255, 256, 257]))
HARNESS = """
#include <cmath>
#define __global__
#define __shared__ static
#define __syncthreads()
using std::sqrt;
struct triple { long long x, y; };
static triple blockIdx, threadIdx, gridDim, blockDim;
#include "SOURCE"
extern "C" void run_update(long long across, long long down, long long threads, REAL *out, const REAL *matrix,
                    const REAL *left, const REAL *right, REAL scale, const REAL *rows, const REAL *columns,
                    long long m, long long n, long long k)
{
    gridDim = {across, down}, blockDim = {threads, 1};
    for (blockIdx.y = 0; blockIdx.y < down; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < across; blockIdx.x++)
            for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++)
                update(out, matrix, left, right, scale, rows, columns, m, n, k);
}
extern "C" void run_move(long long across, REAL *out, REAL *taken, const REAL *matrix, const REAL *step,
                         REAL kept, const REAL *kept_there, REAL times, const REAL *least, long long m,
                         long long n)
{
    gridDim = {across, 1}, blockDim = {1, 1}, threadIdx = {0, 0};
    for (blockIdx.x = 0; blockIdx.x < across; blockIdx.x++)
        move(out, taken, matrix, step, kept, kept_there, times, least, m, n);
}
"""


@pytest.mark.skipif(NVCC is None, reason="nvcc is not installed")
@pytest.mark.parametrize("name", engine.TYPES.values())
def test_the_kernels_compile(name, tmp_path):
    command = [NVCC, "--ptx", "-arch=sm_75", f"-DREAL={name}", "-o", tmp_path / "update.ptx", engine.SOURCE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / "update.ptx").read_text()
    assert ".entry update(" in text
    assert ".entry move(" in text


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """The kernels as functions that launch them on the host, by name and dtype."""
    if COMPILER is None:
        pytest.skip("c++ is not installed")
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "harness.cc").write_text(HARNESS.replace("SOURCE", str(engine.SOURCE)))
    functions = {}
    for dtype, name in engine.TYPES.items():
        library = folder / f"{dtype}.so"
        command = [COMPILER, "-O1", "-shared", "-fPIC", f"-DREAL={name}", "-o", library, folder / "harness.cc"]
        subprocess.run(command, check=True)
        loaded, number = ctypes.CDLL(str(library)), getattr(ctypes, f"c_{name}")
        pointer, size = ctypes.c_void_p, ctypes.c_longlong
        update = [size] * 3 + [pointer] * 4 + [number] + [pointer] * 2 + [size] * 3
        move = [size] + [pointer] * 4 + [number, pointer, number, pointer] + [size] * 2
        functions["update", dtype] = launcher(loaded.run_update, update)
        functions["move", dtype] = launcher(loaded.run_move, move)
    return functions


def launcher(function, kinds):
    """Return what is called as CuPy's kernels are; a block that works together has one thread here."""
    function.argtypes, function.restype = kinds, None

    def launch(grid, block, arguments):
        values = [a.ctypes.data if isinstance(a, np.ndarray) else a.item() for a in arguments]
        function(*grid, *(block if len(grid) > 1 else ()), *values)

    return launch


def test_arrays_of_other_libraries_are_not_taken():
    assert not engine.accepts(np.ones((2, 2)))


def add_product(out, left, right, scale):
    out += scale * (left.T @ right)


def assert_agree(results, expected, dtype, terms):
    for actual, wanted in zip(results, expected, strict=True):
        assert (actual is None) == (wanted is None)
        if wanted is not None:
            assert_close(actual, wanted, NUMPY, np.empty(0, dtype), rtol=tolerance(dtype, terms))


def wide(part):
    if isinstance(part, RankK):
        return RankK(*map(wide, part))
    return part.astype(np.float64) if isinstance(part, np.ndarray) else part


@pytest.fixture(scope="module")
def patched(host):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_kernel", lambda *key: host[key])
        patch.setattr(engine, "accepts", lambda matrix: matrix.flags.c_contiguous)
        patch.setattr(engine, "_add_product", add_product)
        yield


@pytest.mark.usefixtures("patched")
@given(
    m=SIZES, n=SIZES, k=st.sampled_from([0, 1, 3, 16, 17, 20]), dtype=DTYPES, seed=SEEDS,
    scales=st.sampled_from(["", "r", "c", "rc"]), copy=st.sampled_from([True, None, False]),
)  # fmt: skip
def test_updates_agree(m, n, k, dtype, seed, scales, copy):
    generator = np.random.default_rng(seed)
    draw = lambda *shape: generator.uniform(-1, 1, shape).astype(dtype)  # noqa: E731
    matrix, left, right = draw(m, n), draw(k, m), draw(k, 2 * n)[:, ::2]
    rows, columns = draw(m) if "r" in scales else None, draw(n) if "c" in scales else None
    update = RankK(left, right, 0.75, rows, columns)
    expected = portable.rank_k_update(wide(matrix), wide(update), True)
    before = matrix.copy()
    result = engine.rank_k_update(matrix, update, copy)
    assert_agree([result], [expected], dtype, k + 4)
    assert (result is matrix) == (copy is not True)
    if copy is True:
        np.testing.assert_array_equal(matrix, before)


@pytest.mark.usefixtures("patched")
@given(
    m=SIZES, n=SIZES, dtype=DTYPES, seed=SEEDS, updated=st.booleans(), asked=st.booleans(), copy=st.booleans()
)
def test_single_samples_agree(m, n, dtype, seed, updated, asked, copy):
    generator = np.random.default_rng(seed)
    draw = lambda *shape: generator.uniform(-1, 1, shape).astype(dtype)  # noqa: E731
    change = RankK(draw(1, m), draw(1, n), -0.5, draw(m), None) if updated else None
    matrix, sample, vector = draw(m, n), draw(n), draw(m) if asked else None
    expected = portable.update_then_project(wide(matrix), wide(change), wide(sample), asked, True)
    results = engine.update_then_project(matrix.copy(), change, sample, asked, copy)
    assert_agree(results, expected, dtype, 4 * (m + n))
    expected = portable.pull_then_update(wide(matrix), wide(vector), wide(change), True)
    assert_agree(engine.pull_then_update(matrix, vector, change, copy), expected, dtype, 4 * (m + n))


@pytest.mark.usefixtures("patched")
@given(m=SIZES, n=SIZES, k=st.integers(0, 20), dtype=DTYPES, seed=SEEDS)
def test_a_scale_that_is_on_the_device_agrees(m, n, k, dtype, seed):
    generator = np.random.default_rng(seed)
    draw = lambda *shape: generator.uniform(-1, 1, shape).astype(dtype)  # noqa: E731
    matrix, change = draw(m, n), RankK(draw(k, m), draw(k, n), np.asarray(0.75, dtype), draw(m), None)
    expected = portable.rank_k_update(wide(matrix), wide(change), True)
    assert_agree([engine.rank_k_update(matrix, change, True)], [expected], dtype, k + 4)


@pytest.mark.usefixtures("patched")
@given(
    m=SIZES, n=SIZES, dtype=DTYPES, seed=SEEDS, times=st.sampled_from([None, 0.0, 0.1, 1e3]),
    there=st.booleans(), copy=st.sampled_from([True, None, False]),
)  # fmt: skip
@example(m=3, n=257, dtype="float32", seed=0, times=0.1, there=False, copy=None)
def test_bounded_steps_agree(m, n, dtype, seed, times, there, copy):
    generator = np.random.default_rng(seed)
    draw = lambda *shape: generator.uniform(-1, 1, shape).astype(dtype)  # noqa: E731
    matrix, step, least = draw(m, n), draw(m, n), np.asarray([0.2], dtype)
    kept = np.asarray(0.9, dtype) if there else 0.9
    bound = None if times is None else Bound(times, least)
    expected = portable.add_bounded(wide(matrix), wide(step), 0.9, bound and Bound(times, wide(least)), True)
    before = matrix.copy()
    results = engine.add_bounded(matrix, step.copy(), kept, bound, copy)
    assert_agree(results, expected, dtype, n + 4)
    assert (results[0] is matrix) == (copy is not True)
    if copy is True:
        np.testing.assert_array_equal(matrix, before)


def test_plans():
    assert engine.plan(8, scaled=True, overwrite=False) == engine.Plan(8, False, False)
    assert engine.plan(16, scaled=False, overwrite=False) == engine.Plan(16, False, False)
    assert engine.plan(1, scaled=False, overwrite=True) == engine.Plan(None, False, True)
    assert engine.plan(17, scaled=True, overwrite=True) == engine.Plan(0, False, True)
    assert engine.plan(17, scaled=False, overwrite=False) == engine.Plan(None, True, True)
    assert engine.grid((17, 257)) == ((2, 3), (256,))
    assert engine.grid((50000, 1)) == ((1, 1024), (256,))


@pytest.mark.usefixtures("patched")
def test_what_may_not_be_overwritten_is_refused():
    matrix = np.ones((2, 2))
    matrix.flags.writeable = False
    message = "matrix cannot be changed in place, as copy=False asks: it is a read-only numpy array"
    with pytest.raises(ValueError, match=exactly(f"{message}; pass copy=None or copy=True")):
        engine.rank_k_update(matrix, RankK(np.ones((1, 2)), np.ones((1, 2)), 1.0), False)
