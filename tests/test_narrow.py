"""bfloat16 and float16: parameters of 16 bits learn, and what is summed over a batch has at least 32."""

import importlib
import importlib.util
from typing import Any, NamedTuple

import numpy as np
import pytest
from assertions import assert_same, within

import pycopi
from pycopi._array import from_numpy, to_numpy
from pycopi.data import load_dataset
from pycopi.kernels import RankK, portable
from pycopi.losses import LOSSES
from pycopi.rules.power import mean_square
from pycopi.rules.stability import largest_power

NETWORK = pycopi.mlp([6, 5, 3], bias=True)
CLASSES = np.arange(40) % 3
X = np.random.default_rng(7).random((40, 6), np.float32)
SETTINGS = pycopi.Settings(rate=1e-2, gain=10.0, decorrelation=pycopi.Decorrelation(rate=1e-2))


class Narrow(NamedTuple):
    """A library with a dtype of 16 bits; an array of it has the name ``like``."""

    library: str
    name: str
    like: Any

    def array(self, values: np.ndarray) -> Any:
        """Return NumPy values in the dtype of 16 bits."""
        return from_numpy(values, self.like, dtype=self.like.dtype)

    def init(self, network: pycopi.Network) -> pycopi.network.Parameters:
        return network.init(0, like=self.like)


KINDS = (("numpy", "float16"), ("torch", "float16"), ("torch", "bfloat16"), ("jax", "bfloat16"))


@pytest.fixture(params=KINDS, ids="-".join)
def narrow(request):
    library, name = request.param
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    module = importlib.import_module("jax.numpy" if library == "jax" else library)
    return Narrow(library, name, module.zeros(1, dtype=getattr(module, name)))


@pytest.fixture
def bfloat(narrow):
    if narrow.name != "bfloat16":
        pytest.skip("NumPy has this dtype")
    return narrow


def every_form(narrow: Narrow, classes: np.ndarray, outputs: int) -> dict[str, Any]:
    """Return the same classes in each form that targets may have, on the library of the parameters."""
    rows = np.eye(outputs)[classes]
    return {
        "class numbers": from_numpy(classes.astype(np.int32), narrow.like),
        "whole numbers": from_numpy(rows.astype(np.int32), narrow.like),
        "booleans": from_numpy(rows.astype(bool), narrow.like),
        "real numbers": narrow.array(rows),
    }


def assert_same_parameters(found, wanted):
    for own, other in zip(found, wanted, strict=True):
        for name, array in own.named().items():
            assert_same(to_numpy(array), to_numpy(other.named()[name]))


@pytest.mark.parametrize("loss", list(LOSSES))
def test_targets_of_every_form_teach_the_same(narrow, loss):
    settings = pycopi.Settings(rate=1e-2, gain=10.0, loss=loss, step_bound=0.5)
    start, x = narrow.init(NETWORK), narrow.array(X)
    forms = every_form(narrow, CLASSES, 3)
    for rows in (slice(0, 40), slice(0, 1)):
        wanted = pycopi.train_step(NETWORK, start, x[rows], forms["class numbers"][rows], settings)
        for targets in forms.values():
            found = pycopi.train_step(NETWORK, start, x[rows], targets[rows], settings)
            assert_same_parameters(found[0], wanted[0])
            assert_same(to_numpy(found[1].loss), to_numpy(wanted[1].loss))
            assert found[0][0].weight.dtype == narrow.like.dtype
            assert to_numpy(found[1].loss).dtype == to_numpy(found[1].accuracy).dtype == np.float32


def test_fit_and_evaluate_take_targets_of_every_form(narrow):
    start, x = narrow.init(NETWORK), narrow.array(X)
    how = {"epochs": 2, "batch_size": 20, "seed": None, "settings": SETTINGS}
    forms = every_form(narrow, CLASSES, 3)
    wanted = pycopi.fit(NETWORK, start, x, forms.pop("class numbers"), **how)
    for targets in forms.values():
        batches = [(x[:20], targets[:20]), (x[20:], targets[20:])]
        state = pycopi.fit(NETWORK, start, batches, validation=(x, targets), **how)
        last = state.history[-1]
        assert_same_parameters(state.parameters, wanted.parameters)
        assert last.accuracy == wanted.history[-1].accuracy
        assert pycopi.evaluate(NETWORK, state.parameters, x, targets)[:2] == (
            last.validation_loss, last.validation_accuracy
        )  # fmt: skip


