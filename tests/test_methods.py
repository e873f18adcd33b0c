"""Every way of learning against every contract: a line in METHODS gives a rule, credit or optimizer all tests.

The contracts: a step agrees with the plain equations on every library and under jax.jit, leaves its arguments
alone or changes them in place as asked, takes one row as it takes two, does not depend on the order of units,
and goes on from a file bit for bit.
"""

import functools
from dataclasses import dataclass

import numpy as np
import pytest
import reference
from assertions import assert_close, assert_same, exactly, tolerance
from backends import NUMPY
from test_network import scrambled

import pycopi
from pycopi import kernels
from pycopi._array import namespace
from pycopi._trees import named_arrays
from pycopi.training import step as steps

RNG = np.random.default_rng(5)
Y = RNG.normal(size=(6, 7))
CLASSES = np.array([0, 1, 2, 0, 1, 2])
ONE_HOT = np.eye(3)[CLASSES]
SIZES = [7, 6, 5, 3]
NETWORK = pycopi.mlp(SIZES, bias=True)


def method(of_r=None, /, **fields):
    """Return settings with these fields, and those of the decorrelation in a dictionary."""
    how = pycopi.Decorrelation(rate=0.02, **of_r or {})
    return pycopi.Settings(**{"gain": 2.0, "rate": 0.05, "decorrelation": how} | fields)


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
    "by-layer": method(decorrelation=tuple(pycopi.Decorrelation(rate=rate) for rate in (0.02, 0.0, 0.01))),
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
    "own-decorrelation": method(decorrelation=Halved(rate=0.02)),
    "decorrelated": method(
        rule="gradient",
        optimizer=pycopi.Decorrelated(inputs=FEW, perturbations=FEW, momentum=0.5, decay=0.1),
    ),
    "feedback-momentum": method(credit="feedback_alignment", rate=0.01, optimizer="momentum"),
}
RATES = {
    "both": pycopi.Rates(0.05, 0.02),
    "weights": pycopi.Rates(0.05, None),
    "decorrelation": pycopi.Rates(None, 0.02),
    "layers": pycopi.Rates(0.05, (0.02, None, 0.01)),
}

ELSEWHERE = ("bounded", "fraction", "node-perturbation", "decorrelated")
NO_ORACLE = (*ELSEWHERE, *(name for name in METHODS if name.startswith("own-")))
NOISY = ("node-perturbation",)  # other rows, or other units, get other noise


def begin(settings, network=NETWORK, dtype=np.float64):
    """Return the state of a run whose parameters are not trivial, and whose second step comes next."""
    parameters = scrambled(network, 2, dtype)
    state = pycopi.start(network, settings, seed=3, parameters=parameters)
    if not named_arrays(state.optimizer):
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


@pytest.mark.parametrize("name", [name for name in METHODS if name not in NO_ORACLE])
def test_a_step_is_the_plain_equations_on_every_backend(xp, name):
    settings = METHODS[name]
    state = begin(settings)
    proposals, loss = plain_proposals(settings, state)
    like = xp.asarray(Y)
    step = functools.partial(pycopi.train_step, NETWORK, settings=settings)
    learned, metrics = xp.call(step, state.map(xp.asarray), like, xp.asarray(CLASSES))
    assert float(metrics.loss) == pytest.approx(loss, rel=1e-12)
    for index, (weight, bias, r) in enumerate(proposals):
        old, new = state.parameters[index], learned.parameters[index]
        assert_close(new.decorrelator, old.decorrelator + r, xp, like, rtol=1e-12)
        for part, proposal in (("weight", weight), ("bias", bias)):
            memory = state.optimizer[index][part] if state.optimizer else None
            wanted = plain_optimizer(settings, getattr(old, part), memory, proposal, 2)
            assert_close(getattr(new, part), wanted, xp, like, rtol=1e-9)


# one row


def twice(network, state, inputs, targets, settings, rates):
    """Return the state after a step on the same sample twice: the mean over the two is the sample's."""
    batch = np.repeat(inputs, 2, axis=0), np.repeat(targets, 2)
    return pycopi.train_step(network, state, *batch, settings, rates)[0]


@pytest.mark.parametrize("name", [name for name in METHODS if name not in NOISY])
@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("kind", ["plain", "bias", "decorrelated", "both"])
def test_one_row_equals_two_that_are_the_same(name, rates, kind):
    settings, rates = METHODS[name], RATES[rates]
    network = pycopi.mlp(SIZES, bias=kind in ("bias", "both"), decorrelated=kind in ("decorrelated", "both"))
    state = begin(settings, network)
    expected = twice(network, state, Y[:1], CLASSES[:1], settings, rates)
    learned, metrics = pycopi.train_step(network, state, Y[:1], CLASSES[:1], settings, rates)
    assert_states_close(learned, expected, NUMPY, Y, tolerance(Y.dtype, 20))
    assert np.isfinite(metrics.loss)


