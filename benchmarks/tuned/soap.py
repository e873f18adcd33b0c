"""SOAP: Adam in the eigenbases of Shampoo's two factors.

From the equations of Vyas, Morwani, Zhao, Shapira, Brandfonbrener, Janson and Kakade, *SOAP: Improving and
Stabilizing Shampoo using Adam* (arXiv 2409.11321), algorithm 3. For a gradient G (m, n):

    G' = Ql.T G Qr;  M = b1 M + (1 - b1) G;  V = b2 V + (1 - b2) G'^2
    W -= rate Ql (M' / (sqrt(V) + eps)) Qr.T,  M' = Ql.T M Qr, both with Adam's corrections
    L = b2 L + (1 - b2) G G.T;  R = b2 R + (1 - b2) G.T G

and in every ``refresh``-th step one power iteration with a QR decomposition moves Ql and Qr. The first
gradient only starts L, R and, by ``eigh``, the bases. Vectors are Adam's.
"""

from collections.abc import Iterable
from typing import Any

from benchmarks.sides import needed


def soap(
    parameters: Iterable[Any],
    rate: float,
    *,
    betas: tuple[float, float] = (0.95, 0.95),
    decay: float = 0.0,
    refresh: int = 10,
    epsilon: float = 1e-8,
) -> Any:
    """Return the optimizer of PyTorch that takes SOAP's steps; decay is decoupled, as in AdamW."""
    torch = needed("torch")

    class SOAP(torch.optim.Optimizer):
        """SOAP for matrices, Adam for vectors."""

        def __init__(self) -> None:
            super().__init__(list(parameters), {"lr": rate})

        @torch.no_grad()
        def step(self) -> None:
            for group in self.param_groups:
                for parameter in group["params"]:
                    self._move(parameter, parameter.grad, self.state[parameter], group["lr"])

        def _move(self, parameter: Any, gradient: Any, state: Any, rate: float) -> None:
            if not state and not _begin(state, gradient):
                return
            state["step"] += 1
            state["mean"].lerp_(gradient, 1 - betas[0])
            turned, mean = (_turned(matrix, state) for matrix in (gradient, state["mean"]))
            state["square"].lerp_(turned.square(), 1 - betas[1])
            corrections = [1 - beta ** state["step"] for beta in betas]
            root = (state["square"] / corrections[1]).sqrt_().add_(epsilon)
            parameter.mul_(1 - rate * decay)
            parameter.sub_(_back(mean / root, state), alpha=rate / corrections[0])
            for name, factor in _factors(gradient):
                state[f"{name} factor"].lerp_(factor, 1 - betas[1])
                if state["step"] % refresh == 0:
                    self._refresh(name, state)

        def _refresh(self, name: str, state: Any) -> None:
            """Move a basis by a power iteration, its columns in the order of their powers."""
            factor, basis = state[f"{name} factor"], state[name]
            moved = factor @ basis
            order = (basis * moved).sum(0).argsort(descending=True)
            state["square"] = state["square"].index_select(0 if name == "left" else 1, order)
            state[name] = torch.linalg.qr(moved[:, order])[0]

    def _begin(state: Any, gradient: Any) -> bool:
        """Start the state; return whether the first gradient makes a step, as that of a vector does."""
        state["step"] = 0
        state["mean"], state["square"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
        for name, factor in _factors(gradient):
            state[f"{name} factor"] = (1 - betas[1]) * factor
            state[name] = torch.linalg.eigh(factor)[1].flip(1)
        return bool(gradient.ndim == 1)

    return SOAP()


def _factors(gradient: Any) -> list[tuple[str, Any]]:
    """Return Shampoo's factors of a gradient by name: none of a vector."""
    return [("left", gradient @ gradient.T), ("right", gradient.T @ gradient)] if gradient.ndim == 2 else []


def _turned(matrix: Any, state: Any) -> Any:
    return state["left"].T @ matrix @ state["right"] if matrix.ndim == 2 else matrix


def _back(matrix: Any, state: Any) -> Any:
    return state["left"] @ matrix @ state["right"].T if matrix.ndim == 2 else matrix
