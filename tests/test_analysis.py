"""The analyses as a whole: within little memory, with memory maps, and with errors that name what is wrong."""

import tracemalloc

import numpy as np
import pytest
from analysed import ALIGNED, CLASSES, NETWORK, PARAMETERS, Y
from assertions import assert_close, exactly
from networks import move

import pycopi
from pycopi import analysis
from pycopi.analysis import correlation

# memory


LARGE = pycopi.mlp([512, 100, 10])

ANALYSES = {
    "receptive_fields": lambda p, x, y: analysis.receptive_fields(LARGE, p, x, layer=2, batch_size=128),
    "compress": lambda p, x, y: analysis.compress(LARGE, p, x, first=1, last=2, batch_size=128),
    "compression_curve": lambda p, x, y: analysis.compression_curve(LARGE, p, x, x, y, batch_size=128),
    "layer_correlations": lambda p, x, y: analysis.layer_correlations(LARGE, p, x, batch_size=128),
    "correlation_matrix": lambda p, x, y: analysis.correlation_matrix(x),
    "zca": lambda p, x, y: analysis.zca(x, batch_size=128),
    "update_alignment": lambda p, x, y: analysis.update_alignment(LARGE, p, x, y, pycopi.Settings()),
    "credit_angles": lambda p, x, y: analysis.credit_angles(LARGE, p, x, y, pycopi.Settings()),
}


def peak_of(call):
    """Return the most memory, in bytes, that a call held beyond what was there before."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ANALYSES)
def test_memory_does_not_grow_with_the_data(name, monkeypatch):
    monkeypatch.setattr(correlation, "_SAMPLES", 128)
    parameters = LARGE.init(0)
    x = np.random.default_rng(0).random((8192, 512), np.float32)
    y = np.arange(8192) % 10
    few, many = (peak_of(lambda n=n: ANALYSES[name](parameters, x[:n], y[:n])) for n in (1024, 8192))
    assert many < few + 0.05 * x.nbytes
    assert many < x.nbytes


def test_peak_of_measures_a_copy():
    x = np.ones((100, 1000))
    assert peak_of(lambda: x + x) >= x.nbytes


# errors


MISSING = (
    "{} keeps a state from step to step, and none was given; begin with pycopi.start(network, settings, seed), "
    "and give what it returns in place of parameters"
)
PLAIN = NETWORK.init(0, like=Y)

REFUSED = {
    "layer": (
        lambda: analysis.receptive_fields(NETWORK, PARAMETERS, Y, layer=4),
        ValueError,
        "layer is 4; expected a layer from 1 to 3 (layer 1 takes the inputs)",
    ),
    "layer of no kind": (
        lambda: analysis.receptive_fields(NETWORK, PARAMETERS, Y, layer="top"),
        ValueError,
        "layer is 'top'; expected a whole number of at least 1",
    ),
    "span": (
        lambda: analysis.compress(NETWORK, PARAMETERS, Y, first=3, last=2),
        ValueError,
        "first is 3; expected a layer from 1 to 2 (layer 1 takes the inputs)",
    ),
    "epsilon": (
        lambda: analysis.compress(NETWORK, PARAMETERS, Y, first=1, last=2, epsilon=-1.0),
        ValueError,
        "epsilon is -1.0; expected a finite number of at least 0",
    ),
    "no samples": (
        lambda: analysis.receptive_fields(NETWORK, PARAMETERS, Y[:0], layer=1),
        ValueError,
        "inputs has no rows; expected a batch of at least one sample",
    ),
    "features": (
        lambda: analysis.layer_correlations(NETWORK, PARAMETERS, Y[:, 1:]),
        ValueError,
        (
            "inputs has shape (11, 4) but the network takes 5 features; expected (any, 5), or a network "
            "made for 4 inputs"
        ),
    ),
    "batch size": (
        lambda: analysis.zca(Y, batch_size=0),
        ValueError,
        "batch_size is 0; expected a whole number of at least 1",
    ),
    "rows of targets": (
        lambda: analysis.compression_curve(NETWORK, PARAMETERS, Y, Y, CLASSES[:4]),
        ValueError,
        "targets have 4 rows but inputs have 11; expected the same number",
    ),
    "classes": (
        lambda: analysis.update_alignment(NETWORK, PARAMETERS, Y, CLASSES + 1, pycopi.Settings()),
        ValueError,
        (
            "targets have the class number 3 but the network has 3 outputs; expected "
            "whole numbers from 0 to 2; number the classes from 0: subtract 1"
        ),
    ),
    "feedback": (
        lambda: analysis.credit_angles(NETWORK, PLAIN, Y, CLASSES, ALIGNED),
        ValueError,
        MISSING.format("FeedbackAlignment()"),
    ),
    "feedback of an update": (
        lambda: analysis.update_alignment(NETWORK, PLAIN, Y, CLASSES, ALIGNED),
        ValueError,
        MISSING.format("FeedbackAlignment()"),
    ),
    "moments": (
        lambda: analysis.update_alignment(NETWORK, PARAMETERS, Y, CLASSES, pycopi.Settings(rule="adam")),
        ValueError,
        MISSING.format(pycopi.Adam()),
    ),
    "not square": (
        lambda: analysis.mean_off_diagonal(Y),
        ValueError,
        "correlation has shape (11, 5) but a correlation matrix is square; expected (11, 11)",
    ),
    "other features": (
        lambda: analysis.zca(Y).apply(Y[:, 1:]),
        ValueError,
        "inputs has shape (11, 4) but the whitening is of 5 features; expected (any, 5)",
    ),
    "nan": (
        lambda: analysis.receptive_fields(NETWORK, PARAMETERS, Y * np.nan, layer=1),
        ValueError,
        (
            "inputs has nan at row 0 (55 such values in the block read); "
            "expected finite numbers: remove or fill them first"
        ),
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_bad_arguments_are_named(case):
    call, kind, message = case
    with pytest.raises(kind, match=exactly(message)):
        call()


def test_memory_maps_go_with_parameters_of_any_library(eager, tmp_path):
    np.save(tmp_path / "y.npy", Y)
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
    moved = move(PARAMETERS, eager)
    fields = analysis.receptive_fields(NETWORK, moved, mapped, layer=2, batch_size=4)
    wanted = analysis.receptive_fields(NETWORK, PARAMETERS, Y, layer=2)
    assert_close(fields, wanted, eager, eager.asarray(Y), rtol=1e-14)
