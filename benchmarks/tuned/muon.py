"""Muon: momentum whose matrices are made orthogonal by Newton-Schulz iterations.

From Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein, *Muon: An optimizer for hidden layers in neural
networks* (2024). For a gradient G (m, n):

    B = momentum B + G;  O = NS(G + momentum B)
    W -= rate (decay W + sqrt(max(1, m / n)) O)

`torch.optim.Muon` takes the same steps in bfloat16, which a processor without such units computes four times
slower than float32; this one stays in the type of the weights. A test compares the two.
"""

from collections.abc import Iterable
from typing import Any

from benchmarks.sides import needed

_COEFFICIENTS = (3.4445, -4.775, 2.0315)
_ITERATIONS = 5


def muon(parameters: Iterable[Any], rate: float, *, momentum: float = 0.95, decay: float = 0.0) -> Any:
    """Return the optimizer of PyTorch that takes Muon's steps on matrices."""
    torch = needed("torch")

    class Muon(torch.optim.Optimizer):
        """Muon with Nesterov's momentum."""

        @torch.no_grad()
        def step(self) -> None:
            for group in self.param_groups:
                for parameter in group["params"]:
                    gradient, state = parameter.grad, self.state[parameter]
                    if not state:
                        state["velocity"] = torch.zeros_like(gradient)
                    velocity = state["velocity"].mul_(momentum).add_(gradient)
                    change = orthogonal(gradient.add(velocity, alpha=momentum))
                    m, n = parameter.shape
                    parameter.mul_(1 - group["lr"] * decay)
                    parameter.sub_(change, alpha=group["lr"] * max(1.0, m / n) ** 0.5)

    return Muon(list(parameters), {"lr": rate})


def orthogonal(matrix: Any) -> Any:
    """Return nearly the orthogonal matrix of the polar decomposition: singular values between 0.7 and 1.2."""
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x
