"""Every rule against its plain formula, on every backend, by Hypothesis."""

import numpy as np
import pytest
import reference
from assertions import assert_close, assert_same, exactly, tolerance
from backends import NUMPY
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, SEEDS, batches, rates, sizes

import pycopi

RULES = st.sampled_from(["covariance", "local"])
KAPPA = st.sampled_from([0.0, 0.3, 1.0])


def wide(values):
    return values.astype(np.float64)


def largest(*arrays):
    return max([1.0, *(float(np.max(np.abs(a))) for a in arrays if a.size)])


def copi_step(weight, targets, decorrelated, **how):
    return pycopi.copi_update(weight, targets=targets, decorrelated=decorrelated, **how)


def gradient_step(weight, perturbations, decorrelated, **how):
    return pycopi.gradient_update(weight, perturbations=perturbations, decorrelated=decorrelated, **how)


def decorrelation_step(decorrelator, decorrelated, **how):
    return pycopi.decorrelation_update(decorrelator, decorrelated=decorrelated, **how)


@given(
    m=sizes(0),
    n=sizes(0),
    k=sizes(0, 12),
    seed=SEEDS,
    dtype=DTYPES,
    parts=st.tuples(st.booleans(), st.booleans()),
)
def test_rank_k_is_the_sum_of_its_parts(xp, m, n, k, seed, dtype, parts):
    generator = np.random.default_rng(seed)
    matrix, left, right = (generator.normal(size=shape).astype(dtype) for shape in [(m, n), (k, m), (k, n)])
    rows = generator.normal(size=m).astype(dtype) if parts[0] else None
    columns = generator.normal(size=n).astype(dtype) if parts[1] else None
    scales = {
        name: xp.asarray(values)
        for name, values in {"row_scale": rows, "column_scale": columns}.items()
        if values is not None
    }
    given_matrix = xp.asarray(matrix)

    def update(matrix, left, right, scales):
        return pycopi.rank_k_update(matrix, left, right, scale=-0.7, **scales)

    actual = xp.call(update, given_matrix, xp.asarray(left), xp.asarray(right), scales)
    wanted = reference.rank_k(
        wide(matrix), wide(left), wide(right), -0.7,
        None if rows is None else wide(rows), None if columns is None else wide(columns),
    )  # fmt: skip
    scale = largest(wanted, matrix, left) * largest(right)
    assert_close(actual, wanted, xp, given_matrix, rtol=tolerance(dtype, k + 2), scale=scale)


@given(x=batches(), m=sizes(), rate=rates(), seed=SEEDS, scaled=st.booleans())
def test_copi_is_the_plain_formula(xp, x, m, rate, seed, scaled):
    generator = np.random.default_rng(seed)
    weight = generator.normal(size=(m, x.shape[1])).astype(x.dtype)
    targets = generator.normal(size=(x.shape[0], m)).astype(x.dtype)
    epsilon = 1e-2
    like = xp.asarray(weight)
    actual = xp.call(
        copi_step, like, xp.asarray(targets), xp.asarray(x),
        rate=rate, variance_scaled=scaled, epsilon=epsilon,
    )  # fmt: skip
    wanted = reference.copi(wide(weight), wide(targets), wide(x), rate, epsilon if scaled else None)
    scale = largest(wanted, weight) * largest(x) ** 2 * (1 / epsilon if scaled else 1)
    assert_close(actual, wanted, xp, like, rtol=tolerance(x.dtype, x.shape[0]), scale=scale)


@given(x=batches(), m=sizes(), rate=rates(), seed=SEEDS)
def test_gradient_is_the_plain_formula(xp, x, m, rate, seed):
    generator = np.random.default_rng(seed)
    weight = generator.normal(size=(m, x.shape[1])).astype(x.dtype)
    delta = generator.normal(size=(x.shape[0], m)).astype(x.dtype)
    like = xp.asarray(weight)
    actual = xp.call(gradient_step, like, xp.asarray(delta), xp.asarray(x), rate=rate)
    wanted = wide(weight) + rate / len(x) * wide(delta).T @ wide(x)
    scale = largest(wanted, delta) * largest(x)
    assert_close(actual, wanted, xp, like, rtol=tolerance(x.dtype, x.shape[0]), scale=scale)


