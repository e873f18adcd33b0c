"""The transformer: rows that it has not seen are uncorrelated, and nothing of what they were is lost."""

import pickle

import numpy as np
import pytest
from assertions import within

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pycopi.sklearn import Decorrelator
from pycopi.sklearn.moments import moments_of
from pycopi.sklearn.shrinkage import linear_share, shrunk


def correlated(rng, rows, features):
    return rng.normal(size=(rows, features)) @ rng.normal(size=(features, features)) + 5.0


def awkward(rng, rows):
    """Return 10 columns of many units, and 10 more: a constant, 3 copies, a sum, zeros, 4 that are one-hot."""
    plain = correlated(rng, rows, 10) * 10.0 ** np.arange(-5, 5)
    one_hot = np.eye(4)[rng.integers(0, 4, rows)]
    rest = [np.full((rows, 1), 0.1), plain[:, :3], plain[:, [8]] + plain[:, [9]], np.zeros((rows, 1))]
    return np.hstack([plain, *rest, one_hot])


def assert_uncorrelated(rows, learned, *, white):
    """Compare second moments of held-out rows with a diagonal, or the identity, to the accuracy of sampling.

    An entry that is 0 has a standard deviation of 1 / sqrt(N) from N rows, once for those learned from.
    """
    moments = rows.T @ rows / len(rows)
    power = np.diagonal(moments)
    live = power > 0
    spread = np.sqrt(power[live])
    off = moments[np.ix_(live, live)] / np.outer(spread, spread) - np.eye(live.sum())
    error = np.abs(off).max() if not white else np.abs(moments[np.ix_(live, live)] - np.eye(live.sum())).max()
    bound = 6.0 * np.sqrt((2.0 if white else 1.0) * (1.0 / len(rows) + 1.0 / learned))
    if not error < bound:
        msg = f"an entry is off by {error:.3g}, beyond {bound:.3g}"
        raise AssertionError(msg)


@pytest.mark.parametrize("white", [False, True])
def test_the_assertion_fails_on_what_is_correlated(rng, white):
    with pytest.raises(AssertionError):
        assert_uncorrelated(correlated(rng, 1000, 5), 1000, white=white)
    if white:
        with pytest.raises(AssertionError):
            assert_uncorrelated(2.0 * rng.normal(size=(1000, 5)), 1000, white=True)


@pytest.mark.parametrize("white", [False, True])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("shrinkage", ["auto", 0.0])
def test_held_out_rows_are_uncorrelated(rng, white, center, shrinkage):
    x = correlated(rng, 4000, 20)
    model = Decorrelator(whiten=white, center=center, shrinkage=shrinkage).fit(x[:2000])
    assert_uncorrelated(model.transform(x[2000:]), 2000, white=white)
    left, floor = model.correlation_left(x[2000:])
    assert left < 2.0 * floor
    assert floor == pytest.approx(np.sqrt(2 / np.pi / 2000))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("white", [False, True])
def test_columns_that_others_determine_give_nothing_and_come_back(rng, white, dtype):
    x = awkward(rng, 4000).astype(dtype)
    model = Decorrelator(whiten=white).fit(x[:2000])
    rows = model.transform(x[2000:])
    assert rows.dtype == dtype
    assert np.flatnonzero((rows == 0).all(axis=0)).tolist() == [10, 11, 12, 13, 14, 15, 19]
    assert_uncorrelated(rows.astype(np.float64), 2000, white=white)
    back = model.inverse_transform(rows)
    assert (np.abs(back - x[2000:]).max(axis=0) <= 1e3 * np.finfo(dtype).eps * np.abs(x).max(axis=0)).all()


def test_columns_keep_their_power_and_their_place(rng):
    x = correlated(rng, 3000, 6)
    rows = Decorrelator().fit_transform(x)
    np.testing.assert_allclose(rows.std(axis=0), x.std(axis=0), rtol=0.01)
    own = np.abs(np.corrcoef(rows.T, x.T)[:6, 6:])
    assert (own.argmax(axis=1) == np.arange(6)).all()


