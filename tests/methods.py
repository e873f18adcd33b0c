"""The ways of learning that the suite knows, by name, and the plain equations of each."""

from dataclasses import dataclass

import exact
import numpy as np
import pytest
import reference
from assertions import assert_close
from networks import scrambled

import pycopi
from pycopi._array import namespace
from pycopi._trees import named_arrays

RNG = np.random.default_rng(5)
Y = RNG.normal(size=(6, 7))
CLASSES = np.array([0, 1, 2, 0, 1, 2])
ONE_HOT = np.eye(3)[CLASSES]
SIZES = [7, 6, 5, 3]
NETWORK = pycopi.mlp(SIZES, bias=True)


def method(of_r=None, /, **fields):
    """Return settings with these fields, and those of the decorrelation in a dictionary."""
    how = exact.decorrelation(rate=0.02, **of_r or {})
    return exact.settings(**{"gain": 2.0, "rate": 0.05, "decorrelation": how} | fields)


@dataclass(frozen=True)
class Broadcast(pycopi.Credit):
    """From outside: the sum of the error, given to every unit below."""

    def assign(self, problem, kept):
        wanted = namespace(problem.error).sum(problem.error, axis=1, keepdims=True)
        below = range(len(problem.layers) - 1)
        return (*(problem.perturb(index, wanted) for index in below), problem.error), kept


@dataclass(frozen=True)
class SignDescent(pycopi.Optimizer):
    """From outside: steps of one size, whatever the change."""

    rescales = True

    def step(self, parameter, memory, change, rate):
        return parameter + rate * namespace(change).sign(change), memory


@dataclass(frozen=True, kw_only=True)
class Halved(pycopi.Decorrelation):
    """From outside: half the usual step of R."""

    def change(self, decorrelated, reprojected, power, rate, share):
        return super().change(decorrelated, reprojected, power, rate, 0.5 * share)


FEW = pycopi.SubspaceDecorrelation(rank=2)

METHODS = {
    "copi": method(),
    "gradient": method(rule="gradient"),
    "variance-scaled": method(rule=pycopi.COPI(variance_scaled=True, epsilon=1e-2)),
    "cross-entropy": method(loss="cross_entropy"),
    "bounded": method({"step_bound": 0.01}, step_bound=0.01),
    "local": method({"rule": "local"}),
    "whitening": method({"whitening": 0.3}),
    "local-whitening": method({"rule": "local", "whitening": 0.3}),
    "fraction": method({"fraction": 0.5}),
    "by-layer": method(decorrelation=tuple(exact.decorrelation(rate=rate) for rate in (0.02, 0.0, 0.01))),
    "feedback": method(credit="feedback_alignment"),
    "direct-feedback": method(credit="direct_feedback_alignment"),
    "sign-symmetric": method(credit="sign_symmetric"),
    "node-perturbation": method(credit="node_perturbation"),
    "momentum": method(optimizer=pycopi.Momentum(momentum=0.8, decay=0.1)),
    "momentum-gradient": method(rule="gradient", optimizer="momentum"),
    "adam": method(rule="adam", rate=0.01),
    "adam-published": method(rule="gradient", rate=0.01, optimizer=pycopi.Adam(correction="constant")),
    "adam-copi": method(rule="copi", rate=0.01, optimizer="adam"),
    "own-credit": method(credit=Broadcast(), rate=0.01),
    "own-optimizer": method(optimizer=SignDescent(), rate=0.01),
    "own-decorrelation": method(decorrelation=Halved(rate=0.02, step_bound=None)),
    "decorrelated": method(
        rule="gradient",
        optimizer=pycopi.Decorrelated(inputs=FEW, perturbations=FEW, momentum=0.5, decay=0.1),
    ),
    "feedback-momentum": method(credit="feedback_alignment", rate=0.01, optimizer="momentum"),
    "apart": method(step_bound=1.0),
}
FORMS = dict.fromkeys(METHODS, True) | {"apart": FEW}
NETWORKS = {name: pycopi.mlp(SIZES, bias=True, decorrelated=form) for name, form in FORMS.items()}

RATES = {
    "both": pycopi.Rates(0.05, 0.02),
    "weights": pycopi.Rates(0.05, None),
    "decorrelation": pycopi.Rates(None, 0.02),
    "layers": pycopi.Rates(0.05, (0.02, None, 0.01)),
}
ELSEWHERE = ("bounded", "fraction", "node-perturbation", "decorrelated", "apart")
NO_ORACLE = (*ELSEWHERE, *(name for name in METHODS if name.startswith("own-")))
NOISY = ("node-perturbation",)  # other rows, or other units, get other noise


