"""Two programs in PyTorch that pycopi is measured against, as a competent user of PyTorch writes them.

`PlainEquations` is the paper's algorithm as it is printed: the covariance matrix is formed, and multiplied
by the decorrelating matrix. `AdamTraining` is what COPI stands in for: backpropagation by automatic
differentiation, with Adam in its fused form. The tests check one step of each in float64.
"""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from benchmarks.sides import needed
from pycopi.presets import MNIST

Matrix = NDArray[Any]

_SLOPE = 0.1  # of the leaky ReLU


class PlainEquations:
    """COPI with decorrelation by the paper's equations, as tensors of PyTorch without its autograd.

    Updates are in place, and the two large matrices of a layer's update have buffers of their own.

    Parameters
    ----------
    weights : sequence of array
        Forward weights W of each layer, shape (m, n); the decorrelating matrices R begin as the identity.
    rate, gain : float
        Step size of W and of R, and factor of the output error, dimensionless.
    """

    def __init__(self, weights: Sequence[Matrix], *, rate: float = 1e-3, gain: float = 1000.0) -> None:
        torch = needed("torch")
        self._torch, self._rate, self._gain = torch, rate, gain
        self.weights = [torch.tensor(weight) for weight in weights]
        self.decorrelators = [torch.eye(w.shape[1], dtype=w.dtype) for w in self.weights]
        self._covariances = [torch.empty_like(r) for r in self.decorrelators]
        self._changes = [torch.empty_like(r) for r in self.decorrelators]

    def step(self, inputs: Any, targets: Any) -> Any:
        """Learn from a batch of inputs (B, n) and one-hot targets (B, m), and return the mean loss before."""
        with self._torch.no_grad():
            decorrelated, preactivations, outputs = self._forward(inputs)
            error = targets - outputs
            perturbations = self._perturbations(self._gain * error, preactivations)
            for layer, (x, a, delta) in enumerate(
                zip(decorrelated, preactivations, perturbations, strict=True)
            ):
                self._learn(layer, x, a.add_(delta))
            return 0.5 * error.square_().sum(1).mean()

    def _forward(self, inputs: Any) -> tuple[list[Any], list[Any], Any]:
        """Return the decorrelated inputs and the preactivations of each layer, and the outputs."""
        decorrelated, preactivations, y = [], [], inputs
        for weight, decorrelator in zip(self.weights, self.decorrelators, strict=True):
            decorrelated.append(y @ decorrelator.T)
            preactivations.append(decorrelated[-1] @ weight.T)
            y = self._torch.nn.functional.leaky_relu(preactivations[-1], _SLOPE)
        return decorrelated, preactivations, preactivations[-1]  # the output layer is linear

    def _perturbations(self, error: Any, preactivations: list[Any]) -> list[Any]:
        """Return the perturbation of each layer, backpropagated through W and R."""
        perturbations = [error]
        for layer in range(len(self.weights) - 1, 0, -1):
            delta = perturbations[-1] @ self.weights[layer] @ self.decorrelators[layer]
            below = preactivations[layer - 1]
            perturbations.append(self._torch.where(below > 0, delta, _SLOPE * delta))
        return perturbations[::-1]

    def _learn(self, layer: int, x: Any, z: Any) -> None:
        """Change R and W of a layer by its decorrelated inputs x and perturbed states z."""
        torch, share = self._torch, self._rate / len(x)
        weight, decorrelator = self.weights[layer], self.decorrelators[layer]
        covariance, change = self._covariances[layer], self._changes[layer]
        torch.mm(x.T, x, out=covariance)
        power = covariance.diagonal().clone()  # B times the second moments of x
        covariance.fill_diagonal_(0)
        torch.mm(covariance, decorrelator, out=change)
        decorrelator.sub_(change, alpha=share)
        weight.mul_(1 - share * power).addmm_(z.T, x, alpha=share)


class AdamTraining:
    """Backpropagation with Adam: a multilayer perceptron of PyTorch, leaky ReLU and squared error.

    Parameters
    ----------
    weights : sequence of array
        Weights of each layer, shape (m, n), to begin with.
    rate : float
        Step size of Adam, dimensionless; its other settings are PyTorch's (0.9, 0.999, 1e-8).
    """

    def __init__(self, weights: Sequence[Matrix], *, rate: float = MNIST.adam_rate) -> None:
        torch = needed("torch")
        layers: list[Any] = []
        for weight in weights:
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            layer.weight = torch.nn.Parameter(torch.tensor(weight))
            layers += [layer, torch.nn.LeakyReLU(_SLOPE)]
        self.network = torch.nn.Sequential(*layers[:-1])  # the output layer is linear
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=rate, fused=True)

    def step(self, inputs: Any, targets: Any) -> Any:
        """Learn from a batch of inputs (B, n) and one-hot targets (B, m), and return the mean loss before."""
        self._optimizer.zero_grad()
        loss = 0.5 * (self.network(inputs) - targets).square().sum(1).mean()
        loss.backward()
        self._optimizer.step()
        return loss.detach()

    def state(self) -> dict[str, Any]:
        """Return weights and moments, to be kept."""
        return {"network": self.network.state_dict(), "optimizer": self._optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on with weights and moments that were kept."""
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
