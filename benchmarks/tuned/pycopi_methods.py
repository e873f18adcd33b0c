"""The methods of pycopi in the race, as `pycopi.epochs` trains them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarks.tuned.inputs import Data, Split
from benchmarks.tuned.learning import Epoch, course
from pycopi.network import Network, mlp
from pycopi.optimizers import Decorrelated, Momentum
from pycopi.presets import subspace_recipe
from pycopi.presets.subspace import STEP
from pycopi.rules.decorrelation import Decorrelation
from pycopi.rules.subspace import SubspaceDecorrelation
from pycopi.settings import Settings
from pycopi.state import start
from pycopi.training.divergence import DivergenceError
from pycopi.training.evaluate import evaluate
from pycopi.training.fit import epochs as train

_FEW = 20_000  # samples from one refresh of all eigenpairs of FOOF to the next
_GAIN = 1000.0  # the paper's

Setting = Mapping[str, Any]
Made = tuple[Network, Settings]


def subspace(
    sizes: Sequence[int], setting: Setting, *, perturbations: bool = True, bound: float | None = None
) -> Made:
    """Return `pycopi.subspace_recipe` at a setting, steps not bounded; or with decorrelated inputs alone."""
    how = SubspaceDecorrelation(rank=setting["rank"], damping=setting["damping"])
    return _folded(sizes, setting, how, how if perturbations else None, bound)


def foof(sizes: Sequence[int], setting: Setting) -> Made:
    """Return FOOF: the full closed form for the inputs."""
    how = SubspaceDecorrelation(rank=None, damping=setting["damping"], refresh=_FEW)
    return _folded(sizes, setting, how, None)


def rank_zero(sizes: Sequence[int], setting: Setting, *, bound: float | None = None) -> Made:
    """Return what is left without any direction: SGD with momentum."""
    return _folded(sizes, setting, None, None, bound)


def learned(sizes: Sequence[int], setting: Setting) -> Made:
    """Return backpropagation with the paper's learned decorrelation, its steps bounded."""
    momentum = setting["momentum"]
    rate = setting["rate"] * (1 - momentum)
    return _exact(sizes, setting, rule="gradient", rate=rate, gain=1.0, optimizer=Momentum(momentum=momentum))


def exact(sizes: Sequence[int], setting: Setting) -> Made:
    """Return COPI as in the paper, with cross-entropy, biases and bounded steps; the rate is gain * rate."""
    return _exact(sizes, setting, rule="copi", rate=setting["rate"] / _GAIN, gain=_GAIN)


@dataclass(frozen=True, kw_only=True)
class _Partly(Decorrelated):
    """`Decorrelated` for the inputs of the layers with so many features, or for those of all others."""

    features: int = 0
    others: bool = False

    def _step(
        self, name: str, matrix: Any, memory: Any, change: Any, rate: Any, copy: Any, inputs: Any
    ) -> tuple[Any, Any]:
        """Return a matrix and what is remembered of it after a step."""
        if (matrix.shape[1] == self.features) == self.others:
            inputs = None
        return super()._step(name, matrix, memory, change, rate, copy, inputs)


def ablated(sizes: Sequence[int], setting: Setting) -> Made:
    """Return `pycopi.subspace_recipe` with parts left out: the inputs or perturbations of some layers.

    A setting without a ``bound`` leaves that out.
    """
    parts, rank, bound = setting["parts"], setting["rank"], setting.get("bound")
    if not rank and rank is not None:
        return _folded(sizes, setting, None, None, bound)
    how = SubspaceDecorrelation(rank=rank, damping=setting["damping"], refresh=setting["refresh"])
    inputs = how if parts != "perturbations" else None
    perturbations = how if parts in ("all", "perturbations") else None
    network, settings = _folded(sizes, setting, inputs, perturbations, bound)
    if parts in ("first layer", "hidden layers"):
        others = parts == "hidden layers"
        where: dict[str, Any] = {"features": sizes[0], "others": others}
        partly = _Partly(inputs=inputs, perturbations=None, step_bound=bound, **where)
        settings = replace(settings, optimizer=partly)
    return network, settings


def defaults(sizes: Sequence[int], setting: Setting) -> Made:
    """Return `pycopi.subspace_recipe` as it is; of the setting only the batch counts."""
    return subspace_recipe(sizes, epochs=1, batch_size=setting["batch"])[:2]


AS_IT_IS = "subspace_recipe, as it is"
"""A method that is only timed, since nothing of it is chosen."""

METHODS: Mapping[str, Callable[[Sequence[int], Setting], Made]] = {
    "COPI subspace": subspace,
    "COPI subspace, bounded": partial(subspace, bound=STEP),
    "COPI subspace, inputs only": partial(subspace, perturbations=False),
    "COPI subspace, rank 0": rank_zero,
    "COPI subspace, rank 0, bounded": partial(rank_zero, bound=STEP),
    "COPI subspace, in parts": ablated,
    AS_IT_IS: defaults,
    "FOOF": foof,
    "BP, learned R": learned,
    "COPI exact": exact,
}


def _folded(
    sizes: Sequence[int],
    setting: Setting,
    inputs: SubspaceDecorrelation | None,
    perturbations: SubspaceDecorrelation | None,
    bound: float | None = None,
) -> Made:
    """Return a recipe; the decay is that of a steady gradient, as the rate is."""
    recipe, left = subspace_recipe(sizes, epochs=1), 1 - setting["momentum"]
    optimizer = Decorrelated(
        inputs=inputs,
        perturbations=perturbations,
        momentum=setting["momentum"],
        decay=setting["decay"] / left,
        step_bound=bound,
    )
    return recipe.network, replace(recipe.settings, rate=setting["rate"] * left, optimizer=optimizer)


def _exact(sizes: Sequence[int], setting: Setting, **how: Any) -> Made:
    decorrelation = Decorrelation(rate=setting["decorrelation"], step_bound=setting["decorrelation bound"])
    bound = {"step_bound": setting["bound"], "decorrelation": decorrelation, "loss": "cross_entropy"}
    return mlp(sizes, bias=True), Settings(**how, **bound)


def epochs(
    method: str, sizes: Sequence[int], setting: Setting, data: Data, count: int, seed: int
) -> Iterator[Epoch]:
    """Yield what each epoch of a run was; a run that diverges ends with FloatingPointError."""
    network, settings = METHODS[method](sizes, setting)
    state = start(network, settings, seed, like=data.train.inputs)
    how = {"batch_size": setting["batch"], "weight_schedule": course(count), "seed": seed}
    states = train(network, state, *data.train, epochs=count, settings=settings, **how)
    while True:
        began = time.process_time()
        try:
            state = next(states, None)
        except DivergenceError as error:
            raise FloatingPointError(str(error)) from None
        if state is None:
            return
        yield Epoch(state.history[-1].loss, time.process_time() - began, _accuracy(network, state.parameters))


def _accuracy(network: Network, parameters: Any) -> Callable[[Split], float]:
    return lambda part: evaluate(network, parameters, *part).accuracy or 0.0