def begin(settings, network=NETWORK, dtype=np.float64):
    """Return the state of a run whose parameters are not trivial, and whose second step comes next."""
    apart = isinstance(network.layers[0], pycopi.SubspaceDense)  # its directions are orthonormal
    parameters = network.init(2, like=Y.astype(dtype)) if apart else scrambled(network, 2, dtype)
    state = pycopi.start(network, settings, seed=3, parameters=parameters)
    if not apart and not named_arrays(state.optimizer):
        return state
    return pycopi.train_step(network, state, Y.astype(dtype), CLASSES, settings)[0]


def arrays_of(state):
    return state.named()


def assert_states_close(actual, expected, backend, like, rtol):
    assert set(arrays_of(actual)) == set(arrays_of(expected))
    for name, array in arrays_of(expected).items():
        if np.asarray(array).dtype.kind == "f":
            assert_close(arrays_of(actual)[name], np.asarray(array), backend, like, rtol=rtol)
        else:
            assert backend.numpy(arrays_of(actual)[name]).tolist() == np.asarray(array).tolist()


# the plain equations


def plain_deltas(settings, parameters, kept, activities, error):
    """Return the perturbations of each layer, by the equations of its credit."""
    deltas, layers = [error], NETWORK.layers
    for index in range(len(parameters) - 1, 0, -1):
        own, wanted = parameters[index], deltas[0]
        if settings.credit == "backpropagation":
            wanted = wanted @ (own.weight @ own.decorrelator)
        elif settings.credit == "feedback_alignment":
            wanted = wanted @ kept[index - 1]
        elif settings.credit == "direct_feedback_alignment":
            wanted = error @ kept["direct"][index - 1]
        elif settings.credit == "sign_symmetric":
            sizes = kept["sizes"][index - 1]
            assert np.all(sizes > 0)
            wanted = wanted @ (sizes * np.sign(own.weight))
        else:
            pytest.fail(f"no equation for {settings.credit}")
        deltas.insert(0, wanted * layers[index - 1].activation.derivative(activities[index - 1]))
    return deltas


def plain_proposals(settings, state):
    """Return the changes of weights and biases at a rate of 1, and of R at its own, and the loss."""
    xs, activities, y = [], [], Y
    for own, layer in zip(state.parameters, NETWORK.layers, strict=True):
        xs.append(y @ own.decorrelator.T)
        activities.append(xs[-1] @ own.weight.T + own.bias)
        y = layer.activation(activities[-1])
    loss = 0.5 * ((ONE_HOT - y) ** 2).sum(axis=1).mean()
    answer = y
    if settings.loss == "cross_entropy":
        answer = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
        loss = -np.log(answer[np.arange(6), CLASSES]).mean()
    error = settings.gain * (ONE_HOT - answer)
    deltas = plain_deltas(settings, state.parameters, state.credit, activities, error)
    rule, proposals = settings.method.rule, []
    for index, (own, x, delta) in enumerate(zip(state.parameters, xs, deltas, strict=True)):
        weight = own.weight + delta.T @ x / len(x)
        if isinstance(rule, pycopi.COPI):
            epsilon = rule.epsilon if rule.variance_scaled else None
            weight = reference.copi(own.weight, activities[index] - own.bias + delta, x, 1.0, epsilon)
        how = settings.decorrelations[min(index, len(settings.decorrelations) - 1)]
        r = reference.decorrelation(own.decorrelator, x, how.rate, how.rule, how.whitening)
        proposals.append((weight - own.weight, delta.mean(axis=0), r - own.decorrelator))
    return proposals, loss


def plain_optimizer(settings, array, memory, proposal, step):
    """Return a parameter after its proposal at a rate of 1, and what is remembered, by the equations."""
    how, rate = settings.method.optimizer, settings.rate
    if isinstance(how, pycopi.Momentum):
        velocity = how.momentum * memory + rate * proposal
        return array * (1 - rate * how.decay) + velocity
    if isinstance(how, pycopi.Adam):
        m = how.beta1 * memory["moments"][0] + (1 - how.beta1) * proposal
        v = how.beta2 * memory["moments"][1] + (1 - how.beta2) * proposal**2
        t = step if how.correction == "exact" else 1
        return array + rate * (m / (1 - how.beta1**t)) / (np.sqrt(v / (1 - how.beta2**t)) + how.epsilon)
    return array + rate * proposal
