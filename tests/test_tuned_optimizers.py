"""The rivals of the race: Muon against PyTorch's, SOAP against its equations on a small problem."""

import numpy as np
import pytest
from assertions import exactly
from repository import benchmark

torch = pytest.importorskip("torch")
muon, soap = benchmark("tuned.muon"), benchmark("tuned.soap")
methods, spaces = benchmark("tuned.torch_methods"), benchmark("tuned.spaces")


def assert_near(found, wanted, bound):
    """Raise unless no element differs by more than the bound."""
    np.testing.assert_allclose(found, wanted, rtol=0, atol=bound)


@pytest.fixture
def quadratic():
    """A parameter (4, 3), and a function of it whose least value, 0, is at a known matrix."""
    generator = torch.Generator().manual_seed(0)
    best, factor = (torch.randn(4, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    wanted = best.clone()
    parameter = torch.nn.Parameter(torch.zeros_like(best))
    return parameter, lambda: ((parameter - wanted) * (1.0 + factor.abs())).square().sum()


def descend(optimizer, loss, steps):
    for step in range(steps):
        optimizer.param_groups[0]["lr"] *= 1.0 if step < steps // 2 else 0.95
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
    return float(loss().detach())


@pytest.mark.parametrize("make", [muon.muon, soap.soap])
def test_a_small_quadratic_is_brought_to_its_least_value(quadratic, make):
    parameter, loss = quadratic
    began = float(loss().detach())
    assert descend(make([parameter], 0.1), loss, 300) < 1e-4 * began


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_muon_takes_the_steps_of_pytorch_to_its_bfloat16(rng, shape):
    weights, gradients = rng.normal(size=shape), rng.normal(size=(3, *shape))
    own, theirs = (torch.nn.Parameter(torch.tensor(weights, dtype=torch.float32)) for _ in range(2))
    ours = muon.muon([own], 0.1, momentum=0.9, decay=0.1)
    other = torch.optim.Muon([theirs], lr=0.1, momentum=0.9, weight_decay=0.1)
    for gradient in gradients:
        for parameter, optimizer in ((own, ours), (theirs, other)):
            parameter.grad = torch.tensor(gradient, dtype=torch.float32)
            optimizer.step()
    moved = np.abs(own.detach().numpy() - weights.astype(np.float32)).max()
    assert moved > 0.1
    assert_near(own.detach(), theirs.detach(), 0.05 * moved)


def test_a_step_of_soap_is_that_of_its_equations(rng):
    gradients, rate, (b1, b2) = rng.normal(size=(3, 4, 3)), 0.1, (0.95, 0.95)
    parameter = torch.nn.Parameter(torch.zeros(4, 3, dtype=torch.float64))
    optimizer = soap.soap([parameter], rate, betas=(b1, b2), refresh=100)
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
    g0 = gradients[0]
    left, right = (np.linalg.eigh(factor)[1][:, ::-1] for factor in (g0 @ g0.T, g0.T @ g0))
    mean, square, weight = np.zeros((4, 3)), np.zeros((4, 3)), np.zeros((4, 3))
    for count, gradient in enumerate(gradients[1:], 1):  # the first only starts the bases
        mean = b1 * mean + (1 - b1) * gradient
        square = b2 * square + (1 - b2) * (left.T @ gradient @ right) ** 2
        turned = (left.T @ mean @ right) / (1 - b1**count)
        weight = weight - rate * left @ (turned / (np.sqrt(square / (1 - b2**count)) + 1e-8)) @ right.T
    assert_near(parameter.detach(), weight, 1e-10)


def test_a_refresh_keeps_the_bases_orthogonal_and_near_the_eigenvectors(rng):
    spread = np.diag([8.0, 4.0, 2.0, 1.0])
    parameter = torch.nn.Parameter(torch.zeros(4, 3, dtype=torch.float64))
    optimizer = soap.soap([parameter], 1e-3, refresh=1)
    for _ in range(200):
        parameter.grad = torch.tensor(spread @ rng.normal(size=(4, 3)))
        optimizer.step()
    state = optimizer.state[parameter]
    left, factor = state["left"].numpy(), state["left factor"].numpy()
    assert_near(left.T @ left, np.eye(4), 1e-12)
    inner = left.T @ factor @ left
    assert np.abs(inner - np.diag(np.diag(inner))).max() < 0.1 * np.abs(inner).max()


def test_every_rival_learns_in_one_step_at_every_batch_of_its_space(rng):
    x, y = torch.tensor(rng.normal(size=(16, 6)), dtype=torch.float32), torch.tensor(rng.integers(3, size=16))
    for method in ("SGD", "AdamW", "Muon", "SOAP"):
        for setting in spaces.first(spaces.SPACES[method]):
            program = methods.Program(method, (6, 5, 3), {**setting, "rate": 0.01}, seed=1)
            losses = [program.step(x, y) for _ in range(20)]
            assert losses[-1] < losses[0], (method, setting)


def test_a_method_that_is_not_there_is_named():
    message = "method 'Lion' is not one in PyTorch; expected SGD, AdamW, Muon or SOAP"
    with pytest.raises(ValueError, match=exactly(message)):
        methods.Program("Lion", (6, 5, 3), {"rate": 0.1, "decay": 0.0}, seed=1)