@given(x=batches(), rate=rates(), rule=RULES, kappa=KAPPA, seed=SEEDS)
def test_decorrelation_is_the_formula_that_forms_the_covariance(xp, x, rate, rule, kappa, seed):
    n = x.shape[1]
    r = (np.eye(n) + 0.2 * np.random.default_rng(seed).normal(size=(n, n))).astype(x.dtype)
    like = xp.asarray(r)
    actual = xp.call(decorrelation_step, like, xp.asarray(x), rate=rate, rule=rule, whitening=kappa)
    wanted = reference.decorrelation(wide(r), wide(x), rate, rule, kappa)
    scale = largest(wanted) * largest(x) ** 2 * largest(r)
    assert_close(actual, wanted, xp, like, rtol=tolerance(x.dtype, len(x) + n), scale=scale)


@given(n=sizes(1, 6), rate=rates(), rule=RULES, seed=SEEDS)
def test_no_covariance_means_no_update(xp, n, rate, rule, seed):
    generator = np.random.default_rng(seed)
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=float)
    x = np.zeros((4, n))
    x[:, :2] = (signs * generator.uniform(0.5, 2, size=2))[:, :n]  # exactly uncorrelated pairs
    r = np.eye(n) + np.triu(generator.normal(size=(n, n)), 1) * 0.1
    like = xp.asarray(r)
    actual = xp.call(decorrelation_step, like, xp.asarray(x), rate=rate, rule=rule)
    assert_close(actual, r, xp, like, rtol=tolerance(np.float64, 8), scale=largest(x) ** 2)


@pytest.mark.parametrize("rule", ["covariance", "local"])
def test_many_steps_decorrelate(rule, rng):
    mixed = rng.normal(size=(200, 5)) @ (np.eye(5) + 0.6 * rng.normal(size=(5, 5)))
    r = np.eye(5)
    before = pycopi.analysis.off_diagonal_correlation(mixed)
    for _ in range(2000):
        r = decorrelation_step(r, mixed @ r.T, rate=0.02, rule=rule)
    after = pycopi.analysis.off_diagonal_correlation(mixed @ r.T)
    assert before > 0.2
    assert after < 1e-3


def test_full_whitening_brings_the_powers_to_one(rng):
    mixed = rng.normal(size=(200, 4)) @ (np.eye(4) + 0.3 * rng.normal(size=(4, 4)))
    r = np.eye(4)
    for _ in range(3000):
        r = decorrelation_step(r, mixed @ r.T, rate=0.02, whitening=0.5)
    x = mixed @ r.T
    assert_close(x.T @ x / len(x), np.eye(4), NUMPY, r, rtol=1e-6)


@pytest.mark.parametrize("scaled", [False, True])
def test_the_fixed_point_of_copi_is_least_squares(rng, scaled):
    x, _ = np.linalg.qr(rng.normal(size=(60, 4)))  # decorrelated, E[x] not zero
    x = x * np.array([3.0, 5.0, 7.0, 9.0])
    z = x @ rng.normal(size=(4, 3)) + rng.normal(size=(60, 3))
    wanted = np.linalg.lstsq(x, z, rcond=None)[0].T
    weight = np.zeros((3, 4))
    for _ in range(400):
        weight = copi_step(weight, z, x, rate=0.3, variance_scaled=scaled)
    assert_close(weight, wanted, NUMPY, weight, rtol=1e-6)