def test_real_targets_are_learned(narrow):
    network = pycopi.mlp([6, 8, 1], bias=True)
    x, targets = narrow.array(X), narrow.array(X[:, 0] - X[:, 1])
    start = narrow.init(network)
    before = pycopi.evaluate(network, start, x, targets)
    state = pycopi.fit(network, start, x, targets, epochs=20, batch_size=10, settings=SETTINGS)
    after = pycopi.evaluate(network, state.parameters, x, targets)
    assert after.accuracy is None
    assert after.loss < 0.2 * before.loss


@pytest.mark.parametrize("rule", ["copi", "gradient", "adam"])
def test_digits_are_learned(narrow, rule):
    if rule == "adam" and narrow.name == "float16":
        pytest.skip("refused, see below")
    if rule != "copi" and narrow.library == "jax":
        pytest.skip("one rule is enough of what takes JAX so long to compile")
    digits = load_dataset("digits")
    network = pycopi.mlp([64, 32, 10])
    rate, gain = (1e-3, 1.0) if rule == "adam" else (1e-2, 100.0)
    settings = pycopi.Settings(rule=rule, rate=rate, gain=gain, decorrelation=pycopi.Decorrelation(rate=1e-2))
    state = pycopi.fit(
        network, narrow.init(network), narrow.array(digits.x_train[:1400]),
        from_numpy(digits.y_train[:1400], narrow.like), epochs=4, batch_size=20, settings=settings,
    )  # fmt: skip
    found = pycopi.evaluate(
        network, state.parameters, narrow.array(digits.x_test), from_numpy(digits.y_test, narrow.like)
    )
    assert found.accuracy > (0.8 if rule == "adam" else 0.93)


def test_adam_is_refused_where_squares_of_gradients_would_be_0(narrow):
    if narrow.name == "bfloat16":
        pytest.skip("bfloat16 has the range of float32")
    settings = pycopi.Settings(rule="adam", gain=1.0)
    start = pycopi.start(NETWORK, settings, like=narrow.like)
    classes = from_numpy(CLASSES, narrow.like)
    with pytest.raises(TypeError, match=within("in which the squares of small gradients are 0")):
        pycopi.train_step(NETWORK, start, narrow.array(X), classes, settings)


def test_losses_of_many_outputs_have_32_bits(narrow):
    rng = np.random.default_rng(3)
    values = to_numpy(narrow.array(rng.normal(size=(4, 3000)))).astype(np.float64)
    wanted = np.eye(3000)[[5, 6, 7, 2999]]
    log_softmax = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
    known = {
        "squared_error": 0.5 * ((wanted - values) ** 2).sum(axis=1),
        "cross_entropy": -(wanted * log_softmax).sum(axis=1),
    }
    for name, expected in known.items():
        found = to_numpy(LOSSES[name].value(narrow.array(values), narrow.array(wanted)))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_softmax_of_many_outputs_sums_to_1(narrow):
    logits = narrow.array(np.zeros((1, 100_000), np.float32))
    targets = narrow.array(np.zeros((1, 100_000), np.float32))
    error = LOSSES["cross_entropy"].error(logits, targets, pycopi.activations.Identity())
    assert error.dtype == logits.dtype
    np.testing.assert_allclose(to_numpy(error).astype(np.float64), -1e-5, rtol=2e-2)


