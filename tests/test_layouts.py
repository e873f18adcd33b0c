"""Predictions are the same bits wherever their values are in memory."""

import numpy as np
import pytest
from assertions import assert_same

import pycopi


class Named(np.ndarray):
    """An array of another type, with nothing of its own."""


def mapped(values, folder):
    path = folder / f"{len(list(folder.iterdir()))}.npy"
    np.save(path, values)
    return np.load(path, mmap_mode="r")


def unaligned(values, _):
    memory = np.empty(values.nbytes + 1, np.uint8)[1:]
    memory[:] = np.frombuffer(values.tobytes(), np.uint8)
    return memory.view(values.dtype).reshape(values.shape)


def spread(values, _):
    return np.repeat(values, 2, axis=-1)[..., ::2]


def wide(values, _):
    return np.concatenate([values, values], axis=-1)[..., : values.shape[-1]]


def read_only(values, _):
    copied = values.copy()
    copied.flags.writeable = False
    return copied


def off_line(values, _):
    memory = np.empty(values.size + 1, values.dtype)[1:].reshape(values.shape)
    memory[...] = values
    return memory


LAYOUTS = {
    "memory map": mapped,
    "unaligned": unaligned,
    "strided": spread,
    "wide rows": wide,
    "reversed": lambda values, _: values[::-1].copy()[::-1],
    "Fortran": lambda values, _: np.asfortranarray(values),
    "read-only": read_only,
    "off a cache line": off_line,
    "subclass": lambda values, _: values.view(Named),
}
NETWORK = pycopi.mlp([70, 45, 10], bias=True, activation="tanh")


def problem(dtype):
    rng = np.random.default_rng(0)
    draw = lambda array: rng.uniform(-1, 1, array.shape).astype(dtype)  # noqa: E731
    return tuple(own.map(draw) for own in NETWORK.init(0)), rng.uniform(0, 1, (300, 70)).astype(dtype)


@pytest.mark.parametrize("engine", [None, "portable"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_changes_no_bit_of_a_prediction(layout, dtype, engine, tmp_path, monkeypatch):
    parameters, inputs = problem(dtype)
    lay = lambda array: LAYOUTS[layout](array, tmp_path)  # noqa: E731
    moved = tuple(own.map(lay) for own in parameters)
    monkeypatch.setattr("pycopi.kernels.engine._environment", engine)
    for rows in (1, 3, 50, 300):
        batch = inputs[:rows]
        wanted = NETWORK.predict(parameters, batch)
        assert_same(NETWORK.predict(moved, batch), wanted)
        assert_same(NETWORK.predict(parameters, lay(batch)), wanted)
        assert_same(NETWORK.forward(moved, lay(batch)).outputs, NETWORK.forward(parameters, batch).outputs)
    for own, folded in zip(NETWORK.fold(moved).parameters, NETWORK.fold(parameters).parameters, strict=True):
        assert_same(own.weight, folded.weight)


def test_a_layout_changes_no_bit_of_a_prediction_in_pytorch():
    torch = pytest.importorskip("torch")
    parameters, inputs = problem(np.float32)
    plain = tuple(own.map(torch.asarray) for own in parameters)
    turned = tuple(own.map(lambda array: torch.asarray(np.asfortranarray(array))) for own in parameters)
    for rows in (1, 50):
        batch = torch.asarray(inputs[:rows])
        wanted = NETWORK.predict(plain, batch).numpy()
        assert_same(NETWORK.predict(turned, batch.T.contiguous().T).numpy(), wanted)