@pytest.mark.parametrize("name", METHODS)
def test_every_backend_and_dtype_agree_for_one_row(xp, name):
    for dtype in (np.float32, np.float64):
        settings, x = METHODS[name], Y[:1].astype(dtype)
        state = begin(settings, dtype=dtype)
        expected, _ = pycopi.train_step(NETWORK, state, x, CLASSES[:1], settings, RATES["both"])
        step = functools.partial(pycopi.train_step, NETWORK, settings=settings, rates=RATES["both"])
        moved = state.map(xp.asarray)
        learned, _ = xp.call(step, moved, xp.asarray(x), xp.asarray(CLASSES[:1]))
        loose = 100 if name in NOISY else 1  # a difference of two losses
        assert_states_close(learned, expected, xp, xp.asarray(x), loose * tolerance(dtype, 50))


def test_each_matrix_is_read_twice_and_written_once(monkeypatch):
    state = pycopi.State(scrambled(NETWORK, 2))
    reads, writes = {}, {}

    def count(function, position):
        def counted(matrix, *arguments, **keywords):
            reads[id(matrix)] = reads.get(id(matrix), 0) + 1
            if arguments[position] is not None:
                writes[id(matrix)] = writes.get(id(matrix), 0) + 1
            return function(matrix, *arguments, **keywords)

        return counted

    monkeypatch.setattr(kernels, "update_then_project", count(kernels.update_then_project, 0))
    monkeypatch.setattr(kernels, "pull_then_update", count(kernels.pull_then_update, 1))
    monkeypatch.setattr(kernels, "apply", count(kernels.apply, 0))
    monkeypatch.setattr(kernels, "product", None)
    batch = Y[:1], CLASSES[:1]
    learned, _ = steps.step(NETWORK, state, *batch, METHODS["copi"], RATES["both"], copy=None)
    matrices = [id(a) for own in learned.parameters for a in (own.weight, own.decorrelator)]
    assert [reads[i] for i in matrices] == [2] * 6
    assert [writes[i] for i in matrices] == [1] * 6


# what may be overwritten


@pytest.mark.parametrize("samples", [1, 6])
@pytest.mark.parametrize("name", METHODS)
def test_copy_says_what_a_step_may_overwrite(name, samples):
    settings, batch = METHODS[name], (Y[:samples], CLASSES[:samples])
    state = begin(settings)
    before = {place: array.copy() for place, array in arrays_of(state).items()}
    learned, _ = pycopi.train_step(NETWORK, state, *batch, settings)
    assert learned.step == state.step + 1
    for place, array in arrays_of(state).items():
        assert_same(array, before[place])
    in_place, _ = pycopi.train_step(NETWORK, state, *batch, settings, copy=False)
    for place, array in arrays_of(in_place).items():
        if not place.startswith("credit"):  # what credit keeps is not what a step writes to
            assert array is arrays_of(state)[place], place
        assert_same(array, arrays_of(learned)[place])


@pytest.mark.parametrize("name", METHODS)
def test_a_block_of_steps_is_its_steps(name):
    settings = METHODS[name]
    state = one_by_one = begin(settings)
    block = np.stack([Y, Y[::-1]]), np.stack([CLASSES, CLASSES[::-1]])
    learned, _ = pycopi.train_steps(NETWORK, state, *block, settings)
    for batch in zip(*block, strict=True):
        one_by_one, _ = pycopi.train_step(NETWORK, one_by_one, *batch, settings)
    assert learned.step == one_by_one.step
    for place, array in arrays_of(one_by_one).items():
        assert_same(arrays_of(learned)[place], array)


# units have no order


@pytest.mark.parametrize("samples", [1, 6])
@pytest.mark.parametrize("name", [name for name in METHODS if name not in NOISY])
def test_units_in_another_order_learn_the_same(name, samples):
    settings, order = METHODS[name], {6: RNG.permutation(6), 5: RNG.permutation(5)}

    def permuted(array):
        for axis, size in enumerate(array.shape):
            array = np.take(array, order[size], axis=axis) if size in order else array
        return array.copy()

    batch = Y[:samples], CLASSES[:samples]
    state = begin(settings)
    one, _ = pycopi.train_step(NETWORK, state.map(permuted), *batch, settings)
    other = pycopi.train_step(NETWORK, state, *batch, settings)[0].map(permuted)
    assert_states_close(one, other, NUMPY, Y, tolerance(Y.dtype, 100))