def test_sums_over_a_batch_do_not_overflow(narrow):
    rows = np.zeros((100, 2), np.float32)
    rows[0] = 500.0  # whose square is beyond float16
    power = mean_square(narrow.array(rows))
    assert power.dtype == narrow.like.dtype
    np.testing.assert_allclose(to_numpy(power), 2500.0, rtol=1e-2)
    few = narrow.array(rows[:50] / 2.0)
    largest = largest_power(few, mean_square(few))
    assert largest.dtype == narrow.like.dtype
    np.testing.assert_allclose(to_numpy(largest), 2 * 250.0**2 / 50, rtol=1e-2)
    left, right = narrow.array(np.full((50, 2), 1000.0)), narrow.array(np.full((50, 3), 2.0))
    matrix = narrow.array(np.ones((2, 3)))
    found = portable.rank_k_update(matrix, RankK(left, right, 1e-3), True)
    np.testing.assert_allclose(to_numpy(found), 101.0, rtol=1e-2)


def test_float32_in_host_memory_becomes_bfloat16(bfloat):
    start, x = bfloat.init(NETWORK), bfloat.array(X)
    rows = np.eye(3, dtype=np.float32)[CLASSES]
    classes = from_numpy(CLASSES.astype(np.int32), bfloat.like)
    assert_same(to_numpy(NETWORK.predict(start, X)), to_numpy(NETWORK.predict(start, x)))
    assert pycopi.evaluate(NETWORK, start, X, rows) == pycopi.evaluate(NETWORK, start, x, classes)
    frozen = pycopi.Schedule(freeze_after=1)
    for keep in (False, True):
        how = {"epochs": 3, "settings": SETTINGS, "decorrelation_schedule": frozen, "keep_decorrelated": keep}
        wanted = pycopi.fit(NETWORK, start, x, classes, **how).parameters
        for targets in (CLASSES, rows) if keep else (rows.astype(bool),):
            found = pycopi.fit(NETWORK, start, X, targets, **how).parameters
            assert_same_parameters(found, wanted)
    batches = [(X[:20], rows[:20]), (X[20:], rows[20:])]
    found = pycopi.fit(NETWORK, start, batches, epochs=2, settings=SETTINGS).parameters
    wanted = pycopi.fit(
        NETWORK, start, x, classes, epochs=2, batch_size=20, seed=None, settings=SETTINGS
    ).parameters
    assert_same_parameters(found, wanted)


def test_dask_arrays_of_float32_become_bfloat16(bfloat):
    dask = pytest.importorskip("dask.array")
    lazy, classes = dask.from_array(X, chunks=(16, 6)), dask.from_array(CLASSES, chunks=16)
    start = bfloat.init(NETWORK)
    how = {"epochs": 2, "batch_size": 16, "settings": SETTINGS}
    found = pycopi.fit(NETWORK, start, lazy, classes, **how).parameters
    assert_same_parameters(found, pycopi.fit(NETWORK, start, X, CLASSES, **how).parameters)


def test_values_of_bfloat16_come_to_numpy_as_float32(bfloat):
    values = np.array([1.0, -0.0, 2.0**-130, 3.140625, np.inf], np.float32)
    assert_same(to_numpy(bfloat.array(values)), values)


def test_other_dtypes_in_host_memory_are_refused_with_one_that_is_taken(narrow):
    if narrow.library == "numpy":
        pytest.skip("the arrays' own library")
    taken = "float32" if narrow.name == "bfloat16" else "float16"
    start = narrow.init(NETWORK)
    for wrong in {"float16", "float32", "float64"} - {taken}:
        with pytest.raises(TypeError, match=within(taken)):
            pycopi.fit(NETWORK, start, X.astype(wrong), CLASSES, epochs=1)
        with pytest.raises(TypeError, match=within(taken)):
            pycopi.fit(NETWORK, start, X.astype(taken), np.eye(3, dtype=wrong)[CLASSES], epochs=1)
    pycopi.fit(NETWORK, start, X.astype(taken), np.eye(3, dtype=taken)[CLASSES], epochs=1)


def test_real_targets_of_another_dtype_are_refused(narrow):
    start, x = narrow.init(NETWORK), narrow.array(X)
    targets = from_numpy(X[:, :3], narrow.like, dtype=to_namespace(narrow).float32)
    with pytest.raises(TypeError, match=r"^targets .*float32.* but parameters ha"):
        pycopi.train_step(NETWORK, start, x, targets, SETTINGS)


def to_namespace(narrow):
    return importlib.import_module("jax.numpy" if narrow.library == "jax" else narrow.library)