@given(x=batches(least_rows=2), seed=SEEDS)
def test_the_order_of_a_batch_changes_nothing(xp, x, seed):
    generator = np.random.default_rng(seed)
    n, order = x.shape[1], generator.permutation(len(x))
    weight, z = (
        generator.normal(size=(2, n)).astype(x.dtype),
        generator.normal(size=(len(x), 2)).astype(x.dtype),
    )
    r = np.eye(n, dtype=x.dtype)
    like, rtol = xp.asarray(r), tolerance(x.dtype, 2 * len(x) + n)
    for function, matrix, arrays in [
        (copi_step, weight, (z, x)),
        (gradient_step, weight, (z, x)),
        (decorrelation_step, r, (x,)),
    ]:
        straight, permuted = (
            xp.numpy(xp.call(function, xp.asarray(matrix), *map(xp.asarray, batch), rate=0.1))
            for batch in (arrays, tuple(a[order] for a in arrays))
        )
        assert_close(
            xp.asarray(permuted), wide(straight), xp, like, rtol=rtol, scale=largest(x) ** 2 * largest(z)
        )


UPDATES = {
    "rank_k": lambda m, x, copy: pycopi.rank_k_update(m, x, x, scale=0.1, row_scale=x[0, :], copy=copy),
    "copi": lambda m, x, copy: copi_step(m, x, x, rate=0.1, copy=copy),
    "gradient": lambda m, x, copy: gradient_step(m, x, x, rate=0.1, copy=copy),
    "decorrelation": lambda m, x, copy: decorrelation_step(m, x, rate=0.1, copy=copy),
    "stream": lambda m, x, copy: pycopi.decorrelate_stream(m, x, rate=0.1, copy=copy)[1],
}


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
@pytest.mark.parametrize("copy", [True, None, False])
@pytest.mark.parametrize("engine", ["portable", "native"])
def test_copy_has_the_meaning_of_array_api_extra(update, copy, engine, rng):
    if engine == "native":
        pytest.importorskip("pycopi._core")
    matrix, x = rng.normal(size=(4, 4)), rng.normal(size=(6, 4))
    kept, kept_x = matrix.copy(), x.copy()
    with pycopi.use_engine(engine):
        wanted = update(matrix.copy(), x, True)
        updated = update(matrix, x, copy)
    assert_same(updated, wanted)
    assert_same(x, kept_x)
    if copy is True:
        assert_same(matrix, kept)
    if copy is False:
        assert updated is matrix


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
def test_inputs_stay_as_they_are(eager, update, rng):
    matrix, x = rng.normal(size=(4, 4)), rng.normal(size=(6, 4))
    given_matrix, given_x = eager.asarray(matrix), eager.asarray(x)
    update(given_matrix, given_x, True)
    assert_same(eager.numpy(given_matrix), matrix)
    assert_same(eager.numpy(given_x), x)


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
def test_a_read_only_matrix_is_copied_or_refused(update, rng):
    matrix, x = rng.normal(size=(4, 4)), rng.normal(size=(6, 4))
    name = "decorrelator" if update is UPDATES["stream"] else "matrix"
    wanted = update(matrix.copy(), x, True)
    matrix.flags.writeable = False
    assert_same(update(matrix, x, None), wanted)
    message = (
        f"{name} cannot be changed in place, as copy=False asks: it is a read-only numpy array; "
        f"pass copy=None or copy=True"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        update(matrix, x, False)


W, X, Z = np.ones((2, 3)), np.ones((5, 3)), np.ones((5, 2))
NAN = np.where(np.arange(15).reshape(5, 3) == 7, np.nan, 1.0)

REFUSED = {
    "shape": (
        lambda: decorrelation_step(np.eye(3), np.ones((5, 4)), rate=0.1),
        ValueError,
        "decorrelator has shape (3, 3) but decorrelated has 4 features; expected (4, 4)",
    ),
    "rows": (
        lambda: copi_step(W, Z[:4], X, rate=0.1),
        ValueError,
        "targets has shape (4, 2) but decorrelated has 5 rows and weight 2 rows; expected (5, 2)",
    ),
    "rank": (
        lambda: gradient_step(W[0], Z, X, rate=0.1),
        ValueError,
        "weight has shape (3,) but it must be a matrix; expected (any, any)",
    ),
    "scale": (
        lambda: pycopi.rank_k_update(W, Z, X, column_scale=np.ones(2)),
        ValueError,
        "column_scale has shape (2,) but matrix has shape (2, 3); expected (3,)",
    ),
    "dtype": (
        lambda: copi_step(W, Z.astype(np.float32), X, rate=0.1),
        TypeError,
        (
            "targets has dtype float32 but weight has float64; "
            "convert one of them, as in xp.astype(targets, weight.dtype)"
        ),
    ),
    "integers": (
        lambda: pycopi.rank_k_update(W.astype(int), Z, X),
        TypeError,
        "matrix has dtype int64; expected a real floating dtype such as float32",
    ),
    "list": (
        lambda: pycopi.decorrelate_stream(np.eye(3), [[1.0, 2.0, 3.0]], rate=0.1),
        TypeError,
        (
            "inputs is a list; expected an array of a library that follows the array API standard "
            "(NumPy, CuPy, JAX, PyTorch, ...): convert it first, as in numpy.asarray(inputs)"
        ),
    ),
    "nan": (
        lambda: decorrelation_step(np.eye(3), NAN, rate=0.1),
        ValueError,
        (
            "decorrelated has nan at row 2 (1 such values in the block read); "
            "expected finite numbers: remove or fill them first"
        ),
    ),
    "infinity": (
        lambda: copi_step(W, np.full_like(Z, np.inf), X, rate=0.1),
        ValueError,
        (
            "targets has inf at row 0 (10 such values in the block read); "
            "expected finite numbers: remove or fill them first"
        ),
    ),
    "empty": (
        lambda: copi_step(W, Z[:0], X[:0], rate=0.1),
        ValueError,
        "decorrelated has no rows; expected a batch of at least one sample",
    ),
    "rate": (
        lambda: copi_step(W, Z, X, rate=-0.1),
        ValueError,
        "rate is -0.1; expected a finite number of at least 0",
    ),
    "rate kind": (
        lambda: copi_step(W, Z, X, rate="fast"),
        TypeError,
        "rate is a str; expected a number",
    ),
    "whitening": (
        lambda: decorrelation_step(np.eye(3), X, rate=0.1, whitening=1.5),
        ValueError,
        "whitening is 1.5; expected a finite number of at least 0 and at most 1",
    ),
    "rule": (
        lambda: decorrelation_step(np.eye(3), X, rate=0.1, rule="global"),
        ValueError,
        "rule is 'global'; expected one of covariance, local",
    ),
    "block": (
        lambda: pycopi.decorrelate_stream(np.eye(3), X, rate=0.1, block_size=0),
        ValueError,
        "block_size is 0; expected a whole number of at least 1",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_bad_arguments_are_named(case):
    call, kind, message = case
    with pytest.raises(kind, match=exactly(message)):
        call()


def test_mixed_libraries_and_devices_are_refused():
    strict = pytest.importorskip("array_api_strict")
    here, there = (strict.asarray(W, device=strict.Device(name)) for name in ("CPU_DEVICE", "device1"))
    with pytest.raises(TypeError, match="targets is a numpy array but weight is a array_api_strict array"):
        copi_step(here, Z, X, rate=0.1)
    with pytest.raises(ValueError, match=r"left is on device .*device1.* but matrix is on .*CPU_DEVICE"):
        pycopi.rank_k_update(here, there, here)


@pytest.mark.parametrize("update", [pycopi.copi_update, pycopi.gradient_update, pycopi.decorrelation_update])
def test_no_rule_takes_its_batches_by_their_places(update):
    """On a square layer, or with as many rows as features, nothing else would tell swapped ones apart."""
    square = np.eye(3)
    batches = (square,) * (1 if update is pycopi.decorrelation_update else 2)
    with pytest.raises(TypeError, match=rf"{update.__name__}\(\) takes 1 positional argument but .* given"):
        update(square, *batches, rate=0.1)