def test_more_columns_than_rows(rng):
    """An estimate from too few rows must not make the rows to come explode."""
    x = rng.normal(size=(2040, 300)) @ (rng.normal(size=(300, 300)) * np.linspace(0.1, 1.0, 300))
    model = Decorrelator(whiten=True).fit(x[:40])
    power = (model.transform(x[40:]) ** 2).mean()
    assert 0.7 < power < 1.4


def test_shrunk_eigenvalues_are_the_power_of_later_rows(rng):
    true = np.repeat([0.01, 1.0, 30.0], 20)
    for rows in (40, 90, 400, 4000):
        x = rng.normal(size=(rows, 60)) * np.sqrt(true)
        values, vectors = np.linalg.eigh(x.T @ x / rows)
        later = (vectors**2 * true[:, None]).sum(axis=0)
        live = values > 1e-12
        error = np.abs(np.log(shrunk(np.maximum(values, 0.0), rows)[live] / later[live])).mean()
        assert error < 0.3
        assert error < 0.6 * np.abs(np.log(values[live] / later[live])).mean()
    assert linear_share(np.ones(5), 10.0) == 1.0
    wide = np.array([1e-9] * 29 + [30.0])  # a mean far beyond the spread
    np.testing.assert_allclose(shrunk(wide, 300.0)[-1], 30.0, rtol=0.05)


