"""Adam, against its algorithm written down plainly and against PyTorch's."""

import exact
import numpy as np
import pytest
from assertions import assert_close, exactly
from backends import NUMPY
from networks import scrambled

import pycopi

NETWORK = pycopi.mlp([4, 5, 3], bias=True, decorrelated=False, activation="tanh")
RNG = np.random.default_rng(8)
Y = RNG.normal(size=(6, 4))
CLASSES = np.array([0, 1, 2, 0, 1, 2])
STEPS = 5


def settings_of(correction="exact"):
    return exact.settings(rule="gradient", rate=0.01, gain=1.0, optimizer=pycopi.Adam(correction=correction))


def gradients(parameters):
    """Return minus the gradient of the mean loss by weights and biases, from one step of the plain rule."""
    plain = exact.settings(rule="gradient", rate=1.0, gain=1.0)
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
def test_steps_of_adam_are_its_algorithm(correction):
    state = pycopi.start(NETWORK, settings_of(correction), like=Y)
    wanted = plain_adam(state.parameters, correction)
    for _ in range(STEPS):
        state, _ = pycopi.train_step(NETWORK, state, Y, CLASSES, settings_of(correction))
    for own, other in zip(state.parameters, wanted, strict=True):
        assert_close(own.weight, other.weight, NUMPY, Y, rtol=1e-9)
        assert_close(own.bias, other.bias, NUMPY, Y, rtol=1e-9)


def test_in_place_adam_is_the_same_in_blocks(monkeypatch):
    monkeypatch.setattr("pycopi.optimizers.adam._BLOCK", 7)
    state = pycopi.start(NETWORK, settings_of(), like=Y)
    wanted, _ = pycopi.train_step(NETWORK, state, Y, CLASSES, settings_of())
    stepped, _ = pycopi.train_step(NETWORK, state, Y, CLASSES, settings_of(), copy=None)
    for place, array in stepped.named().items():
        assert array is state.named()[place]
        assert_close(array, wanted.named()[place], NUMPY, Y, rtol=1e-15)


def test_adam_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    parameters = scrambled(NETWORK, 3)
    state = pycopi.start(NETWORK, settings_of(), parameters=parameters)
    leaves = [torch.tensor(a, requires_grad=True) for own in parameters for a in (own.weight, own.bias)]
    optimiser = torch.optim.Adam(leaves, lr=0.01)
    wanted = torch.tensor(np.eye(3)[CLASSES])
    for _ in range(STEPS):
        hidden = torch.tanh(torch.tensor(Y) @ leaves[0].T + leaves[1])
        loss = 0.5 * ((wanted - hidden @ leaves[2].T - leaves[3]) ** 2).sum(dim=1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        state, _ = pycopi.train_step(NETWORK, state, Y, CLASSES, settings_of())
    learned = [a for own in state.parameters for a in (own.weight, own.bias)]
    for ours, theirs in zip(learned, leaves, strict=True):
        assert_close(ours, theirs.detach().numpy(), NUMPY, Y, rtol=1e-10)


def test_fit_takes_adam():
    data = Y.astype(np.float32), CLASSES
    how = {"settings": settings_of(), "batch_size": 3, "weight_schedule": pycopi.Schedule()}
    history = pycopi.fit(NETWORK, NETWORK.init(0), *data, epochs=40, **how).history
    assert history[-1].loss < 0.5 * history[0].loss


def test_errors():
    message = "beta2 is 1.0; expected a number of at least 0 and less than 1"
    with pytest.raises(ValueError, match=exactly(message)):
        pycopi.Adam(beta2=1.0)
    with pytest.raises(ValueError, match=exactly("correction is 'none'; expected one of exact, constant")):
        pycopi.Adam(correction="none")