# files


@pytest.mark.parametrize("name", METHODS)
def test_a_run_goes_on_from_its_file_bit_for_bit(name, tmp_path):
    settings, (x, y) = METHODS[name], (Y.astype(np.float32), CLASSES)
    how = {"settings": settings, "batch_size": 2, "progress": False}
    whole = pycopi.fit(NETWORK, pycopi.start(NETWORK, settings, seed=4), x, y, epochs=4, **how)
    half = pycopi.fit(NETWORK, pycopi.start(NETWORK, settings, seed=4), x, y, epochs=2, **how)
    with pycopi.Checkpoint(tmp_path / "run") as checkpoint:
        checkpoint.save(NETWORK, half)
        stored = checkpoint.load().state
    assert stored.history == half.history
    assert stored.step == half.step == 6
    for state in (half, stored):
        rest = pycopi.fit(NETWORK, state, x, y, epochs=4, **how)
        assert set(arrays_of(rest)) == set(arrays_of(whole))
        for place, array in arrays_of(whole).items():
            assert_same(arrays_of(rest)[place], array)
    model = pycopi.load(tmp_path / "run" / "model.safetensors")
    assert_same(model.parameters[0].weight, half.parameters[0].weight)


# what some methods have of their own


def test_a_method_that_remembers_is_not_given_parameters_alone():
    for name, what in (("feedback", "credit"), ("momentum", "optimizer")):
        settings = METHODS[name]
        needs = getattr(settings.method, what)
        message = (
            f"{needs} keeps a state from step to step, and none was given; begin with "
            "pycopi.start(network, settings, seed), and give what it returns in place of parameters"
        )
        with pytest.raises(ValueError, match=exactly(message)):
            pycopi.train_step(NETWORK, scrambled(NETWORK, 0), Y, CLASSES, settings)


def test_a_state_of_another_method_is_refused():
    x, adam = Y.astype(np.float32), METHODS["adam"]
    state = pycopi.start(NETWORK, adam)
    other = pycopi.mlp([7, 9, 5, 3], bias=True)
    wrong = pycopi.start(other, adam)._replace(parameters=state.parameters)
    for given, settings, place in (
        (state, METHODS["momentum"], "optimizer.0.weight"),
        (wrong, adam, "optimizer.0.weight.moments"),
    ):
        message = (
            f"{place} of the state is not what the settings need: it is of another run; begin with "
            "pycopi.start(network, settings, seed, parameters=state.parameters)"
        )
        with pytest.raises(ValueError, match=exactly(message)):
            pycopi.fit(NETWORK, given, x, CLASSES, epochs=1, settings=settings, batch_size=2)
    plain = pycopi.fit(NETWORK, state, x, CLASSES, epochs=1, settings=METHODS["copi"], batch_size=2)
    assert len(plain.history) == 1  # what is not needed does no harm


def test_parameters_alone_learn_as_a_state_does():
    parameters = scrambled(NETWORK, 0)
    alone, _ = pycopi.train_step(NETWORK, parameters, Y, CLASSES, METHODS["copi"])
    state, _ = pycopi.train_step(NETWORK, pycopi.State(parameters), Y, CLASSES, METHODS["copi"])
    for place, array in named_arrays(alone).items():
        assert_same(array, named_arrays(state.parameters)[place])


def test_the_mean_of_node_perturbation_is_backpropagation():
    """The mean of 20,000 estimates, for a difference quotient of small noise."""
    settings = method(credit=pycopi.NodePerturbation(noise=1e-4), rule="gradient", rate=1.0, gain=1.0)
    rates, network = pycopi.Rates(1.0, None), pycopi.mlp([7, 6, 3], activation="tanh")
    parameters = scrambled(network, 1)
    state = pycopi.start(network, settings, parameters=parameters)
    count = 20_000
    inputs, targets = np.repeat(Y[:1], count, axis=0), np.repeat(CLASSES[:1], count)
    learned, _ = pycopi.train_step(network, state, inputs, targets, settings, rates)
    wanted, _ = pycopi.train_step(
        network, parameters, Y[:1], CLASSES[:1], method(rule="gradient", gain=1.0), rates
    )
    for new, other, old in zip(learned.parameters, wanted, parameters, strict=True):
        exact = other.weight - old.weight
        assert_close(new.weight - old.weight, exact, NUMPY, Y, rtol=0.1, scale=np.abs(exact).max())