@pytest.mark.parametrize("center", [False, True])
def test_shards_merge_to_one_fit(rng, center):
    x = awkward(rng, 900)
    whole = Decorrelator(center=center).fit(x)
    shards = [
        Decorrelator(center=center).fit(x[rows]) for rows in (slice(0, 200), slice(200, 201), slice(201, 900))
    ]
    before = pickle.dumps(shards[0].transform(x))
    merged = shards[2].merge(shards[0]).merge(shards[1])
    parts = Decorrelator(center=center)
    for start in range(0, 900, 70):
        parts.partial_fit(x[start : start + 70])
    scale = np.abs(whole.transform(x)).max(axis=0)
    for other in (merged, parts):
        np.testing.assert_allclose(other.mean_, whole.mean_, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(other.transform(x), whole.transform(x), atol=1e-8 * scale.max())
    assert pickle.dumps(shards[0].transform(x)) == before


def test_a_large_mean_costs_no_accuracy(rng):
    x = rng.normal(size=(600, 3))
    found = moments_of(x + 1e8, None, 0.0).merged(moments_of(x + 1e8, None, 0.0))
    np.testing.assert_allclose(found.scatter / 1200, np.cov(x.T, bias=True), rtol=1e-6, atol=1e-7)
    assert found.rows == 1200


def test_what_cannot_be_merged(rng):
    x = correlated(rng, 50, 3)
    fitted = Decorrelator().fit(x)
    cases = [
        (Decorrelator(whiten=True).fit(x), ValueError, "expected the same"),
        (Decorrelator().fit(x[:, :2]), ValueError, "the columns are [0, 1, 2] here but [0, 1] there"),
        (Decorrelator("learned").fit(x), ValueError, "a matrix that is learned cannot be merged"),
        (StandardScaler(), TypeError, "other is a StandardScaler; expected a Decorrelator"),
        (Decorrelator(), NotFittedError, "not fitted"),
    ]
    for other, kind, message in cases:
        with pytest.raises(kind, match=within(message)):
            fitted.merge(other)


def test_what_is_old_is_forgotten(rng):
    old, new = correlated(rng, 3000, 5), correlated(rng, 3000, 5)
    later = new[2000:]
    kept, following = (Decorrelator(whiten=True, forgetting=share) for share in (0.0, 5e-3))
    for part in np.split(np.concatenate([old, new[:2000]]), 50):
        kept.partial_fit(part)
        following.partial_fit(part)
    assert following.correlation_left(later).left < 0.1 < kept.correlation_left(later).left
    assert_uncorrelated(following.transform(later), 400, white=True)
    whole = Decorrelator(whiten=True, forgetting=5e-3).fit(np.concatenate([old, new[:2000]]))
    np.testing.assert_allclose(whole.transform(later), following.transform(later), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("white", [False, True])
def test_a_learned_matrix_decorrelates_and_follows(rng, white):
    mixing = np.eye(8) + 0.3 * rng.uniform(size=(8, 8))
    x = 100.0 * rng.normal(size=(6000, 8)) @ mixing + 300.0
    model = Decorrelator("learned", whiten=white).fit(x[:4000])
    left, floor = model.correlation_left(x[4000:])
    assert left < 3.0 * floor < Decorrelator("learned", rate=0.0).fit(x[:100]).correlation_left(x[4000:]).left
    if white:
        np.testing.assert_allclose((model.transform(x[4000:]) ** 2).mean(axis=0), 1.0, atol=0.2)
    np.testing.assert_allclose(model.inverse_transform(model.transform(x)), x, rtol=1e-9)
    other = 100.0 * rng.normal(size=(4000, 8)) @ mixing[::-1]
    model.set_params(forgetting=1e-2)
    before = model.correlation_left(other[3000:]).left
    for part in np.split(other[:3000], 30):
        model.partial_fit(part)
    assert model.correlation_left(other[3000:]).left < 0.6 * before


@pytest.mark.parametrize("method", ["closed_form", "learned"])
def test_weights_count_rows(rng, method):
    x, weights = correlated(rng, 60, 4), rng.integers(0, 3, 60)
    weighted = Decorrelator(method).fit(x, sample_weight=weights)
    repeated = Decorrelator(method).fit(np.repeat(x, weights, axis=0))
    np.testing.assert_allclose(weighted.matrix_, repeated.matrix_, rtol=1e-9, atol=1e-9)


def test_names_frames_and_copies(rng):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(correlated(rng, 40, 3), columns=["a", "b", "c"])
    model = Decorrelator().set_output(transform="pandas").fit(frame)
    assert model.get_feature_names_out().tolist() == ["a", "b", "c"]
    rows = model.transform(frame)
    assert rows.columns.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(model.inverse_transform(rows), frame, rtol=1e-9)
    assert model.merge(model).get_feature_names_out().tolist() == ["a", "b", "c"]
    back = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(back.transform(frame), rows)
    assert make_pipeline(StandardScaler(), clone(model)).fit_transform(frame).shape == (40, 3)
    left, floor = model.correlation_left(frame)
    assert left < floor


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"method": "pca"}, "method is 'pca'; expected one of closed_form, learned"),
        ({"forgetting": 1.0}, "forgetting is 1.0; expected a number of at least 0 and below 1"),
        ({"method": "learned", "passes": 0}, "passes is 0; expected a whole number of at least 1"),
    ],
)
def test_parameters_that_make_no_sense(rng, parameters, message):
    with pytest.raises(ValueError, match=within(message)):
        Decorrelator(**parameters).fit(correlated(rng, 20, 3))


def test_a_stream_cannot_change_its_method(rng):
    model = Decorrelator().fit(correlated(rng, 20, 3)).set_params(method="learned")
    with pytest.raises(ValueError, match=within("the rows before were learned from otherwise; call fit first")):
        model.partial_fit(correlated(rng, 20, 3))


def test_columns_too_large_to_be_squared_are_refused():
    with pytest.raises(ValueError, match=within("the second moments of X overflow; divide its columns")):
        Decorrelator().fit([[1e200, 1.0], [-1e200, 2.0]])


def test_a_shrinkage_beyond_one_is_refused(rng):
    with pytest.raises(ValueError, match=within("shrinkage is 2.0; expected a finite number")):
        Decorrelator(shrinkage=2.0).fit(correlated(rng, 20, 3))
