"""The rivals, as a competent user of PyTorch writes them: backpropagation with four optimizers."""

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.sides import needed
from benchmarks.tuned.inputs import Data, Split
from benchmarks.tuned.learning import Epoch, course, rows_of_epoch
from benchmarks.tuned.muon import muon
from benchmarks.tuned.soap import soap

_SLOPE = 0.1  # of the leaky ReLU


def network(sizes: Sequence[int], seed: int) -> Any:
    """Return a multilayer perceptron: leaky ReLU, Kaiming's weights by the seed, biases of 0."""
    torch = needed("torch")
    generator, layers = torch.Generator().manual_seed(seed), []
    for n, m in pairwise(sizes):
        layer = torch.nn.utils.skip_init(torch.nn.Linear, n, m)
        torch.nn.init.kaiming_normal_(layer.weight, a=_SLOPE, generator=generator)
        torch.nn.init.zeros_(layer.bias)
        layers += [layer, torch.nn.LeakyReLU(_SLOPE)]
    return torch.nn.Sequential(*layers[:-1])  # the output layer is linear


def optimizers(method: str, net: Any, setting: Mapping[str, Any]) -> list[Any]:
    """Return the optimizers of a method for a network."""
    optim, parameters = needed("torch").optim, list(net.parameters())
    rate, decay = setting["rate"], setting["decay"]
    if method == "SGD":
        momentum = setting["momentum"]
        how = {"momentum": momentum, "weight_decay": decay, "fused": True}
        return [optim.SGD(parameters, lr=rate * (1 - momentum), **how)]
    if method == "AdamW":
        return [optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)]
    if method == "SOAP":
        return [soap(parameters, rate, decay=decay, refresh=setting["refresh"])]
    if method != "Muon":
        msg = f"method {method!r} is not one in PyTorch; expected SGD, AdamW, Muon or SOAP"
        raise ValueError(msg)
    hidden = [one for one in parameters[:-2] if one.ndim == 2]  # the last two are those of the last layer
    others = [one for one in parameters[:-2] if one.ndim == 1] + parameters[-2:]
    return [
        muon(hidden, rate, momentum=setting["momentum"], decay=decay),
        optim.AdamW(others, lr=setting["adam"], weight_decay=decay, fused=True),
    ]


class Program:
    """A network and its optimizers; `step` learns from a batch of tensors."""

    def __init__(self, method: str, sizes: Sequence[int], setting: Mapping[str, Any], seed: int) -> None:
        self.network = network(sizes, seed)
        self._loss = needed("torch").nn.functional.cross_entropy
        self._optimizers = optimizers(method, self.network, setting)
        groups = [group for one in self._optimizers for group in one.param_groups]
        self._rates = [(group, group["lr"]) for group in groups]

    def step(self, inputs: Any, labels: Any, factor: float = 1.0) -> float:
        """Take a step at so much of the rate, and return the loss before it."""
        for group, rate in self._rates:
            group["lr"] = factor * rate
        self.network.zero_grad()
        loss = self._loss(self.network(inputs), labels)
        loss.backward()
        for one in self._optimizers:
            one.step()
        return float(loss.detach())

    def accuracy(self, part: Split) -> float:
        """Return the share of right answers."""
        torch = needed("torch")
        with torch.no_grad():
            found = self.network(torch.from_numpy(part.inputs)).argmax(1).numpy()
        return float((found == part.labels).mean())


def epochs(
    method: str, sizes: Sequence[int], setting: Mapping[str, Any], data: Data, count: int, seed: int
) -> Iterator[Epoch]:
    """Yield what each epoch of a run was; a loss that is not finite ends it with FloatingPointError."""
    torch = needed("torch")
    program, batch = Program(method, sizes, setting, seed), setting["batch"]
    inputs, labels = map(torch.from_numpy, data.train)
    schedule, steps = course(count), -(-len(labels) // batch)
    for epoch in range(count):
        began, losses = time.process_time(), []
        for step, rows in enumerate(rows_of_epoch(len(labels), batch, seed, epoch)):
            index = torch.from_numpy(rows)
            losses.append(program.step(inputs[index], labels[index], schedule.within(epoch, step, steps)))
            if not np.isfinite(losses[-1]):
                msg = f"diverged in epoch {epoch + 1}: the loss is {losses[-1]}"
                raise FloatingPointError(msg)
        yield Epoch(float(np.mean(losses)), time.process_time() - began, program.accuracy)
