"""Training steps on a GPU: pycopi on CuPy, PyTorch and JAX, beside backpropagation in PyTorch.

    python -m benchmarks.gpu [--turns 5]

The networks are the paper's. A step is taken as it comes, as `pycopi.train_step` does, and as `pycopi.fit`
does it: recorded as a CUDA graph on CuPy and PyTorch, compiled on JAX. Backpropagation is PyTorch's with fused
AdamW, as it comes and as a CUDA graph. Milliseconds, the median of some turns of 50 steps each.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import pycopi
from benchmarks.sides import installed, needed
from benchmarks.step import PAPER
from benchmarks.torch_programs import AdamTraining
from pycopi import presets
from pycopi.state import State
from pycopi.training.recorded import steps_on
from pycopi.training.step import step

BATCHES, STEPS = (50, 256), 50
_RATE = 1e-6  # small, so that numbers stay as they are however often a step is made

Take = Callable[[], Any]


def methods(sizes: tuple[int, ...], batch: int) -> Iterator[tuple[str, pycopi.Network, pycopi.Settings, Any]]:
    """Yield the name, network, settings and rates of what is measured."""
    recipe = presets.subspace_recipe(sizes, epochs=1, batch_size=batch)
    yield "paper", pycopi.mlp(sizes), presets.PAPER, pycopi.Rates(_RATE, _RATE)
    yield "Settings()", pycopi.mlp(sizes), pycopi.Settings(), pycopi.Rates(_RATE, _RATE)
    yield "subspace_recipe", recipe.network, recipe.settings, pycopi.Rates(_RATE)


def libraries(device: str) -> dict[str, tuple[Callable[[Any], Any], Callable[[Any], object]]]:
    """Return how arrays get to each library's device, and how to wait for it."""
    found: dict[str, tuple[Callable[[Any], Any], Callable[[Any], object]]] = {}
    if installed("cupy") and device == "cuda":
        cupy = needed("cupy")
        found["CuPy"] = cupy.asarray, lambda _: cupy.cuda.Device().synchronize()
    if installed("torch"):
        torch = needed("torch")
        found["PyTorch"] = lambda array: torch.from_numpy(array).to(device), float
    if installed("jax"):
        import jax

        place = jax.devices("gpu" if device == "cuda" else "cpu")[0]
        found["JAX"] = lambda array: jax.device_put(array, place), float
    return found


def milliseconds(take: Take, wait: Callable[[Any], object], turns: int, steps: int = STEPS) -> float:
    """Return the milliseconds of a step, which returns something to wait for."""
    for _ in range(5):
        last = take()
    wait(last)
    found = []
    for _ in range(turns):
        began = time.perf_counter()
        for _ in range(steps):
            last = take()
        wait(last)
        found.append(1e3 * (time.perf_counter() - began) / steps)
    return statistics.median(found)


def takes(put: Callable[[Any], Any], network: Any, settings: Any, rates: Any, batch: int) -> dict[str, Take]:
    """Return a step as it comes, and as `pycopi.fit` takes it."""
    generator = np.random.default_rng(0)
    x = put(generator.random((batch, network.inputs), np.float32))
    y = put(generator.integers(network.outputs, size=batch))
    fresh = State(*pycopi.start(network, settings, like=x[:0, :])[:3])

    def with_steps(take_step: Callable[..., Any]) -> Take:
        state = fresh

        def take() -> Any:
            nonlocal state
            state, metrics = take_step(network, state, x, y, settings, rates)
            return metrics.loss

        return take

    return {"fit": with_steps(steps_on(x)), "as it comes": with_steps(step)}


def backpropagation(sizes: tuple[int, ...], batch: int, device: str, turns: int) -> tuple[float, float]:
    """Return the milliseconds of a step of PyTorch with AdamW, as it comes and as a CUDA graph."""
    torch = needed("torch")
    generator = np.random.default_rng(0)
    x = torch.from_numpy(generator.random((batch, sizes[0]), np.float32)).to(device)
    y = torch.eye(sizes[-1], device=device)[
        torch.from_numpy(generator.integers(sizes[-1], size=batch)).to(device)
    ]
    with torch.device(device):
        program = AdamTraining([own.weight for own in pycopi.mlp(sizes).init(0)])
    parameters = program.network.parameters()
    program._optimizer = torch.optim.AdamW(parameters, lr=_RATE, fused=True, capturable=device == "cuda")
    plain = milliseconds(lambda: program.step(x, y), float, turns)
    if device != "cuda":
        return plain, float("nan")
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            program.step(x, y)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = program.step(x, y)

    def replay() -> Any:
        graph.replay()
        return loss

    return plain, milliseconds(replay, float, turns)


def main() -> None:
    """Print the table."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__, formatter_class=raw)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu only tries the program")
    options = parser.parse_args()
    torch = needed("torch")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.exit(1, "PyTorch finds no GPU here; --device cpu tries the program without one\n")
    print(f"{'network':<26}{'batch':>6}  {'what':<16}{'library':<9}{'as it comes':>12}{'fit':>8}")
    for name, sizes in PAPER.items():
        for batch in BATCHES:
            plain, graph = backpropagation(sizes, batch, options.device, options.turns)
            print(f"{name:<26}{batch:>6}  {'AdamW':<16}{'PyTorch':<9}{plain:>12.2f}{graph:>8.2f}")
            for what, network, settings, rates in methods(sizes, batch):
                for library, (put, wait) in libraries(options.device).items():
                    sides = takes(put, network, settings, rates, batch)
                    if library == "JAX":
                        del sides["as it comes"]
                    found = {side: milliseconds(take, wait, options.turns) for side, take in sides.items()}
                    usual = f"{found['as it comes']:>12.2f}" if "as it comes" in found else f"{'':>12}"
                    print(
                        f"{name:<26}{batch:>6}  {what:<16}{library:<9}{usual}{found['fit']:>8.2f}", flush=True
                    )


if __name__ == "__main__":
    main()