def test_the_noise_of_node_perturbation_is_new_in_each_step_and_the_same_for_a_seed():
    settings = METHODS["node-perturbation"]
    one, two = (pycopi.start(NETWORK, settings, seed, parameters=scrambled(NETWORK, 0)) for seed in (1, 2))
    first, _ = pycopi.train_step(NETWORK, one, Y, CLASSES, settings)
    again, _ = pycopi.train_step(NETWORK, one, Y, CLASSES, settings)
    assert_same(first.parameters[0].weight, again.parameters[0].weight)
    others = [two, one._replace(credit=first.credit)]
    for other in others:
        learned, _ = pycopi.train_step(NETWORK, other, Y, CLASSES, settings)
        assert np.abs(learned.parameters[0].weight - first.parameters[0].weight).max() > 1e-4


# layers and activations from outside


@dataclass(frozen=True)
class Softplus:
    def __call__(self, preactivations):
        return namespace(preactivations).logaddexp(0.0 * preactivations, preactivations)

    def derivative(self, preactivations):
        return 0.5 + 0.5 * namespace(preactivations).tanh(0.5 * preactivations)


@dataclass(frozen=True)
class Elementwise(pycopi.Layer):
    inputs: int
    outputs: int
    parameters = pycopi.DenseParameters

    def shapes(self):
        return {"weight": (self.inputs,)}

    def init(self, generator):
        return self.parameters(generator.uniform(0.5, 1.5, self.inputs))

    def forward(self, own, inputs, learning=None):
        preactivations = inputs * own.weight[None, :]
        return pycopi.Record(inputs, preactivations, preactivations)

    def pull_back(self, own, record, perturbations):
        return perturbations * own.weight[None, :], record

    def changes(self, own, record, perturbations, learning):
        x, xp = record.decorrelated, namespace(record.decorrelated)
        if perturbations is None:
            return {}
        return {"weight": learning.step_size(x) * xp.mean(perturbations * x, axis=0)}


OWN = pycopi.Network(
    (Elementwise(7, 7), pycopi.Dense(7, 6, Softplus(), bias=True), Elementwise(6, 6), pycopi.Dense(6, 3))
)


@pytest.mark.parametrize("name", ["copi", "adam", "momentum"])
def test_layers_and_activations_from_outside_learn_on_every_backend(xp, name):
    settings = METHODS[name]
    state = pycopi.start(OWN, settings, like=Y)
    for samples in (1, 6):
        batch = Y[:samples], CLASSES[:samples]
        expected, _ = pycopi.train_step(OWN, state, *batch, settings)
        moved = state.map(xp.asarray)
        step = functools.partial(pycopi.train_step, OWN, settings=settings)
        learned, _ = xp.call(step, moved, *map(xp.asarray, batch))
        assert_states_close(learned, expected, xp, xp.asarray(Y), 1e-12)
        own, _ = pycopi.train_step(OWN, state.map(np.copy), *batch, settings, copy=None)
        assert_states_close(own, expected, NUMPY, Y, 1e-14)


def test_one_weight_a_feature_descends_the_loss():
    settings, parameters = method(rule="gradient", gain=1.0), OWN.init(0, like=Y)
    learned, _ = pycopi.train_step(OWN, parameters, Y, CLASSES, settings, pycopi.Rates(1.0, None))

    def loss_of(weight):
        outputs = OWN.predict((parameters[0]._replace(weight=weight), *parameters[1:]), Y)
        return 0.5 * ((ONE_HOT - outputs) ** 2).sum(axis=1).mean()

    for place, unit in enumerate(1e-6 * np.eye(7)):
        old = parameters[0].weight
        slope = (loss_of(old + unit) - loss_of(old - unit)) / 2e-6
        assert learned[0].weight[place] - old[place] == pytest.approx(-slope, rel=1e-6, abs=1e-9)


def test_a_run_of_layers_from_outside_goes_on_from_its_folder(tmp_path):
    settings, x = METHODS["momentum"], Y.astype(np.float32)
    how = {"settings": settings, "batch_size": 2, "progress": False}
    whole = pycopi.fit(OWN, OWN.init(0), x, CLASSES, epochs=3, **how)
    pycopi.fit(OWN, OWN.init(0), x, CLASSES, epochs=1, checkpoint=tmp_path, **how)
    rest = pycopi.fit(OWN, OWN.init(0), x, CLASSES, epochs=3, checkpoint=tmp_path, **how)
    for place, array in arrays_of(whole).items():
        assert_same(arrays_of(rest)[place], array)


def test_fit_learns_from_single_samples():
    network = pycopi.mlp([2, 8, 2])
    x, y = np.eye(2, dtype=np.float32), np.array([0, 1])
    settings = pycopi.Settings(gain=100.0)
    state = pycopi.fit(network, network.init(seed=0), x, y, epochs=50, settings=settings, batch_size=1)
    assert state.history[-1].accuracy == 1.0
