"""Adam, against its algorithm written down plainly and against PyTorch's."""

import numpy as np
import pytest
from assertions import assert_close, exactly
from backends import NUMPY
from test_network import move, scrambled

import pycopi

NETWORK = pycopi.mlp([4, 5, 3], bias=True, decorrelated=False, activation="tanh")
RNG = np.random.default_rng(8)
Y = RNG.normal(size=(6, 4))
CLASSES = np.array([0, 1, 2, 0, 1, 2])
STEPS = 5


def settings_of(correction="exact"):
    return pycopi.Settings(rule="adam", rate=0.01, gain=1.0, adam=pycopi.Adam(correction=correction))


def gradients(parameters):
    """Return minus the gradient of the mean loss by weights and biases, from one step of the plain rule."""
    plain = pycopi.Settings(rule="gradient", rate=1.0, gain=1.0)
    stepped, _ = pycopi.train_step(NETWORK, parameters, Y, CLASSES, plain)
    return [
        (new.weight - old.weight, new.bias - old.bias) for new, old in zip(stepped, parameters, strict=True)
    ]


def plain_adam(parameters, correction):
    """Return weights and biases after some steps of algorithm 1 of Kingma and Ba, in float64."""
    kept = [
        [[np.zeros_like(part), np.zeros_like(part)] for part in (own.weight, own.bias)] for own in parameters
    ]
    for t in range(1, STEPS + 1):
        first = 1 - 0.9 ** (t if correction == "exact" else 1)
        second = 1 - 0.999 ** (t if correction == "exact" else 1)
        changed = []
        for own, ascents, moments in zip(parameters, gradients(parameters), kept, strict=True):
            parts = []
            for part, ascent, (m, v) in zip((own.weight, own.bias), ascents, moments, strict=True):
                m[...] = 0.9 * m + 0.1 * ascent
                v[...] = 0.999 * v + 0.001 * ascent**2
                parts.append(part + 0.01 * (m / first) / (np.sqrt(v / second) + 1e-8))
            changed.append(own._replace(weight=parts[0], bias=parts[1]))
        parameters = tuple(changed)
    return parameters


@pytest.mark.parametrize("correction", ["exact", "constant"])
def test_adam_is_its_algorithm_on_every_backend(xp, correction):
    parameters = NETWORK.init(0, like=Y, moments=True)
    wanted = plain_adam(parameters, correction)
    live, like, targets = move(parameters, xp), xp.asarray(Y), xp.asarray(CLASSES)

    def steps(live, inputs, targets):
        for _ in range(STEPS):
            live, _ = pycopi.train_step(NETWORK, live, inputs, targets, settings_of(correction))
        return live

    for own, other in zip(xp.call(steps, live, like, targets), wanted, strict=True):
        assert_close(own.weight, other.weight, xp, like, rtol=1e-9)
        assert_close(own.bias, other.bias, xp, like, rtol=1e-9)


def test_in_place_adam_is_the_same_in_blocks(monkeypatch):
    monkeypatch.setattr("pycopi.optimizers.adam._BLOCK", 7)
    parameters = NETWORK.init(0, like=Y, moments=True)
    wanted, _ = pycopi.train_step(NETWORK, parameters, Y, CLASSES, settings_of())
    stepped, _ = pycopi.train_step(NETWORK, parameters, Y, CLASSES, settings_of(), copy=None)
    for own, other, old in zip(stepped, wanted, parameters, strict=True):
        assert own.weight is old.weight
        assert own.moments is old.moments
        for name, array in own.named().items():
            assert_close(array, getattr(other, name), NUMPY, Y, rtol=1e-15)


def test_adam_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    parameters = scrambled(NETWORK, 3)
    parameters = tuple(
        own._replace(moments=fresh.moments, bias_moments=fresh.bias_moments, gathered=fresh.gathered)
        for own, fresh in zip(parameters, NETWORK.init(0, like=Y, moments=True), strict=True)
    )
    leaves = [torch.tensor(a, requires_grad=True) for own in parameters for a in (own.weight, own.bias)]
    optimiser = torch.optim.Adam(leaves, lr=0.01)
    wanted = torch.tensor(np.eye(3)[CLASSES])
    for _ in range(STEPS):
        hidden = torch.tanh(torch.tensor(Y) @ leaves[0].T + leaves[1])
        loss = 0.5 * ((wanted - hidden @ leaves[2].T - leaves[3]) ** 2).sum(dim=1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        parameters, _ = pycopi.train_step(NETWORK, parameters, Y, CLASSES, settings_of())
    learned = [a for own in parameters for a in (own.weight, own.bias)]
    for ours, theirs in zip(learned, leaves, strict=True):
        assert_close(ours, theirs.detach().numpy(), NUMPY, Y, rtol=1e-10)


def test_fit_takes_adam_and_a_file_keeps_its_state(tmp_path):
    parameters = NETWORK.init(0, moments=True)
    data = Y.astype(np.float32), CLASSES
    how = {"settings": settings_of(), "batch_size": 3, "weight_schedule": pycopi.Schedule()}
    whole = pycopi.fit(NETWORK, parameters, *data, epochs=40, **how)
    assert whole.history[-1].loss < 0.5 * whole.history[0].loss
    half = pycopi.fit(NETWORK, parameters, *data, epochs=20, **how)
    pycopi.save(tmp_path / "half.safetensors", NETWORK, half.parameters)
    restored = pycopi.load(tmp_path / "half.safetensors").parameters
    rest = pycopi.fit(NETWORK, restored, *data, epochs=40, history=half.history, **how)
    for own, other in zip(rest.parameters, whole.parameters, strict=True):
        for name, array in own.named().items():
            assert np.array_equal(array, getattr(other, name)), name


def test_errors():
    message = (
        "rule is 'adam' but the parameters have no moments; make them with network.init(seed, moments=True)"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.train_step(NETWORK, NETWORK.init(0, like=Y), Y, CLASSES, settings_of())
    message = "beta2 is 1.0; expected a number of at least 0 and less than 1"
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.Adam(beta2=1.0)
    with pytest.raises(ValueError, match=exactly("correction is 'none'; expected one of exact, constant")):
        pycopi.Adam(correction="none")
    with pytest.raises(TypeError, match=exactly("adam is a str; expected a pycopi.Adam")):
        pycopi.Settings(adam="adam")
