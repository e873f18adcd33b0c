"""What JAX alone can be asked: arrays over several devices, and its own checks of shapes and values."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("jax")

SETUP = """
import warnings
import numpy as np
import jax
import pycopi

warnings.simplefilter("error")
jax.config.update("jax_numpy_rank_promotion", "raise")
x = np.random.default_rng(0).random((32, 6), np.float32)
y = np.arange(32) % 3
network = pycopi.mlp([6, 5, 3], bias=True)
settings = pycopi.Settings(rate=1e-2, gain=10.0, step_bound=0.5)
start = network.init(0, like=jax.numpy.zeros(1, "float32"))
one = jax.numpy.asarray(x), jax.numpy.asarray(y)

def difference(found, wanted):
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True)
    return max(float(np.max(np.abs(np.asarray(a) - np.asarray(b)))) for a, b in pairs)
"""

SPREAD = """
from jax.sharding import Mesh, NamedSharding, PartitionSpec

mesh = Mesh(np.array(jax.devices()), ("rows",))
spread = [jax.device_put(array, NamedSharding(mesh, PartitionSpec("rows"))) for array in (x, y)]
copies = jax.device_put(start, NamedSharding(mesh, PartitionSpec()))
assert len(spread[0].devices()) == 2
"""


def python(code, *, devices=1, **environment):
    """Return what a program prints in a process of its own, where JAX has so many devices."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    found = subprocess.run(
        [sys.executable, "-c", SETUP + code],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def assert_zeros(printed, count):
    """Check that so many lines of numbers are 0 to rounding."""
    numbers = [float(line) for line in printed.splitlines()]
    assert len(numbers) == count
    np.testing.assert_allclose(numbers, 0.0, atol=1e-6)


def test_a_batch_over_two_devices_is_learned_from_as_on_one():
    code = """
found, metrics = pycopi.train_step(network, copies, *spread, settings)
wanted, known = pycopi.train_step(network, start, *one, settings)
print(difference((found, metrics), (wanted, known)))
how = dict(epochs=2, batch_size=32, settings=settings)
found = pycopi.fit(network, copies, *spread, validation=tuple(spread), **how)
wanted = pycopi.fit(network, start, *one, validation=one, **how)
print(difference(found.parameters, wanted.parameters))
print(abs(found.history[-1].validation_loss - wanted.history[-1].validation_loss))
print(len(found.parameters[0].weight.devices()) - 2)
"""
    assert_zeros(python(SPREAD + code, devices=2), 4)


def test_a_batch_over_two_devices_is_evaluated_and_analysed_as_on_one():
    code = """
print(abs(pycopi.evaluate(network, copies, *spread).loss - pycopi.evaluate(network, start, *one).loss))
print(difference(network.predict(copies, spread[0]), network.predict(start, one[0])))
print(difference(network.init(0, like=spread[0]), start))
pairs = (copies, spread), (start, one)
fields = [pycopi.analysis.receptive_fields(network, p, d[0], layer=2) for p, d in pairs]
print(difference(*fields))
"""
    assert_zeros(python(SPREAD + code, devices=2), 4)


def test_a_batch_on_other_devices_than_the_parameters_is_refused():
    code = """
try:
    pycopi.train_step(network, start, *spread, settings)
except ValueError as error:
    print(error)
"""
    expected = "inputs is on device .*cpu.*0, .*cpu.*1 but parameters is on .*cpu.*0; move them to one device\n"
    assert re.fullmatch(expected, python(SPREAD + code, devices=2))


def test_nothing_is_nan_on_the_way():
    """``jax_debug_nans`` stops at the first NaN that any operation makes, one that is masked later included."""
    code = """
jax.config.update("jax_debug_nans", True)
zeros = x.copy()
zeros[:, 2] = 0.0
rule = pycopi.COPI(variance_scaled=True)
how = pycopi.Settings(loss="cross_entropy", rate=1e-3, gain=1.0, step_bound=0.5, rule=rule)
state = pycopi.fit(network, start, jax.numpy.asarray(zeros), one[1], epochs=2, batch_size=16, settings=how)
print(np.isfinite(state.history[-1].loss))
"""
    assert python(code) == "True\n"


def test_a_compiled_step_moves_nothing_between_host_and_device():
    code = """
step = jax.jit(pycopi.train_step, static_argnames=("network", "settings"))
rates = jax.device_put(pycopi.Rates(1e-2, 1e-2))
step(network, start, *one, settings, rates)
with jax.transfer_guard("disallow"):
    found, _ = step(network, start, *one, settings, rates)
wanted, _ = pycopi.train_step(network, start, *one, settings, pycopi.Rates(1e-2, 1e-2))
print(difference(found, wanted) < 1e-6)
"""
    assert python(code) == "True\n"


@pytest.mark.parametrize("wide", [False, True])
def test_parameters_keep_their_dtype_with_and_without_float64(wide):
    code = f"""
jax.config.update("jax_enable_x64", {wide})
for like in (jax.numpy.zeros(1, "float32"), jax.numpy.zeros(1, "float64" if {wide} else "float32")):
    data = jax.numpy.asarray(x, like.dtype), jax.numpy.asarray(y)
    state = pycopi.fit(network, network.init(0, like=like), *data, epochs=2, batch_size=16, settings=settings)
    print({{str(leaf.dtype) for leaf in jax.tree.leaves(state.parameters)}} == {{str(like.dtype)}})
"""
    assert python(code) == "True\nTrue\n"
