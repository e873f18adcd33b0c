"""What users do without meaning to: each was once a wrong answer, an obscure error or lost work."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from assertions import assert_same, exactly, within
from fitting import CLASSES, NETWORK, SETTINGS, START, X, flat, run
from networks import move

import pycopi
from pycopi.kernels import native
from pycopi.losses import encode_targets


def test_small_label_types_hold_many_classes(eager):
    labels = np.array([5, 200], np.uint8)
    rows = encode_targets(eager.asarray(labels), eager.asarray(np.zeros((2, 300))))
    assert_same(eager.numpy(rows), np.eye(300)[labels])


@pytest.mark.parametrize("number", [np.float64, np.float32, np.int64, np.asarray, int], ids=str)
def test_hyperparameters_of_numpy_are_numbers_like_others(number):
    """They must not change the dtype of what they multiply."""
    one = number(1)
    settings = pycopi.Settings(rate=one, gain=one, decorrelation=pycopi.Decorrelation(rate=one))
    plain = pycopi.Settings(rate=1.0, gain=1.0, decorrelation=pycopi.Decorrelation(rate=1.0))
    assert hash(settings) == hash(plain)
    for engine in ("portable", "native") if native.available else ("portable",):
        with pycopi.use_engine(engine):
            x = X[:, :3]
            for matrix in (
                pycopi.copi_update(
                    np.ones((3, 3), np.float32), targets=x, decorrelated=x, rate=one, variance_scaled=True
                ),
                pycopi.decorrelation_update(
                    np.eye(3, dtype=np.float32), decorrelated=x, rate=one, whitening=one
                ),
                pycopi.decorrelate_stream(np.eye(3, dtype=np.float32), x, rate=one).decorrelator,
                pycopi.rank_k_update(np.eye(3, dtype=np.float32), x, x, scale=one),
            ):
                assert matrix.dtype == np.float32
    state = run(epochs=2, weight_schedule=lambda epoch: np.cos(epoch) ** 2, batch_size=np.int64(16))
    assert state.parameters[0].weight.dtype == np.float32


def test_whole_numbers_of_numpy_are_sizes():
    assert pycopi.mlp([np.int64(3), CLASSES.max() + 1]) == pycopi.mlp([3, 3])
    with pytest.raises(ValueError, match=exactly("outputs is True; expected a whole number of at least 1")):
        pycopi.mlp([3, True])
    with pytest.raises(ValueError, match=exactly("rate is inf; expected a finite number of at least 0")):
        pycopi.Settings(rate=10**400)


def test_jax_may_trace_around_a_batch_that_is_there():
    jax = pytest.importorskip("jax")
    x, y = jax.numpy.asarray(X), jax.numpy.asarray(CLASSES)
    start = NETWORK.init(0, like=x)
    wanted = pycopi.train_step(NETWORK, start, x, y, SETTINGS)[1].loss
    assert float(
        jax.jit(lambda own: pycopi.train_step(NETWORK, own, x, y, SETTINGS)[1].loss)(start)
    ) == pytest.approx(float(wanted), rel=1e-6)
    scanned, losses = jax.lax.scan(
        lambda own, _: tuple(pycopi.train_step(NETWORK, own, x, y, SETTINGS)), start, None, 3
    )
    assert losses.loss.shape == (3,)
    assert scanned[0].weight.shape == start[0].weight.shape


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_stream_may_be_made_of_the_matrix_itself(library):
    xp = pytest.importorskip(library)
    matrix = xp.asarray(np.eye(6) + 0.1 * np.random.default_rng(0).normal(size=(6, 6)))
    wanted = pycopi.decorrelate_stream(matrix, matrix, rate=0.1, block_size=2)
    same = pycopi.decorrelate_stream(matrix, matrix, rate=0.1, block_size=2, copy=None)
    assert_same(np.asarray(same.decorrelated), np.asarray(wanted.decorrelated))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("engine", ["portable", "native"])
def test_scales_may_be_rows_of_the_matrix(order, engine):
    if engine == "native" and order == "F":
        pytest.skip("the C core takes no Fortran order")
    if engine == "native":
        pytest.importorskip("pycopi._core")
    matrix = np.asarray(np.random.default_rng(0).normal(size=(4, 4)), order=order)
    ones = np.ones((2, 4))
    with pycopi.use_engine(engine):
        wanted = pycopi.rank_k_update(matrix, ones, ones, row_scale=matrix[1], column_scale=matrix[2])
        with pytest.raises(ValueError, match="it shares memory with another argument; pass copy=None"):
            pycopi.rank_k_update(matrix, ones, ones, row_scale=matrix[1], copy=False)
        found = pycopi.rank_k_update(matrix, ones, ones, row_scale=matrix[1], column_scale=matrix[2], copy=None)
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_misaligned_and_byte_swapped_data_are_data():
    packed = np.zeros(len(X), dtype=[("tag", "u1"), ("x", "<f4", 6)])
    packed["x"] = X
    assert not packed["x"].flags.aligned
    for data in (packed["x"], X.astype(">f4")):
        state = run(data, epochs=2)
        for array, wanted in zip(flat(state.parameters), flat(run(epochs=2).parameters), strict=True):
            assert_same(array, wanted)
    torch = pytest.importorskip("torch")
    moved = NETWORK.init(0, like=torch.zeros(1))
    assert NETWORK.predict(moved, X.astype(">f4")).shape == (120, 3)


def test_torch_keeps_no_record_of_training():
    torch = pytest.importorskip("torch")
    x, y = torch.asarray(X).requires_grad_(), torch.asarray(CLASSES)
    start = tuple(own.map(lambda a: a.requires_grad_()) for own in NETWORK.init(0, like=x.detach()))
    state = run(x, y, start, epochs=2)
    stepped, _ = pycopi.train_step(NETWORK, start, x, y, SETTINGS, copy=None)
    for array in [*flat(state.parameters), *flat(stepped)]:
        assert not array.requires_grad
    assert x.requires_grad
    assert start[0].weight.requires_grad


def test_nan_parameters_are_named_before_a_run_and_other_networks_before_an_answer(eager):
    broken = (START[0], START[1]._replace(weight=START[1].weight * np.float32("nan")))
    with pytest.raises(ValueError, match=within("weight of layer 2 has nan at row 0")):
        run(eager.asarray(X), eager.asarray(CLASSES), move(broken, eager))
    other = move(pycopi.mlp([6, 7, 3]).init(0), eager)
    for call in (NETWORK.predict, NETWORK.forward):
        with pytest.raises(ValueError, match=within("weight of layer 1 has shape (7, 6) but the layer is")):
            call(other, eager.asarray(X))
        with pytest.raises(ValueError, match=within("parameters are of 1 layers but the network has 2")):
            call(other[:1], eager.asarray(X))
        with pytest.raises(TypeError, match=within("inputs is a list")):
            call(move(START, eager), X.tolist())


def test_masked_arrays_are_refused():
    masked = np.ma.masked_invalid(np.where(X > 0.9, np.nan, X).astype(np.float32))
    for call in (lambda: run(masked), lambda: NETWORK.predict(START, masked)):
        with pytest.raises(TypeError, match=within("inputs is a MaskedArray; expected an array of a library")):
            call()


def test_rates_and_settings_are_checked_before_a_step():
    step = pycopi.train_step
    with pytest.raises(
        ValueError, match=within("rates.weights is nan; expected a finite number of at least 0")
    ):
        step(NETWORK, START, X, CLASSES, SETTINGS, pycopi.Rates(float("nan"), 0.1))
    with pytest.raises(TypeError, match=within("rates is a tuple; expected a pycopi.Rates")):
        step(NETWORK, START, X, CLASSES, SETTINGS, (0.1, 0.1))
    with pytest.raises(TypeError, match=within("settings are a dict; expected a pycopi.Settings")):
        step(NETWORK, START, X, CLASSES, {"rate": 0.1})
    with pytest.raises(ValueError, match=within("the factor of weight_schedule is -1.0")):
        run(weight_schedule=lambda epoch: -1)
    squashed = pycopi.mlp([6, 3], output_activation="tanh")
    with pytest.raises(ValueError, match=within("takes preactivations as logits")):
        run(parameters=squashed.init(0), network=squashed, settings=pycopi.Settings(loss="cross_entropy"))
    with pytest.raises(ValueError, match=within("takes preactivations as logits")):
        pycopi.evaluate(squashed, squashed.init(0), X, CLASSES, loss="cross_entropy")


def test_copy_false_changes_everything_or_nothing():
    network = pycopi.mlp([6, 4, 3], bias=True)
    parameters = tuple(own.map(np.array) for own in network.init(0))
    stepped, _ = pycopi.train_step(network, parameters, X, CLASSES, SETTINGS, copy=False)
    for new, old in zip(flat(stepped), flat(parameters), strict=True):
        assert new is old
    parameters[1].weight.flags.writeable = False
    kept = [array.copy() for array in flat(parameters)]
    with pytest.raises(ValueError, match=within("weight cannot be changed in place, as copy=False asks")):
        pycopi.train_step(network, parameters, X, CLASSES, SETTINGS, copy=False)
    for array, old in zip(flat(parameters), kept, strict=True):
        assert_same(array, old)


def test_half_precision_sums_are_not_half_precise():
    network = pycopi.mlp([6, 3])
    x = np.tile(X, (100, 1)).astype(np.float16)
    settings = pycopi.Settings(rate=0.0, decorrelation=pycopi.Decorrelation(rate=0.0))
    half = run(x, np.tile(CLASSES, 100), network.init(0, like=x), network, settings=settings, epochs=1)
    full = run(parameters=network.init(0), network=network, settings=settings, epochs=1)
    assert half.history[0].loss == pytest.approx(full.history[0].loss, rel=1e-2)
    assert half.history[0].accuracy == pytest.approx(full.history[0].accuracy, abs=0.02)
    dead = np.array([[1, 0]] * 3, np.float16)
    for epsilon in (1e-8, 0.0):
        weight = pycopi.copi_update(
            np.ones((1, 2), np.float16), targets=np.ones((3, 1), np.float16), decorrelated=dead, rate=0.1,
            variance_scaled=True, epsilon=epsilon,
        )  # fmt: skip
        assert np.isfinite(weight).all()


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e20])
def test_correlation_does_not_depend_on_units(scale):
    same = np.ones((4, 3), np.float32) * np.float32(scale)
    assert pycopi.analysis.off_diagonal_correlation(same) == pytest.approx(1.0, rel=1e-6)
    assert pycopi.analysis.off_diagonal_correlation(np.ones((700, 300), np.float16)) == pytest.approx(
        1.0, rel=1e-5
    )


def test_a_process_without_standard_error_can_train(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert len(run(progress=None, epochs=1).history) == 1


def test_nan_is_no_best():
    def record(loss):
        return pycopi.EpochRecord(1, loss, None, loss, None, (), 1.0, 0.0, 1, 0.0)

    stop = pycopi.early_stopping(patience=2)
    falling = tuple(record(loss) for loss in (float("nan"), 3.0, 2.0, 1.0))
    assert not stop(pycopi.State((), falling))


def test_a_full_disk_is_an_os_error_and_keeps_the_old_file(tmp_path):
    pycopi.save(tmp_path / "m", NETWORK, START)
    before = (tmp_path / "m").read_bytes()
    code = (
        "import resource, signal, pycopi\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "network = pycopi.mlp([100, 100])\n"
        "try:\n    pycopi.save('m', network, network.init(0))\n"
        "except OSError as error:\n    print('refused:', error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith("refused: m: the file cannot be written (")
    assert (tmp_path / "m").read_bytes() == before
    assert os.listdir(tmp_path) == ["m"]


def test_model_files_say_which_dtypes_they_hold(tmp_path):
    torch = pytest.importorskip("torch")
    network = pycopi.mlp([3, 2])
    message = (
        "weight has dtype float8_e5m2; expected one of float16, float32, float64, bfloat16, "
        "which model files hold"
    )
    narrow = (pycopi.DenseParameters(torch.zeros((2, 3)), torch.eye(3)).map(lambda a: a.to(torch.float8_e5m2)),)
    with pytest.raises(TypeError, match=exactly(message)):
        pycopi.save(tmp_path / "m", network, narrow)
    pycopi.save(tmp_path / "m", network, network.init(0))
    with pytest.raises(TypeError, match=within("like has dtype int64; expected a real floating dtype")):
        pycopi.load(tmp_path / "m", like=np.zeros(1, int))


def test_a_link_to_a_model_stays_a_link(tmp_path):
    pycopi.save(tmp_path / "m", NETWORK, START)
    (tmp_path / "link").symlink_to(tmp_path / "m")
    pycopi.save(tmp_path / "link", NETWORK, NETWORK.init(1))
    assert (tmp_path / "link").is_symlink()
    assert_same(pycopi.load(tmp_path / "m").parameters[0].weight, NETWORK.init(1)[0].weight)


def test_every_epoch_has_an_order_of_its_own():
    seen = []

    def remember(state):
        seen.append(state.history[-1].loss)

    frozen = pycopi.Settings(rate=0.0, decorrelation=pycopi.Decorrelation(rate=0.0))
    run(X[:, :], CLASSES, settings=frozen, epochs=3, batch_size=120, callbacks=[remember])
    assert seen[0] == pytest.approx(seen[1], rel=1e-6)  # the same samples ...
    orders = [[tuple(targets) for _, targets in pycopi_batches(seed=0).epoch(epoch)] for epoch in (0, 1, 0)]
    assert orders[0] != orders[1]  # ... in another order
    assert orders[0] == orders[2]


def pycopi_batches(seed):
    from pycopi.training.batches import open_batches

    return open_batches(NETWORK, START, X, CLASSES, batch_size=16, seed=seed)


def test_values_are_checked_wherever_they_enter():
    nan = np.full((2, 3), np.nan)
    with pytest.raises(ValueError, match=within("inputs has nan at row 0")):
        pycopi.decorrelate_stream(np.eye(3), nan, rate=0.1)
    with pytest.raises(ValueError, match=within("scale is nan; expected a finite number")):
        pycopi.rank_k_update(np.eye(3), np.ones((1, 3)), np.ones((1, 3)), scale=float("nan"))
    assert pycopi.evaluate(NETWORK, START, X[:7], CLASSES[:7], batch_size=3).accuracy in [
        i / 7 for i in range(8)
    ]


def test_the_source_folder_can_be_imported():
    root = Path(__file__).resolve().parent.parent
    code = "import pycopi; pycopi.show_config()"
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert "C core" in found.stdout
    importlib.import_module("pycopi._build")
